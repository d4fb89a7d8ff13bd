"""Resume suspended processes if the process that suspended them dies first.

`python -m supervisor.process.resume_helper PID STARTED` is for one browser. It writes one byte when it is ready, and
waits on standard input. A byte there means that all is well; the end of the input without one, or silence for `_LIMIT`
seconds, means that it is not.

Without arguments it reads any number of lines `PID STARTED`, and resumes those processes at the end of its input; a
signal ends it when that is no longer needed. Lines in the pipe are read even if their writer has died before this has
begun, so a writer need not wait until it is ready.
"""

# The time that these imports take delays each suspension, so psutil is imported in an emergency only.

import contextlib
import site
import sys
import threading

#: Seconds that a browser may be suspended at most; what is read from its profile after that is found to have changed.
_LIMIT = 30.0
_CLOCK_SLACK = 1.0  # seconds; a start time is counted from the boot, whose own time moves when the clock is set


def resume(pid: int, started: float) -> None:
    """Resume a process and its descendants, if it is still the one that was started then (seconds since the epoch)."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        main = psutil.Process(pid)
        if abs(main.create_time() - started) <= _CLOCK_SLACK:
            for process in (main, *main.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    process.resume()


def _guard_one(pid: int, started: float) -> None:
    overdue = threading.Timer(_LIMIT, resume, (pid, started))
    overdue.daemon = True
    overdue.start()
    sys.stdout.write("\0")
    sys.stdout.flush()
    if not sys.stdin.buffer.read(1):
        resume(pid, started)


def _guard_listed() -> None:
    lines = sys.stdin.read().splitlines()
    if sys.flags.no_site:  # -S, for a quick start: it left out the folder in which psutil is installed
        site.main()
    for pid, started in {tuple(line.split()) for line in lines if line.count(" ") == 1}:
        resume(int(pid), float(started))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _guard_one(int(sys.argv[1]), float(sys.argv[2]))
    else:
        _guard_listed()
