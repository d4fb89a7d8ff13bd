"""Runs a command with its streams wired to ours; a program of its own, since those are wired by number.

`python passing.py REPORT COMMAND...`. Writes to REPORT how long letting go took (seconds) and how much memory was used
at most (KiB), and exits with the command's status.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from supervisor.process.child import Child
from supervisor.process.reaper import Reaper
from supervisor.process.spawn import SpawnSpec


async def main(command: list[str]) -> tuple[int, float]:
    """Run the command; returns its status, and how many seconds letting go took."""
    child = Child.spawn(SpawnSpec(command, Path.cwd(), os.environ), reaper=Reaper())
    asyncio.get_running_loop().add_signal_handler(signal.SIGWINCH, child.stdio.resize)
    child.stdio.resize()  # our terminal may have got another size before there was anybody to hear of it
    code = await child.wait()
    began = time.monotonic()
    child.release()
    return code, time.monotonic() - began


def peak() -> str:
    """The most memory that this process ever held, in KiB."""
    return next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)


if __name__ == "__main__":
    status, took = asyncio.run(main(sys.argv[2:]))
    Path(sys.argv[1]).write_text(f"{took} {peak()}")
    # A thread that our own reader holds up must not hold up the exit.
    os._exit(status)
