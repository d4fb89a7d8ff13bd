"""QR codes: on the terminal, for a bot that does not draw them there itself, and as images."""

import asyncio
import io
import re
import time
from collections.abc import Callable

from supervisor.system.wrap import wrap

#: Seconds that a bot has to draw a code itself; it gets the code when we do.
PATIENCE = 2.0

#: The modules of a drawn code: half and whole blocks (U+2580 to U+259F in UTF-8), or blanks on black and white.
_INK = re.compile(rb"\xe2\x96[\x80-\x9f]|\x1b\[4[07]m {2}|\x1b\[7m {2}|\x1b\[48;5;[0-9]+m {2}")

_COLOURS = re.compile(rb"\x1b\[[0-9;]*m")

#: The least number of these in one piece of output that is a code. The smallest code has 21 by 21 modules.
_DRAWING = 100


class QrDisplay:
    """Draws codes by `draw`, unless the bot's own output, which is passed to `feed`, has just shown one that fits.

    Where even ours is wider than the terminal, a line says so: broken lines cannot be scanned.
    `columns` returns the width of the terminal, None where there is none.
    """

    def __init__(
        self, draw: Callable[[str], None], columns: Callable[[], int | None], patience: float = PATIENCE
    ) -> None:
        self._draw = draw
        self._columns = columns
        self._patience = patience
        self._drawn_at, self._drawn_width = float("-inf"), 0
        self._waiting: asyncio.TimerHandle | None = None

    def feed(self, chunk: bytes) -> None:
        """Search a piece of the bot's output for a drawing. Called from the threads that pass it on."""
        if b"\xe2\x96" in chunk or b"\x1b[" in chunk:
            ink = sum(1 for _ in _INK.finditer(chunk))
            if ink >= _DRAWING:
                self._drawn_at, self._drawn_width = time.monotonic(), _widest(chunk)

    def show(self, text: str) -> None:
        """Draw a page's new code after `patience` seconds, unless the bot has drawn it or the next one has come."""
        if self._waiting is not None:
            self._waiting.cancel()
        since = time.monotonic() - self._patience

        def draw() -> None:
            needed, columns = width(text), self._columns()
            if columns is not None and columns < needed:
                said = f"the QR code needs {needed} columns, and this terminal has {columns}"
                self._draw(wrap(f"scanonce  {said}: widen it, or make its letters smaller", columns, rest=10))
            elif self._drawn_at < since or (columns is not None and columns < self._drawn_width):
                self._draw(render_text(text))

        self._waiting = asyncio.get_running_loop().call_later(self._patience, draw)

    def close(self) -> None:
        """Draw nothing more."""
        if self._waiting is not None:
            self._waiting.cancel()


def _widest(output: bytes) -> int:
    return max(len(_COLOURS.sub(b"", line).decode("utf-8", "replace").rstrip("\r")) for line in output.split(b"\n"))


def width(text: str) -> int:
    """The columns that a drawing of a QR code of `text` takes, with a margin of one module."""
    import segno

    return int(segno.make(text, error="l", micro=False).symbol_size(border=1)[0])


def render_text(text: str) -> str:
    """Return a QR code of `text` in half blocks, light on dark, as narrow as it can be."""
    # Imported here, because only the linking of a device needs it.
    import segno

    drawing = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(drawing, border=2, compact=True)
    return drawing.getvalue().rstrip("\n")


def render_png(text: str) -> bytes:
    """Return a QR code of `text` as a PNG image that a phone can scan from a screen: black on white, with a margin."""
    import segno

    image = io.BytesIO()
    segno.make(text, error="l", micro=False).save(image, kind="png", scale=8, border=4)
    return image.getvalue()
