"""What is typed: `rs` and its like are for us, everything else is for the bot."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping

_STDIN = 0
_CHUNK = 4096


class Keys(threading.Thread):
    """Reads standard input in a thread of its own, so that a bot that does not read holds up nothing but its input.

    On a terminal a line that is one of `commands` is carried out on the event loop; every other line goes to
    `pass_on`. Where standard input is no terminal nothing is looked at: all of it belongs to the bot, its end included.
    """

    def __init__(
        self,
        commands: Mapping[str, Callable[[], None]],
        pass_on: Callable[[bytes], None],
        end: Callable[[], None],
    ) -> None:
        """`pass_on` and `end` are called in the thread."""
        super().__init__(name="keys", daemon=True)
        self._commands = {name.encode(): command for name, command in commands.items()}
        self._pass_on = pass_on
        self._end = end
        self._loop = asyncio.get_running_loop()

    def run(self) -> None:
        """Read until the end; the thread's body."""
        try:
            terminal = os.isatty(_STDIN)
            if terminal and sys.platform != "win32":
                # A supervisor in the background would be stopped by the kernel for reading; it gets an error instead.
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTIN})
            while chunk := os.read(_STDIN, _CHUNK):
                if terminal:
                    self._sort(chunk)
                else:
                    self._pass_on(chunk)
        except OSError:  # EIO: in the background, or the terminal is gone; EBADF: there never was an input
            return
        self._end()

    def _sort(self, chunk: bytes) -> None:
        """A terminal hands over whole lines; what was pasted may be several."""
        for line in chunk.splitlines(keepends=True):
            command = self._commands.get(line.strip())
            if command is None:
                self._pass_on(line)
            else:
                self._call(command)

    def _call(self, command: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(command)
        except RuntimeError:  # the loop has ended: nobody is left to carry it out
            return
