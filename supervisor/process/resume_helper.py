"""Resume suspended processes if the process that suspended them dies first.

It reads any number of lines `PID STARTED`, and resumes those processes and all that descend from them at the end of its
input, or, if it has the argument `LIMIT`, that many seconds after its start already. A signal ends it when that is no
longer needed. Lines in the pipe are read even if their writer has died before this has begun, so a writer need not wait
until it is ready.
"""

# The time that these imports take delays each suspension, so others are imported only where they are needed.

import contextlib
import site
import sys

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


def main() -> None:
    """Read the lines to their end, and resume what they name."""
    lines: list[str] = []

    def resume_all() -> None:
        if sys.flags.no_site:  # -S, for a quick start: it left out the folder in which psutil is installed
            site.main()
        for pid, started in {tuple(line.split()) for line in lines if line.count(" ") == 1}:
            resume(int(pid), float(started))

    if len(sys.argv) > 1:
        import threading

        overdue = threading.Timer(float(sys.argv[1]), resume_all)
        overdue.daemon = True
        overdue.start()
    for line in sys.stdin:
        lines.append(line)  # noqa: PERF402 - one by one, for the timer's thread
    resume_all()


if __name__ == "__main__":
    main()
