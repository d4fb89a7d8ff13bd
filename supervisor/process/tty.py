"""The mode of our own terminal, which follows that of the bot's, so that a prompt gets single keys, and hidden input.

A program that draws its own prompt (readline, inquirer) turns off line editing and echo of its terminal; one that asks
for a password (getpass, `stty -echo`) turns off the echo alone. Ours does the editing and the echo for both, so it has
to follow. Signals stay on, so that Ctrl+C and Ctrl+Z remain ours.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading

if sys.platform != "win32":
    import fcntl
    import struct
    import termios

_STDIN = 0
_IFLAG, _OFLAG, _LFLAG, _CC = 0, 1, 3, 6  # positions in the result of tcgetattr

#: "Line editing and echo are done elsewhere" (asm-generic/termbits.h; n_tty.c): the bot's terminal shows the flags that
#: the bot has set, and does neither. Python's termios does not have it.
_EXTPROC = 0o200000 if sys.platform == "linux" else 0

_TIOCGPTN = 0x80045430  # of Linux: the number in /dev/pts


class TerminalMode:
    """Follows the terminal whose master is `terminal`; does nothing where our input is none, and on Windows.

    For any thread.
    """

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._lock = threading.Lock()
        self._suspended = False
        #: Our two flag words before the change, None while there is no change.
        self._saved: tuple[int, int] | None = None

    def follow(self) -> None:
        """Copy the mode of the bot's terminal. Takes some microseconds; called for each piece of output."""
        if sys.platform == "win32":
            return
        with self._lock, contextlib.suppress(OSError, termios.error):  # one of the two is gone
            theirs = termios.tcgetattr(self._terminal)
            if _EXTPROC and not theirs[_LFLAG] & _EXTPROC:  # `stty sane` and the like
                theirs[_LFLAG] |= _EXTPROC
                termios.tcsetattr(self._terminal, termios.TCSANOW, theirs)
            if not self._suspended and os.isatty(_STDIN) and in_foreground():
                self._copy(theirs[_IFLAG], theirs[_LFLAG])

    def restore(self) -> None:
        """Restore our terminal; call it when the bot is gone, which may have left its own in any mode."""
        with self._lock:
            self._restore()

    def suspend(self) -> None:
        """Restore our terminal, and leave it alone until `resume`: it is the shell's."""
        with self._lock:
            self._suspended = True
            self._restore()

    def resume(self) -> None:
        """Follow again, once we are in the foreground."""
        with self._lock:
            self._suspended = False
        self.follow()

    def end_of_input(self) -> bytes:
        """The character that means the end of input on the bot's terminal."""
        assert sys.platform != "win32"
        character = termios.tcgetattr(self._terminal)[_CC][termios.VEOF]
        assert isinstance(character, bytes)
        return character

    def _copy(self, their_input: int, their_local: int) -> None:
        assert sys.platform != "win32"
        settings = termios.tcgetattr(_STDIN)
        before = settings[_IFLAG], settings[_LFLAG]
        base_input, base_local = self._saved or before
        local = termios.ICANON | termios.IEXTEN | termios.ECHO | termios.ECHOE | termios.ECHOK | termios.ECHONL
        if not _EXTPROC:
            # Its echo is off from the beginning, see `prepare_terminal`: only a prompt that draws itself is noticed.
            raw = not their_local & termios.ICANON
            local, their_local = termios.ICANON | termios.ECHO, 0 if raw else base_local
        keys = termios.ICRNL | termios.INLCR | termios.IGNCR | termios.IXON
        wanted = base_input & ~keys | their_input & keys, base_local & ~local | their_local & local
        if their_local & termios.ICANON:  # whole lines: the end of one is what it is without us
            wanted = base_input, wanted[1]
        if wanted == before:
            return
        if wanted == self._saved:
            self._restore()
            return
        if self._saved is None:
            self._saved = before
            # Also for an exit without `restore`, such as when one of the bot's processes cannot be ended.
            atexit.register(self.restore)
        settings[_IFLAG], settings[_LFLAG] = wanted
        _set(settings)

    def _restore(self) -> None:
        if sys.platform == "win32" or self._saved is None:
            return
        saved, self._saved = self._saved, None
        atexit.unregister(self.restore)
        with contextlib.suppress(OSError, termios.error):
            settings = termios.tcgetattr(_STDIN)
            settings[_IFLAG], settings[_LFLAG] = saved
            _set(settings)


def prepare_terminal(terminal: int, slave: int) -> bool:
    """Set up a new terminal for a bot: like ours, which edits and shows what is typed, and ends lines, for both.

    Returns whether a change of its mode can be read from the master, as a packet (ioctl_tty(2), TIOCPKT).
    """
    assert sys.platform != "win32"
    settings = termios.tcgetattr(slave)
    if os.isatty(_STDIN):
        with contextlib.suppress(OSError, termios.error):
            ours = termios.tcgetattr(_STDIN)
            settings[_CC] = ours[_CC]
    settings[_OFLAG] &= ~termios.OPOST
    if _EXTPROC:
        settings[_LFLAG] |= _EXTPROC
    else:
        settings[_LFLAG] &= ~termios.ECHO
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    if _EXTPROC:
        with contextlib.suppress(OSError):
            fcntl.ioctl(terminal, termios.TIOCPKT, struct.pack("i", 1))
            return True
    return False


def take_as_controlling(terminal: int) -> None:
    """Make a terminal the controlling one of this process, which leads a session without one."""
    assert sys.platform != "win32"
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def unread(terminal: int) -> int:
    """The number of bytes that the bot has not read yet from its terminal, whose master this is."""
    assert sys.platform == "linux"
    number = struct.unpack("I", fcntl.ioctl(terminal, _TIOCGPTN, bytes(4)))[0]
    peer = os.open(f"/dev/pts/{number}", os.O_RDONLY | os.O_NOCTTY)
    try:
        return int(struct.unpack("i", fcntl.ioctl(peer, termios.FIONREAD, b"\0" * 4))[0])
    finally:
        os.close(peer)


def in_foreground() -> bool:
    """Whether we may use the terminal: a shell has not put us into the background."""
    assert sys.platform != "win32"
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
