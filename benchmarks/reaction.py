"""The time from a write until scanonce has frozen the bot, and until nodemon's signal has reached it.

    python -m benchmarks reaction --edits 100

One plain node bot under each launcher, edited in turns. The time starts before the file is opened. That scanonce has
frozen the bot is read from the bot's state in /proc; nodemon's signal is recorded by the bot's own handler.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.launchers import describe
from benchmarks.plain import BOT, PATIENCE, Plain, stands_still


def edit(launcher: Plain, bot: int, number: int) -> tuple[float, int]:
    """Save a changed file; returns the seconds until the launcher first acts on the bot, and the next bot's pid."""
    began, began_wall = time.monotonic(), time.time()
    with (launcher.folder / "index.js").open("w") as file:
        file.write(f"{BOT}// {number}\n")
    if launcher.name == "scanonce":
        took = stands_still(bot, began + PATIENCE) - began
    else:
        took = float(launcher.line("signal ")[1].split()[1]) / 1000 - began_wall
    return took, launcher.up()


def measure(edits: int, pause: float, folder: Path) -> dict[str, list[float]]:
    """Edit in turns; returns the seconds of each edit."""
    found: dict[str, list[float]] = {"scanonce": [], "nodemon": []}
    for name in found:
        (folder / name).mkdir()
        (folder / name / "index.js").write_text(BOT)
    with Plain("scanonce", folder / "scanonce") as ours, Plain("nodemon", folder / "nodemon") as theirs:
        bots = {launcher.name: launcher.up() for launcher in (ours, theirs)}
        time.sleep(
            2
        )  # until both are at rest: nodemon has walked the tree, and scanonce has finished its background work
        for number in range(edits + 1):
            for launcher in (ours, theirs):
                took, bots[launcher.name] = edit(launcher, bots[launcher.name], number)
                if number:  # the first one warms the caches
                    found[launcher.name].append(took)
                time.sleep(pause)  # until both are at rest again
    return found


def report(found: Mapping[str, Sequence[float]]) -> str:
    """The results as a table."""
    lines = [f"{'':10}{'min / median / max, ms':26}{'p95, ms':>8}"]
    for name, seconds in found.items():
        milliseconds = [one * 1000 for one in seconds]
        p95 = statistics.quantiles(milliseconds, n=20)[-1]
        lines.append(f"{name:10}{describe(milliseconds, '.1f'):26}{p95:8.1f}")
    ratio = statistics.median(found["scanonce"]) / statistics.median(found["nodemon"])
    pairs = [a / b for a, b in zip(found["scanonce"], found["nodemon"], strict=True)]
    lines.append(f"ratio of the medians {ratio:.2f}; pair by pair: {describe(pairs, '.2f')}")
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks reaction", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--edits", type=int, default=100, help="number of edits under each launcher (%(default)s)")
    parser.add_argument("--pause", type=float, default=0.3, help="seconds between two edits (%(default)s)")
    options = parser.parse_args(arguments)
    print(f"load before: {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores, {options.edits} edits each")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        print(report(measure(options.edits, options.pause, Path(folder))))
    print(f"load after: {os.getloadavg()[0]:.2f}")
