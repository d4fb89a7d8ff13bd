"""Lines written to a stream that may be closed, broken, stopped or full, without ever waiting for it."""

import os
import select
import sys
import time
from typing import Final, TextIO

from supervisor.system.async_writer import AsyncWriter

# A pipe takes this much in one piece, and has room for it if it polls as writable (pipe(7)).
_PIECE: Final = 512 if sys.platform == "win32" else select.PIPE_BUF
STAY: Final = "\r"
"""At the end of a line: the next one goes over it."""

_MOST_WAITING: Final = 256 * 1024


class LineWriter:
    """Writes whole lines to a stream, standard error if None is given.

    What a stopped terminal (Ctrl+S) or a pipe that nobody reads does not take waits here, up to 256 KiB, and goes out
    ahead of a later line. Beyond that lines are dropped, and they are if the reader has gone: a supervisor must neither
    die nor hang because of what it has to say.
    """

    def __init__(self, stream: TextIO | None = None, encoding: str | None = None) -> None:
        self._given = stream
        self._encoding = encoding
        self._waiting = bytearray()
        self._outlet: AsyncWriter | None = None

    def msg(self, line: str) -> None:
        """Write one line; one that ends in `STAY` is not ended."""
        fd = self._fd()
        if self._outlet is not None:
            self._outlet.put(self._encode(line))
        elif fd is None:
            self._print(line)
        elif len(self._waiting) < _MOST_WAITING:
            self._waiting += self._encode(line)
            self._drain(fd, 0.0)

    debug = info = warning = error = msg  # the names under which structlog calls it

    def flush(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for the reader to take what is waiting."""
        fd = self._fd()
        if self._outlet is not None:
            self._outlet.flush(timeout)
        elif fd is not None:
            self._drain(fd, timeout)

    def begin_thread(self) -> None:
        """From now on have a thread write, under the same promises: for a stream that others write to as well.

        Between finding room in a pipe and writing, another writer may take the room, and the write would wait for it.
        """
        fd = self._fd()
        if fd is not None and self._outlet is None:
            self.flush(0.0)
            self._outlet = AsyncWriter(fd, room=_MOST_WAITING)

    def end_thread(self, timeout: float) -> None:
        """Give the thread `timeout` seconds to write what is waiting, and be without one again."""
        outlet, self._outlet = self._outlet, None
        if outlet is not None:
            outlet.close(timeout)

    def _encode(self, line: str) -> bytes:
        encoding = self._encoding or getattr(self._stream, "encoding", None) or "utf-8"
        return (line if line.endswith(STAY) else f"{line}\n").encode(encoding, "backslashreplace")

    def is_terminal(self) -> bool:
        """Whether a person may be looking."""
        fd = self._fd()
        return fd is not None and os.isatty(fd)

    def is_journal(self) -> bool:
        """Whether this goes straight to systemd's journal, as JOURNAL_STREAM (systemd.exec(5)) tells."""
        fd = self._fd()
        if fd is None or "JOURNAL_STREAM" not in os.environ:
            return False
        try:
            status = os.fstat(fd)
        except OSError:
            return False
        return os.environ["JOURNAL_STREAM"] == f"{status.st_dev}:{status.st_ino}"

    @property
    def _stream(self) -> TextIO | None:
        return self._given if self._given is not None else sys.stderr  # which is None without a console on Windows

    def _fd(self) -> int | None:
        """The stream's file descriptor; None for one in memory, and for a closed one."""
        try:
            return None if self._stream is None else self._stream.fileno()
        except (OSError, ValueError):
            return None

    def _print(self, line: str) -> None:
        try:
            print(line, file=self._stream, flush=True)
        except (OSError, ValueError):
            return

    def _drain(self, fd: int, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while self._waiting and _writable(fd, max(0.0, deadline - time.monotonic())):
            try:
                written = os.write(fd, self._waiting[:_PIECE])
            except BlockingIOError:  # non-blocking, and another writer took the room
                return
            except OSError:  # the reader has gone, the disk is full, the descriptor is closed
                self._waiting.clear()
                return
            del self._waiting[:written]


def _writable(fd: int, timeout: float) -> bool:
    """Whether a piece can be written without waiting. A broken stream can: the write then says what is wrong."""
    if sys.platform == "win32":
        return True  # select knows sockets only
    try:
        return bool(select.select((), (fd,), (), timeout)[1])
    except (OSError, ValueError):  # closed, or numbered beyond what select can take
        return True
