"""Readiness by output: a pattern that the bot prints."""

import codecs
import re
from collections.abc import Callable

WINDOW = 4096
"""Characters of an unfinished line that are kept for a match across chunks, and of an unfinished escape sequence."""

# ECMA-48: CSI sequences; OSC, DCS, SOS, PM and APC strings up to BEL or ST; then the short escape sequences.
_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-OQ-WYZ\\`-~])",
)
_UNFINISHED_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)\Z")


class OutputMatcher:
    """Looks for a pattern in a stream of output, and calls `on_match` with the matched text, once.

    The pattern is searched within lines, `^` and `$` standing for their ends, in the text without its escape
    sequences and with CR and CRLF taken as line ends. Unfinished lines are searched as well, since a prompt has no
    end of line. Bytes that are not UTF-8 become U+FFFD. Of a line without end the last `WINDOW` characters are kept.
    """

    def __init__(self, pattern: str, on_match: Callable[[str], None]) -> None:
        """Raises re.error for a pattern that is none."""
        self._pattern = re.compile(pattern, re.MULTILINE)
        self._on_match = on_match
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._unfinished = ""
        self._line = ""
        self._cut = 0  # 1 when `_line` has lost its beginning: `^` must not match there
        self.matched = False

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the output."""
        if self.matched:
            return
        text = self._line + self._strip(self._decoder.decode(chunk)).replace("\r", "\n")
        if (match := self._pattern.search(text, self._cut)) is not None:
            self.matched = True
            self._line = self._unfinished = ""
            self._on_match(match[0])
            return
        start = text.rfind("\n") + 1
        if start:
            self._cut = 0
        if len(text) - start > WINDOW:
            start, self._cut = len(text) - WINDOW, 1
        self._line = text[start:]

    def _strip(self, text: str) -> str:
        """Remove escape sequences; one whose end has not come yet is held back."""
        text = self._unfinished + text
        self._unfinished = ""
        if "\x1b" not in text:
            return text
        text = _ESCAPE.sub("", text)
        if (match := _UNFINISHED_ESCAPE.search(text)) is not None:
            if len(match[0]) <= WINDOW:
                self._unfinished = match[0]
            text = text[: match.start()]
        return text
