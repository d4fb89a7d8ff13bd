"""A leader that is started before its time, and waits for it."""

from __future__ import annotations

import contextlib
import threading

from supervisor.process.handle import open_handle
from supervisor.process.helper import end_family
from supervisor.process.reaper import Reaper
from supervisor.process.spawn import CommandError, Launch, Launched, launch
from supervisor.process.table import ENVIRONMENT_MARK
from supervisor.system.inode import Inode, inode_of


class Ahead:
    """A node that is started at once, and waits before the first line of its program until it is taken or dropped.

    Its pid is in `apart` for that long. It is a child of a thread of its own: the kernel can be asked for one thread's
    children only (`reap.childless`), so the proof that nothing of the last bot lives stays what it is. When that thread
    ends, its child becomes one like any other.
    """

    def __init__(self, what: Launch, apart: set[int], reaper: Reaper) -> None:
        self._what = what
        self._apart = apart
        self._reaper = reaper
        self._launched: Launched | None = None
        self._stands_on: list[Inode | None] = []
        self._started, self._over = threading.Event(), threading.Event()
        self._parent = threading.Thread(target=self._be_parent, name="ahead", daemon=True)
        self._parent.start()
        # Whoever looks at our descendants next must know already that this one is none of the bot's.
        self._started.wait()

    @property
    def mark(self) -> str:
        """The mark of the run that it is for."""
        return self._what.environment[ENVIRONMENT_MARK]

    def take(self, what: Launch) -> Launched | None:
        """The leader, which goes on now; None if it is not the one that is wanted, or has ended."""
        if what != self._what or self._stands_on != _stands_on(what) or not self._alive():
            self.drop()
            return None
        launched = self._let_go_of()
        assert launched is not None
        assert launched.hold is not None
        launched.hold.let_go()
        return launched

    def drop(self) -> None:
        """End it, unless it was taken. Safe to call twice."""
        if (launched := self._let_go_of()) is not None:
            end_family(launched.popen)
            launched.close()
            self._reaper.let_go(launched.popen.pid)

    def _be_parent(self) -> None:
        try:
            self._stands_on = _stands_on(self._what)  # before: what is replaced meanwhile is then seen to have been
            self._launched = launched = launch(self._what, held=True)
            self._reaper.own.add(launched.popen.pid)
            self._apart.add(launched.popen.pid)
        except (CommandError, OSError):
            return  # it is started once more when its time has come, and that is told
        finally:
            self._started.set()
        self._over.wait()

    def _alive(self) -> bool:
        """Asked without taking its status: until that is done its number is nobody else's."""
        handle = open_handle(self._launched.popen.pid) if self._launched is not None else None
        if handle is None:
            return False
        with contextlib.closing(handle):
            return handle.alive

    def _let_go_of(self) -> Launched | None:
        launched, self._launched = self._launched, None
        if launched is not None:
            self._apart.discard(launched.popen.pid)
        self._over.set()
        self._parent.join()
        return launched


def _stands_on(what: Launch) -> list[Inode | None]:
    """Which folder and which program it is: one that was removed and made again is another, whatever it is called.

    A process keeps both from being freed, so that as long as it lives no other can be given their numbers.
    """
    return [inode_of(what.directory), inode_of(what.command[0])]
