"""Edit-to-ready against another launcher: the same bot, the same edits, in turns.

    python -m benchmarks restart --vs nodemon --edits 20
    python -m benchmarks restart --vs-version ../before/.venv/bin/scanonce --no-preflight

Each launcher runs the bot in a folder of its own, on its own copy of one linked profile. They are edited in turns, so
that other load on the machine affects both. Lost writes are those that were acknowledged to the page before the edit
and were missing after it, in IndexedDB, localStorage and cookies.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from benchmarks.launchers import LAUNCHERS, Launched, Restart, describe, link_once
from supervisor.demo.offline_bot import ensure_node_modules

OURS, UNCHECKED, OTHER = "scanonce", "scanonce --no-preflight", "scanonce, the other"
DOWN = ("close", "stop", "prove")
"""The phases of the stop for which there is a limit."""


async def quiet(busy: float) -> None:
    """Wait until at most this percentage of the machine's processor time was in use for a second."""
    psutil.cpu_percent()
    while True:
        await asyncio.sleep(1)
        if psutil.cpu_percent() <= busy:
            return


async def restart_in_turns(
    runs: Mapping[str, Launched], edits: int, pause: float, busy: float
) -> Mapping[str, list[Restart]]:
    """Restart each bot `edits` times, in turns.

    `pause` is how long, in seconds, a bot is let run between its restart and the next edit of any; then as long as
    it takes until no more than `busy` percent of the machine are busy.
    """
    results: dict[str, list[Restart]] = {name: [] for name in runs}
    for number in range(edits + 1):
        for name, run in runs.items():
            await asyncio.sleep(pause)
            await quiet(busy)
            restart = await run.edit()
            if number:  # the first one warms the caches
                results[name].append(restart)
    return results


async def measure(
    commands: Mapping[str, Sequence[str]], edits: int, pause: float, busy: float, folder: Path
) -> tuple[Mapping[str, Sequence[Restart]], str]:
    """Restart the bot under each launcher, as in `restart_in_turns`; returns the restarts and the launchers' memory."""
    linked = await link_once(folder / "linked", folder / "t0")
    runs: dict[str, Launched] = {}
    try:
        for number, (name, command) in enumerate(commands.items()):
            project, temporary = folder / f"bot-{number}", folder / f"t{number + 1}"
            runs[name] = await Launched.start(name, project, linked, temporary, command=command)
        results = await restart_in_turns(runs, edits, pause, busy)
        memory = ", ".join(f"{name} {run.rss():.1f} MB" for name, run in runs.items())
    finally:
        for run in runs.values():
            await run.stop()
    return results, memory


def median_phases(restarts: Sequence[Restart]) -> str:
    """The median of each phase, in milliseconds."""
    names = dict.fromkeys(name for restart in restarts for name in restart.phases)
    medians = {name: statistics.median(restart.phases.get(name, 0) for restart in restarts) for name in names}
    return "  ".join(f"{name} {value:.0f}" for name, value in medians.items())


def report(results: Mapping[str, Sequence[Restart]], memory: str) -> str:
    """The figures of scanonce, the first launcher, and of its rival as a table: minimum / median / maximum."""
    lines = [f"{'':25}{'edit to ready, s':24}{'writes lost':>13}  QR codes"]
    for name, restarts in results.items():
        seconds = describe([restart.seconds for restart in restarts], ".2f")
        lost = sum(restart.lost.indexed_db + restart.lost.local_storage + restart.lost.cookie for restart in restarts)
        codes = sum(not restart.linked for restart in restarts)
        lines.append(f"{name:25}{seconds:24}{lost:13}  {codes} of {len(restarts)}")
    ours, theirs = results.values()
    ratios = [a.seconds / b.seconds for a, b in zip(ours, theirs, strict=True)]
    lines.append(f"ratio, pair by pair: {describe(ratios, '.3f')}")
    down = [float(sum(restart.phases.get(name, 0) for name in DOWN)) for restart in ours]
    lines.append(f"{' + '.join(DOWN)}, ms: {describe(down, '.0f')}")
    lines += [f"phases, median ms: {found}" for restarts in results.values() if (found := median_phases(restarts))]
    lines.append(f"memory after {len(ours) + 1} restarts: {memory}")
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks restart", description=(__doc__ or "").split("\n")[0])
    rivals = [name for name in LAUNCHERS if name not in {OURS, "scanonce, warm"}]
    help_preflight = "whether scanonce checks changed files before it stops the bot (default: yes)"
    parser.add_argument("--preflight", action=argparse.BooleanOptionalAction, default=True, help=help_preflight)
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--vs", choices=rivals, default="nodemon", help="the other launcher (%(default)s)")
    help_version = "compare with another version of scanonce: the path of its program"
    other.add_argument("--vs-version", metavar="PROGRAM", type=Path, help=help_version)
    parser.add_argument("--edits", type=int, default=20, help="number of edits under each launcher (%(default)s)")
    parser.add_argument("--pause", type=float, default=2.0, help="seconds between two edits (%(default)s)")
    help_busy = "edit only while at most this percentage of the machine's processor time is in use (%(default)s)"
    parser.add_argument("--busy", type=float, default=100.0, help=help_busy)
    options = parser.parse_args(arguments)
    ours, rival = OURS if options.preflight else UNCHECKED, OTHER if options.vs_version else options.vs
    if rival == ours:
        parser.error("nothing to compare: with --vs scanonce --no-preflight leave preflight on")
    ensure_node_modules()
    command = LAUNCHERS[ours]()
    version = options.vs_version
    # This may install it, which must not be part of the measurement.
    older = [word for word in command[1:] if word != "--cold"]  # before there were others
    its_command = LAUNCHERS[rival]() if version is None else [str(version.absolute()), *older]
    commands = {ours: command, rival: its_command}
    print(f"load before: {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores, {options.edits} edits each")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        results, memory = asyncio.run(measure(commands, options.edits, options.pause, options.busy, Path(folder)))
    print(report(results, memory))
    print(f"load after: {os.getloadavg()[0]:.2f}, of which the two bots make about 1")
