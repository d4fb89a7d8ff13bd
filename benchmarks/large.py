"""The cost of a large profile: its restart against that of an empty one, and the pause for a live snapshot.

    python -m benchmarks large --edits 10 --takes 10

Two bots run under scanonce, each in a folder of its own: one freshly linked, one whose page has stored 60,000 messages
(126 MB). They are edited in turns. Then `scanonce snapshot take` copies the large profile while its page writes. The
pause is measured by the command itself: from just before the first process is frozen until the last one is thawed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.launchers import Launched, Restart, describe, link_once
from benchmarks.restart import median_phases, restart_in_turns
from supervisor.demo.offline_bot import ensure_node_modules
from supervisor.demo.phone import Phone
from tests.helpers.shell import SCANONCE

EMPTY, LARGE = "as it was linked", "126 MB"
MESSAGES = 60_000
_BATCH = (
    5_000  # messages that the page stores per request; storing all in one would take longer than the connection waits
)


async def fill(run: Launched, messages: int) -> None:
    """Let a page store that many messages of about 2 kB, and restart its bot once, so that they are in tables."""
    async with await Phone.connect(run.profile) as phone:
        for _ in range(messages // _BATCH):
            await phone.fill(_BATCH)
    await run.edit()


async def take(run: Launched) -> float:
    """Take a snapshot of a running bot; returns the pause in milliseconds."""
    process = await asyncio.create_subprocess_exec(
        SCANONCE, "snapshot", "take", "--json", cwd=run.folder, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    taken = json.loads(out)
    assert taken["snapshot"]["live"]
    assert taken["snapshot"]["verified"]
    return float(taken["pause_ms"])


async def measure_pauses(run: Launched, takes: int) -> tuple[float, list[float]]:
    """The pause for the first snapshot, which copies everything, and for those after it."""
    for snapshot in (run.folder / ".session-cache").glob("backup-*"):
        shutil.rmtree(snapshot)
    first = await take(run)
    return first, [await take(run) for _ in range(takes)]


def report(results: Mapping[str, Sequence[Restart]], first: float, later: Sequence[float]) -> str:
    """The results as text: minimum / median / maximum."""
    lines = []
    for name, restarts in results.items():
        lines.append(f"{name:18}edit to ready, s: {describe([restart.seconds for restart in restarts], '.2f')}")
        lines.append(f"{'':18}phases, median ms: {median_phases(restarts)}")
    more = [large.seconds - empty.seconds for large, empty in zip(results[LARGE], results[EMPTY], strict=True)]
    lines.append(f"more for the large one, pair by pair, ms: {describe([1000 * seconds for seconds in more], '.0f')}")
    work = ("close", "check", "snapshot")
    ours = {name: [sum(r.phases.get(phase, 0) for phase in work) for r in found] for name, found in results.items()}
    difference = statistics.median(ours[LARGE]) - statistics.median(ours[EMPTY])
    lines.append(f"of which close, check and snapshot, difference of the medians, ms: {difference:.0f}")
    lines.append(f"pause of a live snapshot, ms: the first {first:.0f}, then {describe(list(later), '.0f')}")
    return "\n".join(lines)


async def run_all(options: argparse.Namespace, folder: Path) -> str:
    """Prepare the bots, measure, and stop everything."""
    linked = await link_once(folder / "linked", folder / "t0")
    runs: dict[str, Launched] = {}
    try:
        for number, name in enumerate((EMPTY, LARGE)):
            runs[name] = await Launched.start("scanonce", folder / f"bot-{number}", linked, folder / f"t{number + 1}")
        await fill(runs[LARGE], options.messages)
        results = await restart_in_turns(runs, options.edits, options.pause, options.busy)
        first, later = await measure_pauses(runs[LARGE], options.takes)
    finally:
        for run in runs.values():
            await run.stop()
    return report(results, first, later)


def main(arguments: list[str]) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks large", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--edits", type=int, default=10, help="number of edits of each bot (%(default)s)")
    parser.add_argument("--takes", type=int, default=10, help="number of live snapshots after the first (%(default)s)")
    parser.add_argument(
        "--messages", type=int, default=MESSAGES, help="number of 2 kB messages in the large profile (%(default)s)"
    )
    parser.add_argument("--pause", type=float, default=2.0, help="seconds between two edits (%(default)s)")
    help_busy = "edit only while at most this percentage of the machine's processor time is in use (%(default)s)"
    parser.add_argument("--busy", type=float, default=100.0, help=help_busy)
    options = parser.parse_args(arguments)
    ensure_node_modules()
    print(f"load before: {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        print(asyncio.run(run_all(options, Path(folder))))
    print(f"load after: {os.getloadavg()[0]:.2f}, of which the two bots make about 1")
