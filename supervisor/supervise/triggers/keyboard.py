"""The keys: lines typed on the terminal that are for the supervisor and not for the bot."""

import asyncio
import errno
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any, Final

from supervisor.log.logger import bot_asks, columns, emit, note_answer, report_fault
from supervisor.supervise.requests import Commands, SupervisorView
from supervisor.timing.record import Target

_STDIN = 0
_CHUNK = 4096

#: Seconds that the beginning of a command is kept from the bot, in case the rest of it follows.
_HOLD = 1.0

#: Seconds between two looks whether we are in the foreground again.
_IN_BACKGROUND = 0.2


class Sorter:
    """Separates our commands from the bot's input, in whole lines or, while the bot reads single keys, key by key.

    What may become a command is held back until that is decided, so that no half of it reaches the bot. A command is
    recognised at the beginning of a line only.
    """

    def __init__(self, commands: Collection[bytes]) -> None:
        self._commands = frozenset(commands)
        self._at_start = True
        self.held = b""

    def sort(self, chunk: bytes) -> list[tuple[bytes, bool]]:
        """The pieces of what was typed in their order, and whether each is a command of ours."""
        found: list[tuple[bytes, bool]] = []
        for line in chunk.splitlines(keepends=True):
            if self._at_start and not self.held and line.strip() in self._commands and line[-1:] in (b"\n", b"\r"):
                found.append((line.strip(), True))
            else:
                found.extend(self._keys(line))
        return found

    @property
    def between_lines(self) -> bool:
        """Whether nothing has been typed on this line yet."""
        return self._at_start and not self.held

    def release(self) -> bytes:
        """The bytes that were held back and not followed by others: they are the bot's, like the rest of the line."""
        held, self.held = self.held, b""
        self._at_start = self._at_start and not held
        return held

    def _keys(self, line: bytes) -> list[tuple[bytes, bool]]:
        theirs = bytearray()
        for key in (line[at : at + 1] for at in range(len(line))):
            if key in (b"\r", b"\n"):
                if self.held in self._commands:
                    command, self.held = self.held, b""
                    return [(bytes(theirs), False), (command, True)] if theirs else [(command, True)]
                theirs += self.release() + key
                self._at_start = True
            elif self.held and key in (b"\x7f", b"\x08"):
                self.held = self.held[:-1]
            elif self._at_start and any(command.startswith(self.held + key) for command in self._commands):
                self.held += key
            else:
                theirs += self.release() + key
                self._at_start = False
        return [(bytes(theirs), False)] if theirs else []


class Keys(threading.Thread):
    """Reads standard input in a thread of its own, so that a bot that does not read holds up nothing but its input.

    On a terminal a line that is one of `commands` is carried out on the event loop, unless it answers a question of the
    bot's (a line of its output that has no end yet); everything else goes to `pass_on`, and Ctrl+D ends the bot's
    input, not ours. Where standard input is no terminal nothing is looked at: all of it belongs to the bot, its end
    included.
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
        self._sorter = Sorter(self._commands)
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
            while (chunk := self._read()) or (terminal and os.isatty(_STDIN)):
                if not terminal:
                    self._pass_on(chunk)
                elif chunk:
                    self._sort(chunk)
                else:  # Ctrl+D
                    self._pass_on(self._sorter.release())
                    self._end()
        except OSError:  # EIO: the terminal is gone; EBADF: there never was an input
            return
        self._end()

    def _read(self) -> bytes:
        if self._sorter.held and not select.select([_STDIN], [], [], _HOLD)[0]:
            self._pass_on(self._sorter.release())
        while True:
            try:
                return os.read(_STDIN, _CHUNK)
            except BlockingIOError:  # another process that shares our input has made it non-blocking
                select.select([_STDIN], [], [])
            except OSError as error:
                if error.errno != errno.EIO or not os.isatty(_STDIN):
                    raise
                time.sleep(_IN_BACKGROUND)  # a shell has put us there, and may bring us back

    def _sort(self, chunk: bytes) -> None:
        if self._sorter.between_lines and bot_asks():
            self._pass_on(chunk)
            if chunk.endswith((b"\n", b"\r")):
                note_answer()
            return
        for piece, is_command in self._sorter.sort(chunk):
            if is_command:
                self._call(self._commands[piece])
            else:
                self._pass_on(piece)

    def _call(self, command: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(command)
        except RuntimeError:  # the loop has ended: nothing is left to carry it out
            return


HELP: Final[Mapping[str, str]] = {
    "rs": "restart the bot",
    "rc": "restart it with a new browser",
    "st": "how bot and sessions stand",
    "sn": "take a snapshot now; the bot stands still for some milliseconds",
    "q": "stop the bot and quit, as Ctrl+C does",
    "?": "this list",
}
"""Each key, to be followed by Enter, and what it does. Anything else that is typed goes to the bot."""


class Keyboard:
    """Carries out what is typed; each of its `commands` is to be called on the event loop."""

    def __init__(self, commands: Commands, view: SupervisorView, target: Target) -> None:
        self._commands = commands
        self._view = view
        self._target = target
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.commands: Mapping[str, Callable[[], None]] = {
            "rs": lambda: commands.restart("key", "rs"),
            "rc": lambda: commands.restart("key", "rc", "cold"),
            "st": lambda: self._begin("st", self._tell_status),
            "sn": lambda: self._begin("sn", self._take_snapshot),
            "q": lambda: commands.quit("q"),
            "?": self._help,
        }

    def _begin(self, key: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do what takes its time; a key that is typed again meanwhile has its answer coming already."""
        if key in self._tasks:
            return
        task = self._tasks[key] = asyncio.create_task(work(), name=f"key-{key}")
        task.add_done_callback(lambda _: self._tasks.pop(key, None))
        task.add_done_callback(report_fault)

    def _help(self) -> None:
        for key, meaning in HELP.items():
            emit("key.answer", key="?", line=f"{key:<2} + Enter  {meaning}")
        emit("key.answer", key="?", line="anything else goes to the bot")

    async def _tell_status(self) -> None:
        # Imported here: a supervisor that is never asked does without.
        from supervisor.supervise.status_text import describe

        status = (await self._view.status()).model_dump(mode="json")
        for line in describe(status, self._target, columns=columns()):
            emit("key.answer", key="st", line=line)

    async def _take_snapshot(self) -> None:
        shots = await self._commands.snapshot()
        if not shots:
            emit("key.answer", key="sn", line="no snapshot: the bot has no browser open")
        for shot in shots:
            told = f"{shot.snapshot.name} taken" if shot.snapshot else f"no snapshot: {shot.reason}"
            emit("key.answer", key="sn", line=f"session {shot.session}: {told}")
