"""`python -m supervisor.thaw PID STARTED`: thaw a browser if whoever froze it dies before doing so.

It says that it is ready by one byte on standard output, and waits on standard input. A byte means that all is well; the
end of the input without one, or no word for too long, means that it is not.
"""

from __future__ import annotations

import contextlib
import sys
import threading

import psutil

#: Seconds that a browser may stand still at most; what is read after that is found to have changed, and is thrown away.
_LIMIT = 30.0
_CLOCK_SLACK = 1.0  # seconds; a start time is counted from the boot, whose own time moves when the clock is set


def thaw(pid: int, started: float) -> None:
    """Resume a process, if it is still the one that was started then, and all that descend from it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        main = psutil.Process(pid)
        if abs(main.create_time() - started) <= _CLOCK_SLACK:
            for process in (main, *main.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()


def main() -> None:
    """Wait, then thaw unless told that all is well."""
    pid, started = int(sys.argv[1]), float(sys.argv[2])
    overdue = threading.Timer(_LIMIT, thaw, (pid, started))
    overdue.daemon = True
    overdue.start()
    sys.stdout.write("\0")
    sys.stdout.flush()
    if not sys.stdin.buffer.read(1):
        thaw(pid, started)


if __name__ == "__main__":
    main()
