"""The standard streams of a command: there in any case, and with an end of its own for output that is lost."""

import errno
import io
import os
import signal
import sys
from typing import Any, TextIO

READER_GONE, UNWRITABLE = 141, 2
"""Exit statuses for output that could not be written: the reader had gone (128 + SIGPIPE, as a shell has it, and no
command's answer), or anything else, such as a full disk."""


class OutputLostError(SystemExit):
    """Standard output could not be written, which ends the command; what there was to say about it has been said."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def prepare() -> None:
    """Have standard streams, and signals, that do not depend on how our caller has left them."""
    _open_closed()
    _unblock_signals()
    sys.stdout = _guarded(sys.stdout, _Output)
    sys.stderr = _guarded(sys.stderr, _Errors)


def _open_closed() -> None:
    """Open those of the three standard streams that our caller has closed.

    The next file that is opened, a snapshot's perhaps, would get the number, and the bot's output would go into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one


def _unblock_signals() -> None:
    """Receive every signal, and let the bot do so: a thread of a JVM, for instance, may have started us without."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        # Were it ignored, the kernel would reap our children itself, and no exit status would be known.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


class _Output(io.FileIO):
    """Standard output."""

    lost = False

    def write(self, data: Any) -> int:
        """Write; raises OutputLostError once, and drops the rest."""
        if self.lost:
            return len(data)
        try:
            return super().write(data)
        except OSError as error:
            self.lost = True
            if error.errno == errno.EPIPE:
                raise OutputLostError(READER_GONE) from None
            print(f"scanonce: the output could not be written: {error.strerror}.", file=sys.stderr)
            raise OutputLostError(UNWRITABLE) from None


class _Errors(io.FileIO):
    """Standard error: what cannot be written to it must not change how a command ends."""

    def write(self, data: Any) -> int:
        """Write, or drop it."""
        try:
            return super().write(data)
        except OSError:
            return len(data)


def _guarded(stream: TextIO, kind: type[io.FileIO]) -> TextIO:
    """A stream like this one whose writes are those of `kind`; itself where it is no plain file (a Windows console)."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    buffered = type(getattr(stream.buffer, "raw", None)) is io.FileIO
    if not buffered and type(stream.buffer) is not io.FileIO:  # with PYTHONUNBUFFERED there is no buffer
        return stream
    raw = kind(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw) if buffered else raw,
        stream.encoding,
        stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
