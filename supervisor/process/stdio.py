"""The bot's streams, passed through unchanged.

Where one of our own streams is a terminal the bot gets a pseudo-terminal there, so that it draws QR codes and colours
as it would without us; otherwise a pipe. One thread per stream copies bytes, so that a reader of ours that does not
read (a paused terminal, a full pipe) blocks the bot's output and never the supervisor; where not even the bot may
block, an `OutputWriter` that never blocks takes them. When our reader is gone, the bot's output is still drained, so
that the bot neither blocks nor gets an error.
"""

import contextlib
import os
import select
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from supervisor.process.tty import TerminalMode, prepare_terminal, unread

if sys.platform == "linux":
    import fcntl

CHUNK = 65536

OnOutput = Callable[[str, bytes], None]
"""Called with each piece of output, and "stdout" or "stderr"; the latter only where the bot's two streams differ."""

OutputWriter = Callable[[bytes], object]
"""Takes a piece of output for one of our own streams."""

NO_WRITERS: Mapping[int, OutputWriter] = MappingProxyType({})
_STDIN, _STDOUT, _STDERR = 0, 1, 2

_NAMES = {_STDOUT: "stdout", _STDERR: "stderr"}

#: Seconds that `ChildStdio.close` waits for a thread that our own reader blocks.
_CLOSE_TIMEOUT = 0.25

#: Seconds that the end of the input waits for the bot to read what comes before it.
_END_TIMEOUT = 10.0

#: Bytes of a pipe: what a bot may write at once while this process is not scheduled. Linux has 64 KiB, and grants any
#: user this much (pipe(7), /proc/sys/fs/pipe-max-size).
_PIPE_SIZE = 1024 * 1024


def _pump(
    source: int,
    target: int,
    on_output: OnOutput | None,
    writer: OutputWriter | None,
    mode: TerminalMode | None,
    packets: bool,
) -> None:
    """Copy one stream until every holder of its other end is gone; the body of a thread.

    In `packets` the first byte says what follows: 0 is output, anything else a change of the terminal's mode.
    """
    write = writer or _blocking_writer(target)
    try:
        while chunk := _read(source):
            if mode is not None:
                mode.follow()
            if packets:
                if chunk[0] or len(chunk) == 1:
                    continue
                chunk = chunk[1:]
            if on_output is not None:
                on_output(_NAMES[target], chunk)
            write(chunk)
    finally:
        os.close(source)


def _read(source: int) -> bytes:
    try:
        return os.read(source, CHUNK)
    except OSError:  # EIO: on Linux the end of a pseudo-terminal whose other end is closed
        return b""


def _blocking_writer(target: int) -> OutputWriter:
    """A writer that blocks while the reader does not read, and drops everything once it is gone."""
    gone = False

    def write(chunk: bytes) -> None:
        nonlocal gone
        view = memoryview(chunk)
        while view and not gone:
            try:
                view = view[os.write(target, view) :]
            except BlockingIOError:  # another process that shares our stream has made it non-blocking
                select.select([], [target], [])
            except OSError:  # EPIPE, EIO
                gone = True

    return write


def _open_terminal() -> tuple[int | None, dict[int, int], bool]:
    """A pseudo-terminal, which of the child's streams it stands for, and whether it is read in packets.

    None on Windows, which uses pipes.
    """
    if sys.platform == "win32":
        return None, {}, False
    import pty

    terminal, slave = pty.openpty()
    packets = prepare_terminal(terminal, slave)
    return terminal, {fd: slave for fd in (_STDIN, _STDOUT, _STDERR) if os.isatty(fd)}, packets


def _widen(pipe: int) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # EPERM: this user has very many pipes
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)


