"""A supervisor on a real pseudo-terminal of its own, as a person at a keyboard has it."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import fcntl
import os
import pty
import struct
import termios
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.helpers.shell import SCANONCE

ROWS, COLUMNS = 50, 120

#: Seconds; longer than a browser takes to start on a busy machine.
PATIENCE = 120.0

#: What tells programs of another terminal than this one, or that no person sits at it.
_OTHERS = {
    "CI",
    "COLORTERM",
    "FORCE_COLOR",
    "NODE_DISABLE_COLORS",
    "NO_COLOR",
    "TEAMCITY_VERSION",
    "TERM_PROGRAM",
    "TMUX",
}


class Terminal:
    """What the screen has shown so far, and the keyboard."""

    def __init__(self, fd: int, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.screen = ""
        self._fd = fd
        self._decode = codecs.getincrementaldecoder("utf-8")()
        self._typed_at = 0
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(fd, self._read)

    def _read(self) -> None:
        try:
            chunk = os.read(self._fd, 65536)
        except OSError:  # EIO: nobody has the terminal open any more
            chunk = b""
        self.screen += self._decode.decode(chunk)
        if not chunk:
            asyncio.get_running_loop().remove_reader(self._fd)
        self._news.set()

    async def shows(self, text: str, timeout: float = PATIENCE) -> None:
        """Wait until the screen has shown a text since keys were last typed."""
        try:
            async with asyncio.timeout(timeout):
                while text not in self.screen[self._typed_at :]:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pytest.fail(f"the screen has not shown {text!r} within {timeout:g} s:\n{self.screen}")

    def type(self, keys: str) -> None:
        """Type keys; the terminal makes signals of those that mean one."""
        self._typed_at = len(self.screen)
        os.write(self._fd, keys.encode())

    async def ended(self, timeout: float = PATIENCE) -> int:
        """Wait for the supervisor's end, and return its exit status."""
        async with asyncio.timeout(timeout):
            return await self.process.wait()

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows what is typed, by itself."""
        return bool(termios.tcgetattr(self._fd)[3] & termios.ECHO)

    def resize(self, columns: int, rows: int) -> None:
        """Drag the window to another size; the terminal tells its foreground processes."""
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def hang_up(self) -> None:
        """Close the window."""
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1


@contextlib.asynccontextmanager
async def on_terminal(
    folder: Path, command: Sequence[str], environment: Mapping[str, str] = os.environ, *, in_shell: bool = False
) -> AsyncIterator[Terminal]:
    """`scanonce dev -- COMMAND` in `folder`, with a terminal that is its controlling one.

    `in_shell`: only a shell with job control, in which `$BOT` is that whole command.
    """
    whole = [SCANONCE, "dev", "--", *command]
    fd, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    try:
        process = await asyncio.create_subprocess_exec(
            *(["sh", "-i"] if in_shell else whole),
            cwd=folder,
            env={name: value for name, value in environment.items() if name not in _OTHERS}
            | {"TERM": "xterm-256color", "BOT": " ".join(map(str, whole)), "PS1": "PROMPT$ ", "ENV": ""},
            stdin=end,
            stdout=end,
            stderr=end,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
    finally:
        os.close(end)
    terminal = Terminal(fd, process)
    try:
        yield terminal
    finally:
        terminal.hang_up()  # which stops a supervisor that the test has not
        with contextlib.suppress(TimeoutError):
            await terminal.ended()
        if process.returncode is None:
            process.kill()
            await process.wait()
