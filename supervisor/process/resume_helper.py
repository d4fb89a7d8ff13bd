"""Resume suspended processes if the process that suspended them dies first.

`python -m supervisor.process.resume_helper PID STARTED` is for one browser. One byte on standard output says that it is
ready; it waits on standard input. A byte there means that all is well. The end of the input without one, or silence for
too long, means that it is not.

Without arguments it reads any number of lines `PID STARTED`, and resumes those processes at the end of its input; a
signal ends it when that is no longer needed. Lines in the pipe are read even if their writer has died before this has
begun, so nothing has to wait until it is ready.
"""

# What is imported here delays each freeze, so psutil comes with the emergency only.

from __future__ import annotations

import contextlib
import site
import sys
import threading

#: Seconds that a browser may stand still at most; what is read after that is found to have changed, and is thrown away.
_LIMIT = 30.0
_CLOCK_SLACK = 1.0  # seconds; a start time is counted from the boot, whose own time moves when the clock is set


def thaw(pid: int, started: float) -> None:
    """Resume a process, if it is still the one that was started then, and all that descend from it."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        main = psutil.Process(pid)
        if abs(main.create_time() - started) <= _CLOCK_SLACK:
            for process in (main, *main.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    process.resume()


def _guard_one(pid: int, started: float) -> None:
    """Wait, then thaw unless told that all is well."""
    overdue = threading.Timer(_LIMIT, thaw, (pid, started))
    overdue.daemon = True
    overdue.start()
    sys.stdout.write("\0")
    sys.stdout.flush()
    if not sys.stdin.buffer.read(1):
        thaw(pid, started)


def _guard_listed() -> None:
    """Read to the end, then thaw."""
    lines = sys.stdin.read().splitlines()
    if sys.flags.no_site:  # a quick start, which leaves out where psutil lies
        site.main()
    for pid, started in {tuple(line.split()) for line in lines if line.count(" ") == 1}:
        thaw(int(pid), float(started))


def main() -> None:
    """Guard what the arguments or the input name."""
    if len(sys.argv) > 1:
        _guard_one(int(sys.argv[1]), float(sys.argv[2]))
    else:
        _guard_listed()


if __name__ == "__main__":
    main()
