"""SIGKILL of the supervisor at random moments: the bot must be back, linked, alone, and without lost writes.

    python -m benchmarks death --kills 100

One bot under `scanonce run`. The supervisor alone is killed repeatedly: while the bot is up, while the supervisor
starts the bot after the previous kill, and, three times in ten, during a restart requested by `scanonce restart`. The
next supervisor must be ready without a QR code, with one browser, no frozen process, nothing left of the previous run,
and every write that was acknowledged to the page. The moments are drawn with `--seed`. The status is 1 if a write was
lost or a process was left or doubled.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from benchmarks.launchers import describe
from benchmarks.soak import bot_folder
from supervisor.demo.offline_bot import ensure_node_modules, profile_of
from supervisor.demo.page_connection import PageError
from supervisor.demo.phone import DEFAULT_NUMBER, Phone, SocketState, Tally
from tests.e2e.supervised import Supervised, supervised, temporary_files
from tests.helpers.processes import processes_of
from tests.helpers.shell import SCANONCE

Kind = Literal["restart", "start", "up"]

SPAN = {"restart": 3.0, "start": 3.0, "up": 1.0}
"""Seconds within which the moment of a kill is drawn. A start or a restart of this bot takes about as long."""

_RESTARTS = 0.3
_ALIVE = 2.0  # seconds to reach the page of a bot whose supervisor was killed


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill and its result."""

    kind: Kind
    last: str
    """The last event that the supervisor had logged."""
    problems: Sequence[str]
    seconds: float
    """Seconds from the next start until the bot is ready."""


async def kill(folder: Path, kind: Kind, moment: float, bot: Supervised) -> tuple[str, Tally]:
    """Kill a supervisor whose bot is up, `moment` seconds into the phase `kind`; returns its last event and the writes.

    For "start" that is the supervisor after it.
    """
    written = await bot.written()
    if kind == "start":
        await bot.kill()
        async with supervised(folder, "run") as late:
            return await _kill_after(late, moment), written
    if kind == "restart":
        asking = await asyncio.create_subprocess_exec(SCANONCE, "restart", "--no-wait", cwd=folder)
        await bot.until("restart.requested")
        last = await _kill_after(bot, moment)
        await asking.wait()
        return last, written
    last = await _kill_after(bot, moment)
    # The bot is not affected by the kill: it writes on.
    with contextlib.suppress(PageError):
        async with await Phone.connect(profile_of(folder, DEFAULT_NUMBER), _ALIVE) as phone:
            await phone.wait_state(SocketState.READY, timeout=_ALIVE)
            written = (await phone.counters()).written
    return last, written


async def _kill_after(bot: Supervised, moment: float) -> str:
    await asyncio.sleep(moment)
    last = bot.events[-1]["event"] if bot.events else "nothing yet"
    await bot.kill()
    return str(last)


async def judge(folder: Path, bot: Supervised, before: Tally, left: Sequence[psutil.Process]) -> list[str]:
    """The problems of the bot that a new supervisor has brought up, in words."""
    outcome = (await bot.until("restart.done"))["outcome"]
    problems = [] if outcome == "ready" else [f"the start has ended as {outcome}"]
    problems += [f"session.{name}" for name in ("needs_link", "restored", "damaged") if bot.named(f"session.{name}")]
    if outcome == "ready" and (lost := before.lost_in(await bot.found())):
        problems.append(f"writes lost: {lost}")
    browsers = frozen = 0
    for process in processes_of(folder):
        with contextlib.suppress(psutil.NoSuchProcess):
            words = process.cmdline()
            main = any(word.startswith("--user-data-dir=") for word in words)
            browsers += main and not any("--type=" in word for word in words) and "crashpad" not in words[0]
            frozen += process.status() == psutil.STATUS_STOPPED
    problems += [f"{browsers} browsers"] if browsers != 1 else []
    problems += [f"{frozen} processes stand still"] if frozen else []
    alive = [one.pid for one in left if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    return problems + ([f"left of the last run: {alive}"] if alive else [])


async def death(folder: Path, kinds: Sequence[Kind], moments: random.Random) -> list[Kill]:
    """Link a device, then kill one supervisor after the other; the last one is stopped cleanly."""
    results: list[Kill] = []
    done: tuple[Kind, str, Tally] | None = None
    for kind in (*kinds, None):
        left, began = processes_of(folder), time.monotonic()
        async with supervised(folder, "run") as bot:
            if done is None:
                await bot.until("restart.done", outcome="needs_link")
                await bot.link()
            else:
                problems = await judge(folder, bot, done[2], left)
                results.append(Kill(done[0], done[1], problems, time.monotonic() - began))
                if problems:
                    print(f"kill {len(results)}, {done[0]}, after {done[1]}: {', '.join(problems)}", flush=True)
            if kind is not None:
                done = (kind, *await kill(folder, kind, moments.uniform(0, SPAN[kind]), bot))
    return results


def draw(kills: int, moments: random.Random) -> list[Kind]:
    """The phase of each kill: three in ten a restart, the others in turns a start or a bot that is up."""
    restarts = round(kills * _RESTARTS)
    others: list[Kind] = ["start" if number % 2 else "up" for number in range(kills - restarts)]
    kinds: list[Kind] = [*others]
    kinds += ["restart"] * restarts
    moments.shuffle(kinds)
    return kinds


def report(results: Sequence[Kill]) -> str:
    """The results as text."""
    good = sum(not one.problems for one in results)
    kinds = Counter(one.kind for one in results)
    lines = [
        f"back ready, linked, one browser, nothing left, nothing lost: {good} of {len(results)}",
        "killed "
        + ", ".join(f"{kinds[kind]} times in a {kind}" for kind in ("restart", "start"))
        + f", {kinds['up']} times while the bot was up",
        f"from the next start until ready, s: {describe([one.seconds for one in results], '.2f')}",
        "the last that was told before a kill:",
    ]
    last = Counter(one.last for one in results)
    return "\n".join([*lines, *(f"  {count:4} {name}" for name, count in last.most_common())])


def main(arguments: list[str]) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks death", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kills", type=int, default=100, help="number of kills (%(default)s)")
    parser.add_argument(
        "--seed",
        type=int,
        default=random.SystemRandom().randrange(1 << 32),
        help="seed of the random moments, to repeat a run",
    )
    options = parser.parse_args(arguments)
    ensure_node_modules()
    print(f"load before: {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores, seed {options.seed}", flush=True)
    moments = random.Random(options.seed)
    with bot_folder() as folder:
        results = asyncio.run(death(folder, draw(options.kills, moments), moments))
        left = [*processes_of(folder), *temporary_files(folder)]
    print(report(results))
    print(f"left after the last stop: {len(left)}")
    return 1 if left or any(one.problems for one in results) else 0
