"""The bot's streams, passed through untouched.

Where one of our own streams is a terminal the bot gets a pseudo-terminal there, so that it draws QR codes and colours
as if it stood alone; otherwise a pipe. Bytes are copied by one thread a stream, so that a reader of ours that does not
read (a paused terminal, a full pipe) holds up the bot's output and never the supervisor; where not even the bot may be
held up, the thread hands them to one that writes (`ways`). When our reader is gone, the bot's output is still drained,
so that the bot neither blocks nor dies of it.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType

from supervisor.process.tty import TerminalMode

if sys.platform == "linux":
    import fcntl

CHUNK = 65536

OnOutput = Callable[[str, bytes], None]
"""Hears of each piece of output, with "stdout" or "stderr"; the latter only where the bot's two streams are apart."""

Way = Callable[[bytes], object]
"""Takes a piece of output for one of our own streams."""

NO_WAYS: Mapping[int, Way] = MappingProxyType({})
_STDIN, _STDOUT, _STDERR = 0, 1, 2

_NAMES = {_STDOUT: "stdout", _STDERR: "stderr"}

#: Seconds that `ChildStdio.close` waits for a thread that our own reader holds up.
_PATIENCE = 0.25

#: Bytes of a pipe: what a bot may write at once while this process is not given the processor. Linux has 64 KiB, and
#: grants any user this much (pipe(7), /proc/sys/fs/pipe-max-size).
_PIPE_SIZE = 1024 * 1024


class Pump(threading.Thread):
    """Copies one stream until every holder of its other end is gone."""

    def __init__(
        self,
        source: int,
        target: int,
        on_output: OnOutput | None,
        way: Way | None = None,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(name=f"pump-{target}", daemon=True)
        self._source = source
        self._target: int | None = target
        self._stream = _NAMES[target]
        self._on_output = on_output
        self._way = way
        self._before = before

    def run(self) -> None:
        """Copy; the thread's body."""
        try:
            while chunk := self._read():
                self._before()
                if self._on_output is not None:
                    self._on_output(self._stream, chunk)
                (self._way or self._pass_on)(chunk)
        finally:
            os.close(self._source)

    def _read(self) -> bytes:
        try:
            return os.read(self._source, CHUNK)
        except OSError:  # EIO: Linux's way to say that a pseudo-terminal's other end is gone
            return b""

    def _pass_on(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view and self._target is not None:
            try:
                view = view[os.write(self._target, view) :]
            except BlockingIOError:  # somebody who shares our stream made it non-blocking
                select.select([], [self._target], [])
            except OSError:  # EPIPE, EIO: our reader has gone; go on draining
                self._target = None


def _open_terminal() -> tuple[int | None, dict[int, int]]:
    """A pseudo-terminal and which of the child's streams it stands for; none on Windows, where pipes must do."""
    if sys.platform == "win32":
        return None, {}
    import pty
    import termios

    terminal, slave = pty.openpty()
    # Our own terminal does this already: it shows what is typed, and puts a carriage return before each newline.
    settings = termios.tcgetattr(slave)
    settings[1] &= ~termios.OPOST
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    return terminal, {fd: slave for fd in (_STDIN, _STDOUT, _STDERR) if os.isatty(fd)}


def _widen(pipe: int) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # EPERM: this user has very many pipes
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)


class ChildStdio:
    """The three streams of one child: its ends, our ends, and the pumps between."""

    def __init__(self) -> None:
        """Open a pseudo-terminal wherever our own stream is a terminal, pipes elsewhere."""
        self._pumps: list[Pump] = []
        self._input_lock = threading.Lock()
        self._terminal, ends = _open_terminal() if os.isatty(_STDOUT) else (None, {})
        self.resize()
        self._mode = None if self._terminal is None else TerminalMode(self._terminal)
        self._follow = self._mode.follow if self._mode is not None and _STDIN in ends else lambda: None
        #: Where the child's output comes out, by the descriptor of ours that it is for.
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

    def resize(self) -> bool:
        """Give the bot's terminal the size of ours; False where there is none."""
        if self._terminal is None:
            return False
        import fcntl
        import termios

        try:
            size = fcntl.ioctl(_STDOUT, termios.TIOCGWINSZ, b"\0" * 8)
            fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, size)
        except OSError:  # our terminal is gone, and nobody looks at the bot's
            return False
        return True

    def start(self, on_output: OnOutput | None = None, ways: Mapping[int, Way] = NO_WAYS) -> None:
        """Begin to copy, once the child has its ends and ours of them are closed (`let_go`).

        `on_output` is called with each chunk, from a pump's thread, before it is passed on. `ways` has what takes the
        output for a descriptor of ours without ever waiting; without one the bot waits for our reader.
        """
        self.resize()  # the child may have been started a while ago
        while self._sources:
            fd, source = self._sources.popitem()
            pump = Pump(source, fd, on_output, ways.get(fd), self._follow if fd == _STDOUT else lambda: None)
            self._pumps.append(pump)
            pump.start()

    def write(self, data: bytes) -> None:
        """Give the bot input. Blocks while the bot does not read, so call it from a thread of its own."""
        with self._input_lock:
            view = memoryview(data)
            while view and self._input is not None:
                try:
                    view = view[os.write(self._input, view) :]
                except OSError:  # EPIPE, EIO: the bot no longer listens
                    return

    def end_input(self) -> None:
        """Tell the bot that no more input will come; a terminal has no such end."""
        if self._terminal is None:
            self._close_input()

    def close(self) -> None:
        """Close everything once what the bot wrote has been passed on. Call it when the bot's tree is gone."""
        self.let_go()
        while self._sources:
            os.close(self._sources.popitem()[1])
        for pump in self._pumps:
            # A reader of ours that does not read keeps the pump; a daemon with its own descriptors, it may stay.
            pump.join(_PATIENCE)
        self._pumps.clear()
        if self._mode is not None:
            self._mode.restore()
        self._close_input()
        if self._terminal is not None:
            os.close(self._terminal)
            self._terminal = None

    def let_go(self) -> None:
        """Close our copies of the child's ends, once it has them, so that its exit ends the streams."""
        while self._ends:
            os.close(self._ends.pop())

    def _close_input(self) -> None:
        # A writer in `write` may hold the lock until the last reader of the stream is gone. Were the descriptor closed
        # under it, its next write could go to whatever file was opened since under the same number.
        if not self._input_lock.acquire(timeout=_PATIENCE):
            return
        try:
            if self._input is not None:
                os.close(self._input)
                self._input = None
        finally:
            self._input_lock.release()
