"""Our own terminal's mode, which follows that of the bot's: a prompt that reads single keys gets them, unseen or not.

A program that draws its own prompt (readline, inquirer, a password) turns off its terminal's lines and echo. Were ours
left as it is, an answer would be shown twice, a password once, and arrow keys would arrive with the next Enter. Signals
stay on, so that Ctrl+C remains ours.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
from collections.abc import Iterator

if sys.platform != "win32":
    import termios

_STDIN = 0
_IFLAG, _LFLAG = 0, 3  # of what tcgetattr answers


class TerminalMode:
    """Follows the terminal whose master is `terminal`; does nothing where our input is none, and on Windows."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._raw = False
        self._before: tuple[int, int] | None = None

    def follow(self) -> None:
        """Look at the bot's terminal, and do likewise. Some microseconds; called for each piece of output."""
        if sys.platform == "win32":
            return
        with contextlib.suppress(OSError, termios.error):  # one of the two is gone: there is nothing to follow
            theirs = termios.tcgetattr(self._terminal)
            raw = not theirs[_LFLAG] & termios.ICANON
            if raw and not self._raw:
                self._begin(theirs[_IFLAG])
            elif self._raw and not raw:
                self.restore()

    def restore(self) -> None:
        """Our terminal as it was; to be called when the bot is gone, whatever it has left behind."""
        if sys.platform == "win32" or not self._raw:
            return
        self._raw = False
        atexit.unregister(self.restore)
        assert self._before is not None
        with contextlib.suppress(OSError, termios.error):
            settings = termios.tcgetattr(_STDIN)
            settings[_IFLAG], settings[_LFLAG] = self._before
            _set(settings)

    def _begin(self, their_input: int) -> None:
        assert sys.platform != "win32"
        if not os.isatty(_STDIN) or not _in_foreground():
            return
        settings = termios.tcgetattr(_STDIN)
        self._before = settings[_IFLAG], settings[_LFLAG]
        settings[_LFLAG] &= ~(termios.ICANON | termios.ECHO)
        if not their_input & termios.ICRNL:
            settings[_IFLAG] &= ~termios.ICRNL
        # Also for an end that leaves the bot behind, as when one of its processes would not die.
        atexit.register(self.restore)
        _set(settings)
        self._raw = True


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(_STDIN) == os.getpgrp()
    except OSError:  # it is not the terminal that controls us: nobody else is in front there
        return True


def _set(settings: list[object]) -> None:
    with _not_stopped():
        termios.tcsetattr(_STDIN, termios.TCSANOW, settings)  # type: ignore[arg-type]  # as tcgetattr has answered it


@contextlib.contextmanager
def _not_stopped() -> Iterator[None]:
    """A shell may put us into the background at any moment; the kernel would then stop us for the change of mode."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