class ChildStdio:
    """The three streams of one child: its ends, our ends, and the pumps between."""

    def __init__(self) -> None:
        """Open a pseudo-terminal wherever our own stream is a terminal, pipes elsewhere."""
        self._pumps: list[threading.Thread] = []
        self._input_lock = threading.Lock()
        self._terminal, ends, self._packets = _open_terminal() if os.isatty(_STDOUT) else (None, {}, False)
        #: The child's end of the terminal, which is to be its controlling one.
        self.controlling = None if self._terminal is None else ends[_STDOUT]
        self.resize()
        self._mode = None if self._terminal is None or _STDIN not in ends else TerminalMode(self._terminal)
        #: The ends from which the child's output is read, by the descriptor of ours that it is for.
        self._sources: dict[int, int] = {}
        if self._terminal is not None:
            self._sources[_STDOUT] = os.dup(self._terminal)
        for fd in (_STDOUT, _STDERR):
            if fd not in ends:
                self._sources[fd], ends[fd] = os.pipe()
                _widen(self._sources[fd])
        self._input: int | None
        if _STDIN in ends:
            assert self._terminal is not None
            self._input = os.dup(self._terminal)
        else:
            ends[_STDIN], self._input = os.pipe()
        self._ends = set(ends.values())
        self.child_stdin, self.child_stdout, self.child_stderr = ends[_STDIN], ends[_STDOUT], ends[_STDERR]

    @property
    def master(self) -> int | None:
        """Our end of the terminal, for the child to inherit: without it the kernel would hang up when we die."""
        return self._terminal

    def suspend(self) -> None:
        """Leave our terminal to the shell, as it was found, until `resume`."""
        if self._mode is not None:
            self._mode.suspend()

    def resume(self) -> None:
        """Set up our terminal again for what the bot does."""
        self.resize()
        if self._mode is not None:
            self._mode.resume()

    def resize(self) -> None:
        """Give the bot's terminal the size of ours; the kernel sends SIGWINCH if it is another."""
        if self._terminal is None:
            return
        import fcntl
        import termios

        try:
            size = fcntl.ioctl(_STDOUT, termios.TIOCGWINSZ, b"\0" * 8)
            fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, size)
        except OSError:  # our terminal is gone
            return

    def start(self, on_output: OnOutput | None = None, writers: Mapping[int, OutputWriter] = NO_WRITERS) -> None:
        """Begin to copy, once the child has its ends and ours of them are closed (`close_child_ends`).

        `on_output` is called with each chunk, from a pump's thread, before it is passed on. `writers` has, by
        descriptor, the writers of our streams; without one the bot waits for our reader.
        """
        self.resize()  # the child may have been started a while ago
        while self._sources:
            fd, source = self._sources.popitem()
            at_terminal = fd == _STDOUT and self._terminal is not None
            mode = self._mode if at_terminal else None
            work = (source, fd, on_output, writers.get(fd), mode, self._packets and at_terminal)
            pump = threading.Thread(target=_pump, args=work, name=f"pump-{fd}", daemon=True)
            self._pumps.append(pump)
            pump.start()

    def write(self, data: bytes) -> None:
        """Give the bot input. Blocks while the bot does not read, so call it from a thread of its own."""
        with self._input_lock:
            view = memoryview(data)
            while view and self._input is not None:
                try:
                    view = view[os.write(self._input, view) :]
                except OSError:  # EPIPE, EIO: the bot has closed its end
                    return

    def end_input(self) -> None:
        """Close the bot's input, or do what Ctrl+D does on its terminal. Blocks like `write`."""
        if self._mode is None:
            self._close_input()
            return
        if sys.platform == "linux":
            # Only a character that comes alone is an end there (n_tty.c, EXTPROC).
            deadline = time.monotonic() + _END_TIMEOUT
            while (terminal := self._terminal) is not None and time.monotonic() < deadline:
                with contextlib.suppress(OSError):
                    if not unread(terminal):
                        break
                time.sleep(0.01)
        self.write(self._mode.end_of_input())

    def close(self) -> None:
        """Close everything once what the bot wrote has been passed on. Call it when the bot's tree is gone."""
        self.close_child_ends()
        while self._sources:
            os.close(self._sources.popitem()[1])
        for pump in self._pumps:
            # A pump that our own reader blocks may stay: it is a daemon thread with descriptors of its own.
            pump.join(_CLOSE_TIMEOUT)
        self._pumps.clear()
        if self._mode is not None:
            self._mode.restore()
        self._close_input()
        if self._terminal is not None:
            os.close(self._terminal)
            self._terminal = None

    def close_child_ends(self) -> None:
        """Close our copies of the child's ends, once it has them, so that its exit ends the streams."""
        while self._ends:
            os.close(self._ends.pop())

    def _close_input(self) -> None:
        # Closes a race with `write` in another thread, which may hold the lock until the last reader of the stream is
        # gone: were the descriptor closed under it, it could write to a file opened since under the same number.
        if not self._input_lock.acquire(timeout=_CLOSE_TIMEOUT):
            return
        try:
            if self._input is not None:
                os.close(self._input)
                self._input = None
        finally:
            self._input_lock.release()
