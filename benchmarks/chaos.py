"""Kill, stop and crash every part of a running bot; check that it comes back without a QR code, and count lost writes.

    python -m benchmarks chaos --times 10

SIGKILL, SIGSTOP and SIGSEGV of node, of Chromium's main process and of its renderer, GPU and network processes, and an
endless loop in node and in the page. After each incident the bot must be ready without a QR code, or not have been
disturbed at all. Every IndexedDB write that had completed in the page must be there, and of the other stores every
write that the previous start had found on disk. If the browser was closed cleanly, no write may be lost. The timeout
for hangs is three seconds instead of a minute. The status is 1 if one of these conditions failed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.launchers import describe
from benchmarks.soak import bot_folder
from supervisor.demo.offline_bot import ensure_node_modules
from supervisor.demo.phone import Tally
from tests.e2e.supervised import Supervised, supervised
from tests.e2e.victims import ROLES, victim

SIGNALS = (signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV)
LOOP = "endless loop"

CONFIGURATION = """
[restart]
backoff_initial = "50ms"
backoff_max = "50ms"
limit = 100000
[browser]
lost_patience = "1s"
[health]
timeout = "3s"
"""

_HANGS = "process.on('SIGUSR2', () => { for (;;); });\n"
_PAGE_HANGS = "setTimeout(() => { for (;;); }, 0)"

#: Chromium starts these again by itself: seconds in which a bot that would be disturbed shows it.
_HELPERS, _PATIENCE = {"gpu", "network"}, 8.0


@dataclass
class Row:
    """The results of one kind of incident."""

    what: str
    back: int = 0
    undisturbed: int = 0
    lost: Tally = field(default_factory=lambda: Tally(0, 0, 0))
    unflushed: Tally = field(default_factory=lambda: Tally(0, 0, 0))
    seconds: list[float] = field(default_factory=list)
    reasons: set[str] = field(default_factory=set)

    def line(self, times: int) -> str:
        """The result as a row of the table."""
        took = describe(self.seconds, ".1f") if self.seconds else "-"
        why = ", ".join(sorted(self.reasons)) or "-"
        return (
            f"| {self.what} | {self.back + self.undisturbed} of {times} | {self.undisturbed} | {_shown(self.lost)} | "
            f"{_shown(self.unflushed)} | {took} | {why} |"
        )


def _shown(tally: Tally) -> str:
    return f"{tally.indexed_db} / {tally.local_storage} / {tally.cookie}"


def _add(one: Tally, other: Tally) -> Tally:
    return Tally(one.indexed_db + other.indexed_db, one.local_storage + other.local_storage, one.cookie + other.cookie)


async def strike(bot: Supervised, role: str, how: str) -> None:
    """Cause the incident."""
    if how == LOOP and role == "renderer":
        async with await bot.phone() as phone:
            await phone.devtools.evaluate(_PAGE_HANGS)
    else:
        victim(bot.folder, role).send_signal(signal.SIGUSR2 if how == LOOP else signal.Signals[how])


async def incident(bot: Supervised, role: str, how: str, row: Row) -> bool:
    """Cause one incident; returns whether the bot was back without a QR code."""
    before, written = await bot.found(), await bot.written()
    began, seen = time.monotonic(), len(bot.events)
    await strike(bot, role, how)
    if role in _HELPERS and how != "SIGSTOP":
        await asyncio.sleep(_PATIENCE)
        if not any(event["event"] in {"bot.unhealthy", "bot.crashed", "browser.lost"} for event in bot.events[seen:]):
            later = await bot.written()
            row.undisturbed += later.indexed_db > written.indexed_db
            return later.indexed_db > written.indexed_db
    done = await bot.until("restart.done", 120.0)
    row.seconds.append(time.monotonic() - began)
    row.reasons.add(str(done["reason"]))
    if done["outcome"] != "ready" or any(event["event"] == "session.needs_link" for event in bot.events[seen:]):
        return False
    row.back += 1
    lost = written.lost_in(found := await bot.found())
    flushed = Tally(written.indexed_db, before.local_storage, before.cookie)
    row.lost = _add(row.lost, lost if done["clean"] else flushed.lost_in(found))
    row.unflushed = _add(row.unflushed, lost)
    return True


async def chaos(folder: Path, times: int, roles: Sequence[str]) -> bool:
    """Cause every incident so many times, on one bot, and print the table."""
    (folder / "scanonce.toml").write_text(CONFIGURATION)
    with (folder / "index.js").open("a") as file:
        file.write(_HANGS)
    good = True
    async with supervised(folder, "run", options=["--grace=50ms"]) as bot:
        await bot.until("restart.done", outcome="needs_link")
        await bot.link()
        # A new link is only in Chromium's memory; before anything is killed, it must be on the disk.
        if not await incident(bot, "node", "SIGKILL", Row("")):
            return False
        print("| what | back, no QR | undisturbed | flushed writes lost | writes lost in all | s to ready | reason |")
        print("|---|---|---|---|---|---|---|")
        for role in roles:
            hows = [number.name for number in SIGNALS] + ([LOOP] if role in {"node", "renderer"} else [])
            for how in hows:
                row = Row(f"{how}, {role}")
                for _ in range(times):
                    good &= await incident(bot, role, how, row)
                good &= not row.lost
                print(row.line(times), flush=True)
        assert await bot.stop() == 128 + signal.SIGTERM
    return good


def main(arguments: list[str]) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks chaos", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--times", type=int, default=10, help="incidents of each kind (%(default)s)")
    parser.add_argument("--roles", nargs="+", choices=ROLES, default=ROLES, help="the processes to hit (all)")
    options = parser.parse_args(arguments)
    ensure_node_modules()
    print(f"load before: {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores")
    with bot_folder() as folder:
        return 0 if asyncio.run(chaos(folder, options.times, options.roles)) else 1
