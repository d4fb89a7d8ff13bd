#!/usr/bin/env python3
"""Make docs/session-light.svg and docs/session-dark.svg: a terminal with one session, from a real run.

Runs `scanonce dev` on the offline bot in a terminal of its own: link, save, a save with a mistake, stop. Needs what
`scanonce demo` needs, and rich. Run it again when what scanonce prints has changed: `make picture`.
"""

import asyncio
import codecs
import fcntl
import io
import os
import pty
import re
import signal
import struct
import sys
import tempfile
import termios
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from supervisor.demo.offline_bot import bot_environment, ensure_node_modules, prepare, profile_of
from supervisor.demo.phone import DEFAULT_NUMBER, Phone, SocketState

DOCS = Path(__file__).resolve().parents[1] / "docs"
COLUMNS, ROWS = 92, 60
PATIENCE = 60.0


def theme(background: str, foreground: str, colours: str) -> TerminalTheme:
    """Build a theme from colours such as "0d1117"; `colours` are the eight of ANSI, in order."""
    numbers = [tuple(bytes.fromhex(colour)) for colour in (background, foreground, *colours.split())]
    return TerminalTheme(numbers[0], numbers[1], numbers[2:])  # type: ignore[arg-type]


LIGHT = theme("ffffff", "24292f", "24292f cf222e 116329 956000 0969da 8250df 1b7c83 57606a")
DARK = theme("0d1117", "c9d1d9", "484f58 ff7b72 3fb950 d29922 58a6ff bc8cff 39c5cf b1bac4")


class Screen:
    """The terminal of a running `scanonce dev`: its keyboard is not used, and what it has received is kept."""

    def __init__(self, terminal: int, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.received = ""
        self._seen = 0
        self._terminal = terminal
        self._decode = codecs.getincrementaldecoder("utf-8")()
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(terminal, self._read)

    @classmethod
    async def start(cls, folder: Path) -> Self:
        """Start scanonce on a terminal of its own."""
        terminal, ends = pty.openpty()
        fcntl.ioctl(ends, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "supervisor", "dev", "--", "node", "index.js"),
            cwd=folder,
            env={**bot_environment(), "TERM": "xterm-256color", "BOT_NUMBER": DEFAULT_NUMBER},
            stdin=ends,
            stdout=ends,
            stderr=ends,
            start_new_session=True,
        )
        os.close(ends)
        return cls(terminal, process)

    def _read(self) -> None:
        try:
            chunk = os.read(self._terminal, 65536)
        except OSError:  # the other end is closed
            chunk = b""
        self.received += self._decode.decode(chunk)
        if not chunk:
            asyncio.get_running_loop().remove_reader(self._terminal)
        self._news.set()

    async def shows(self, text: str) -> None:
        """Wait until a text comes, after the one that was last waited for."""
        async with asyncio.timeout(PATIENCE):
            while (at := self.received.find(text, self._seen)) < 0:
                self._news.clear()
                await self._news.wait()
        self._seen = at + len(text)


async def record(folder: Path) -> str:
    """Play the session; returns what the terminal received."""
    screen = await Screen.start(folder)
    try:
        await screen.shows("█")
        async with await Phone.connect(profile_of(folder, DEFAULT_NUMBER), timeout=PATIENCE) as phone:
            await phone.wait_state(SocketState.UNPAIRED)
            await phone.scan()
        await screen.shows("ready: ")
        source = folder / "index.js"
        text = source.read_text()
        source.write_text(text.replace("'pong'", "'pong!'"))
        await screen.shows("back online in")
        await screen.shows("ready: ")
        source.write_text(text.replace("reply('pong')", "reply('pong'"))
        await screen.shows("keeps running as before")
        screen.process.send_signal(signal.SIGINT)
        await screen.shows("stopped")
        await screen.process.wait()
    finally:
        if screen.process.returncode is None:
            screen.process.terminate()
            await screen.process.wait()
    return screen.received


def tidy(received: str) -> str:
    """The lines of the picture: the command first, the thirty lines of the QR code as one, no echo of Ctrl+C."""
    lines = ["\x1b[1m$ scanonce dev -- node index.js\x1b[0m"]
    for line in received.replace("\r", "").replace("^C", "").splitlines():
        if re.fullmatch(r"[█▀▄ ]+", line):
            line = "\x1b[2m    ... the QR code; a phone scans it, once ...\x1b[0m"
            if lines[-1] == line:
                continue
        if line:
            lines.append(line)
    return "\n".join(lines)


def draw(text: str, colours: TerminalTheme) -> str:
    """The lines as SVG, in the fonts of the reader: nothing is loaded from another machine."""
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(text))
    svg = console.export_svg(title="scanonce", theme=colours, unique_id="session")
    return re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code", "ui-monospace")


def main() -> None:
    """Record a session, and write the two pictures."""
    ensure_node_modules()
    with tempfile.TemporaryDirectory(prefix="scanonce-picture-") as name:
        folder = prepare(Path(name) / "bot")
        text = tidy(asyncio.run(record(folder)))
    for kind, colours in (("light", LIGHT), ("dark", DARK)):
        (DOCS / f"session-{kind}.svg").write_text(draw(text, colours), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
