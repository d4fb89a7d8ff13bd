"""The mode of our own terminal, which follows that of the bot's, so that a prompt gets single keys, and hidden input.

A program that draws its own prompt (readline, inquirer, a password) turns off line editing and echo of its terminal. If
ours kept them, an answer would be shown twice, a password once, and arrow keys would arrive with the next Enter.
Signals stay on, so that Ctrl+C remains ours.
"""

import atexit
import contextlib
import os
import signal
import sys

if sys.platform != "win32":
    import termios

_STDIN = 0
_IFLAG, _LFLAG = 0, 3  # positions in the result of tcgetattr


class TerminalMode:
    """Follows the terminal whose master is `terminal`; does nothing where our input is none, and on Windows."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        #: Our two flag words before the change, None while there is no change.
        self._saved: tuple[int, int] | None = None

    def follow(self) -> None:
        """Copy the mode of the bot's terminal. Takes some microseconds; called for each piece of output."""
        if sys.platform == "win32":
            return
        with contextlib.suppress(OSError, termios.error):  # one of the two is gone
            theirs = termios.tcgetattr(self._terminal)
            raw = not theirs[_LFLAG] & termios.ICANON
            if raw and self._saved is None:
                self._begin(theirs[_IFLAG])
            elif not raw:
                self.restore()

    def restore(self) -> None:
        """Restore our terminal; call it when the bot is gone, which may have left its own in any mode."""
        if sys.platform == "win32" or self._saved is None:
            return
        saved, self._saved = self._saved, None
        atexit.unregister(self.restore)
        with contextlib.suppress(OSError, termios.error):
            settings = termios.tcgetattr(_STDIN)
            settings[_IFLAG], settings[_LFLAG] = saved
            _set(settings)

    def _begin(self, their_input: int) -> None:
        assert sys.platform != "win32"
        if not os.isatty(_STDIN) or not _in_foreground():
            return
        settings = termios.tcgetattr(_STDIN)
        saved = settings[_IFLAG], settings[_LFLAG]
        settings[_LFLAG] &= ~(termios.ICANON | termios.ECHO)
        if not their_input & termios.ICRNL:
            settings[_IFLAG] &= ~termios.ICRNL
        # Also for an exit without `restore`, such as when one of the bot's processes cannot be ended.
        atexit.register(self.restore)
        _set(settings)
        self._saved = saved


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(_STDIN) == os.getpgrp()
    except OSError:  # it is not our controlling terminal, so it has no foreground that could be another's
        return True


def _set(settings: list[object]) -> None:
    # Closes a race: a shell may put us into the background at any moment; SIGTTOU would then stop us.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        termios.tcsetattr(_STDIN, termios.TCSANOW, settings)  # type: ignore[arg-type]  # as returned by tcgetattr
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
