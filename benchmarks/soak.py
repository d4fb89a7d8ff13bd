"""Restart after restart: is anything lost, left behind, or growing?

    python -m benchmarks soak --links 20 --restarts 50

First the device is linked anew, a source file is saved a second later, and the bot must come back without a QR code;
that as often as `--links` says, each in a new folder. Then one bot is restarted `--restarts` times in a row, each time
as soon as its page has written something. The status is 1 if anything was lost or left.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.launchers import Launched, describe
from examples.offline import Tally, ensure_node_modules, find_chromium, prepare
from tests.e2e.processes import processes_of, variables
from tests.e2e.supervised import Supervised, supervised, temporary_files

NODEMON_RESTARTS = 5


@contextmanager
def bot_folder() -> Iterator[Path]:
    """A new bot's folder, with everything around it of its own in this process's environment."""
    with tempfile.TemporaryDirectory(prefix="soak-") as top:
        folder, temporary = Path(top) / "bot", Path(top) / "t"
        temporary.mkdir()
        before = dict(os.environ)
        os.environ.update(variables(folder, temporary, find_chromium()))
        try:
            yield prepare(folder)
        finally:
            os.environ.clear()
            os.environ.update(before)


async def restart(bot: Supervised) -> tuple[bool, Tally, Mapping[str, int]]:
    """Save a source file; returns whether the bot came back linked, what was lost, and the milliseconds by phase."""
    written = await bot.written()
    bot.save()
    done = await bot.until("restart.done")
    return done["outcome"] == "ready", written.lost_in(await bot.found()), done["phases_ms"]


async def link_and_save(folder: Path) -> bool:
    """Link a device, save a file a second later: whether the bot is back without a QR code and nothing is lost."""
    async with supervised(folder) as bot:
        await bot.until("restart.done", outcome="needs_link")
        await bot.link()
        await asyncio.sleep(1)
        linked, lost, _ = await restart(bot)
    return linked and not lost


async def soak(folder: Path, restarts: int) -> bool:
    """Restart one bot again and again; prints what came of it, and returns whether all was well."""
    total, linked, memory, down = Tally(0, 0, 0), 0, [], []
    async with supervised(folder) as bot:
        await bot.until("restart.done", outcome="needs_link")
        await bot.link()
        supervisor = psutil.Process(bot.process.pid)
        for _ in range(restarts):
            back, lost, phases = await restart(bot)
            linked += back
            total = Tally(
                total.indexed_db + lost.indexed_db,
                total.local_storage + lost.local_storage,
                total.cookie + lost.cookie,
            )
            memory.append((supervisor.memory_info().rss / 1e6, supervisor.num_fds(), supervisor.num_threads()))
            down.append(float(sum(phases[name] for name in ("close", "stop", "prove"))))
        status = await bot.stop()
        clean = bot.named("supervisor.stopped")[-1]["clean"]
    processes, files = processes_of(folder), temporary_files(folder)
    frozen = [process for process in processes if process.status() == psutil.STATUS_STOPPED]
    print(f"back without a QR code: {linked} of {restarts}")
    print(f"writes lost in IndexedDB / localStorage / cookies: {' / '.join(map(str, (*_numbers(total),)))}")
    print(f"stopped {'cleanly' if clean else 'not cleanly'} with status {status}")
    print(f"left: {len(processes)} processes, {len(frozen)} of them frozen, {len(files)} temporary files")
    print(f"close + stop + prove, ms: {describe(down, '.0f')}")
    marks = sorted({1, restarts // 5, restarts // 2, restarts} & set(range(1, restarts + 1)))
    print("supervisor: " + "; ".join(_measured(number, *memory[number - 1]) for number in marks))
    return linked == restarts and not total and clean and not processes and not files


def _numbers(tally: Tally) -> tuple[int, int, int]:
    return tally.indexed_db, tally.local_storage, tally.cookie


def _measured(number: int, rss: float, descriptors: int, threads: int) -> str:
    return f"after {number} restarts {rss:.1f} MB, {descriptors} descriptors, {threads} threads"


async def nodemon(folder: Path) -> float:
    """nodemon's memory after some restarts of the same bot, in megabytes."""
    temporary = folder.parent / "n"
    launched = await Launched.start("nodemon", folder, None, temporary)
    try:
        for _ in range(NODEMON_RESTARTS):
            await launched.edit()
        return launched.rss()
    finally:
        await launched.stop()


def main(arguments: list[str]) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks soak", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--links", type=int, default=20, help="new devices, each saved a second later (%(default)s)")
    parser.add_argument("--restarts", type=int, default=50, help="restarts of one bot in a row (%(default)s)")
    options = parser.parse_args(arguments)
    ensure_node_modules()
    print(f"load before: {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores")
    survived = 0
    for _ in range(options.links):
        with bot_folder() as folder:
            survived += asyncio.run(link_and_save(folder))
    print(f"linked, file saved a second later, back without a QR code and without loss: {survived} of {options.links}")
    with bot_folder() as folder:
        good = asyncio.run(soak(folder, options.restarts)) if options.restarts else True
    with bot_folder() as folder:
        print(f"nodemon after {NODEMON_RESTARTS} restarts: {asyncio.run(nodemon(folder)):.1f} MB")
    return 0 if good and survived == options.links else 1
