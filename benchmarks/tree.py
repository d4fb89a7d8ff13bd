"""A tree of 50,000 files of which 2,000 are watched: start, inotify watches, memory, processor time at rest.

    python -m benchmarks tree --rest 60

Measured under scanonce and then under nodemon; 48,000 of the files are in node_modules. A start lasts from just before
the launcher is started until the bot reports that it is up; for scanonce also until the bot's process exists.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.launchers import describe
from benchmarks.plain import BOT, NAMES, Plain

WATCHED, OTHERS, PER_FOLDER = 2000, 48000, 9


def build(root: Path) -> int:
    """Create the tree; returns the number of folders that contain watched files."""
    for top, number in (("src", WATCHED - 1), ("node_modules", OTHERS)):
        for i in range(number):
            folder = root / top / f"d{i // PER_FOLDER}"
            if i % PER_FOLDER == 0:
                folder.mkdir(parents=True)
            (folder / f"f{i}.js").write_text(f"module.exports = {i};\n")
    (root / "index.js").write_text(BOT)
    return 2 + len(list((root / "src").iterdir()))  # the root and src themselves


def at_rest(pid: int, seconds: float) -> tuple[float, int]:
    """The share of one core that a process takes at rest, in percent, and the number of its wake-ups."""
    process = psutil.Process(pid)
    before, switches = process.cpu_times(), process.num_ctx_switches().voluntary
    time.sleep(seconds)
    after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    return 100 * used / seconds, process.num_ctx_switches().voluntary - switches


def measure(name: str, root: Path, starts: int, rest: float) -> list[str]:
    """Start the launcher several times and measure it at rest; returns the lines to print."""
    spawned, up = [], []
    for _ in range(starts):
        with Plain(name, root) as launcher:
            if name == "scanonce":
                spawned.append(launcher.event("bot.started")[0] - launcher.began)
            up.append(launcher.line("up ")[0] - launcher.began)
    with Plain(name, root) as launcher:
        bot = launcher.up()
        time.sleep(5)  # files are hashed and the start's garbage is collected by then
        watches, memory, waiting = launcher.watches, launcher.rss, launcher.standby(bot)
        share, wakes = at_rest(launcher.process.pid, rest)
    lines = [f"  bot spawned after, s: {describe(spawned, '.2f')}"] if spawned else []
    return [
        *lines,
        f"  bot up after, s: {describe(up, '.2f')}",
        f"  inotify watches: {watches}",
        f"  memory: {memory:.1f} MB" + "".join(f"; a node that waits, by itself: {own:.1f} MB" for own in waiting),
        f"  at rest for {rest:g} s: {share:.3f} % of one core, {wakes} wake-ups of its main thread",
    ]


def main(arguments: list[str]) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks tree", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--starts", type=int, default=5, help="number of starts of each launcher (%(default)s)")
    parser.add_argument(
        "--rest", type=float, default=60.0, help="duration of the measurement at rest in seconds (%(default)s)"
    )
    options = parser.parse_args(arguments)
    print(f"load before: {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        print(f"folders with files that count: {build(Path(folder))}")
        for name in NAMES:
            print("\n".join([name, *measure(name, Path(folder), options.starts, options.rest)]))
    print(f"load after: {os.getloadavg()[0]:.2f}")
