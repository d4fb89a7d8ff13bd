"""Writing of lines to a stream that may be closed, broken, stopped or full, without ever blocking."""

import os
import re
import select
import sys
import time
from typing import Final, TextIO

from supervisor.system.async_writer import AsyncWriter

# A pipe takes this much at once, and has room for it if it polls as writable (pipe(7)).
_PIECE: Final = 512 if sys.platform == "win32" else select.PIPE_BUF
STAY: Final = "\r"  # at the end of a line: the next one replaces it
_ROOM: Final = 256 * 1024  # bytes that are queued
_STYLES: Final = re.compile(rb"(?:\x1b\[[0-9;?]*[A-Za-z])+\Z")  # at the end of an output: they move no cursor down
_TAIL: Final = 256  # bytes of an output that are searched for its end


class LineWriter:
    """Writes whole lines to a stream, standard error if None is given.

    Up to 256 KiB are queued for a stopped terminal (Ctrl+S) or a pipe without a reader, and written before the next
    line. Further lines are dropped, and all of them if the reader is gone: logging must neither end nor block the
    supervisor.
    """

    def __init__(self, stream: TextIO | None = None, encoding: str | None = None) -> None:
        self._given = stream
        self._encoding = encoding
        self._waiting = bytearray()
        self._outlet: AsyncWriter | None = None
        self._unfinished = False

    def note_output(self, chunk: bytes) -> None:
        """Note what another writer of the same file writes, so that the next line begins on a line of its own.

        Called from any thread. A line that is written at the same moment may still be joined to the output.
        """
        if end := _STYLES.sub(b"", chunk[-_TAIL:]):
            self._unfinished = not end.endswith(b"\n")

    @property
    def unfinished(self) -> bool:
        """Whether another writer of the same file has left a line without an end, as a question does."""
        return self._unfinished

    def msg(self, line: str) -> None:
        """Write one line; one that ends in `STAY` gets no line end."""
        fd = self._fd()
        if self._outlet is not None:
            self._outlet.put(self._encode(line))
        elif fd is None:
            self._print(line)
        elif len(self._waiting) < _ROOM:
            self._waiting += self._encode(line)
            self._drain(fd, 0.0)

    debug = info = warning = error = msg  # the names by which structlog calls it

    def flush(self, timeout: float) -> None:
        """Wait up to `timeout` seconds until the queue is written."""
        fd = self._fd()
        if self._outlet is not None:
            self._outlet.flush(timeout)
        elif fd is not None:
            self._drain(fd, timeout)

    def begin_thread(self) -> None:
        """Write from a thread from now on: for a stream that other processes write to as well.

        Between a poll that finds room in a pipe and the write, another writer may take it, and the write would block.
        """
        fd = self._fd()
        if fd is not None and self._outlet is None:
            self.flush(0.0)
            self._outlet = AsyncWriter(fd, room=_ROOM)

    def end_thread(self, timeout: float) -> None:
        """End the thread, after `timeout` seconds at most to write the queue."""
        outlet, self._outlet = self._outlet, None
        if outlet is not None:
            outlet.close(timeout)

    def _encode(self, line: str) -> bytes:
        encoding = self._encoding or getattr(self._stream, "encoding", None) or "utf-8"
        begin, self._unfinished = "\n" if self._unfinished else "", False
        return f"{begin}{line}{'' if line.endswith(STAY) else chr(10)}".encode(encoding, "backslashreplace")

    def is_terminal(self) -> bool:
        """Whether the stream is a terminal."""
        fd = self._fd()
        return fd is not None and os.isatty(fd)

    def writes_to(self, fd: int) -> bool:
        """Whether the stream is the file, pipe or terminal that a descriptor stands for."""
        own = self._fd()
        try:
            return own is not None and os.path.sameopenfile(own, fd)
        except OSError:  # closed
            return False

    def is_journal(self) -> bool:
        """Whether the stream is systemd's journal, by JOURNAL_STREAM (systemd.exec(5))."""
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
        return self._given if self._given is not None else sys.stderr  # None on Windows without a console

    def _fd(self) -> int | None:
        """The stream's file descriptor; None if it is in memory or closed."""
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
            except OSError:  # the reader is gone, the disk is full, the descriptor is closed
                self._waiting.clear()
                return
            del self._waiting[:written]


def _writable(fd: int, timeout: float) -> bool:
    """Whether a write would not block. True for a broken stream, too: the write then raises."""
    if sys.platform == "win32":
        return True  # select knows sockets only
    try:
        return bool(select.select((), (fd,), (), timeout)[1])
    except (OSError, ValueError):  # closed, or a number above what select takes
        return True
