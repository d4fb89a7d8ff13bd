"""The source on systems without inotify (macOS, Windows): watchfiles, with one recursive watch per watched path.

These systems watch a whole tree with one handle, so folders that do not count cost no more than hints to drop.
"""

# ruff: noqa: PTH112, PTH114  (paths are strings, as they come)

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

from supervisor.system.inode import Inode, inode_of
from supervisor.watch.rules import is_below
from supervisor.watch.source import Hint, HintKind

#: Milliseconds. watchfiles looks for events in steps and returns after a step without a new one, so a single write is
#: reported after one to two steps: 15 ms on average, for 100 wake-ups a second.
_STEP_MS = 10
_DEBOUNCE_MS = 50

#: With more changes than this at once the system may have dropped some: watchfiles does not pass on that report.
_CROWD = 1000

#: Seconds between two checks whether a watched path is still the one that was armed.
_CHECK_EVERY = 1.0

_DELETED = 3


class WatchfilesSource:
    """Watches whole trees; each is armed again after it was removed and created again."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = tuple(paths)
        # FSEvents reports real paths: /private/var/... for /var/...
        self._lexical = {real: path for path in self._paths if (real := os.path.realpath(path)) != path}
        self._hints: deque[Hint] = deque()
        self._armed: dict[str, Inode | None] = {}
        self._closing = False
        self._check_at = 0.0
        self._notify: RustNotify | None = self._arm()
        self._thread: threading.Thread | None = None
        self._wake: Callable[[], None]

    def add(self, folder: str) -> None:
        """Watch a linked folder; other folders are watched with their tree, in which links are not followed."""
        if os.path.islink(folder) and folder not in self._paths:
            self._lexical[os.path.realpath(folder)] = folder
            self._paths = (*self._paths, folder)
            self._check_at = 0.0

    def remove(self, folder: str) -> None:
        """Nothing to do: the reader drops hints of folders that it does not watch."""

    def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever the thread has hints; the first call starts it."""
        self._wake = wake
        if self._thread is not None:
            return
        loop = asyncio.get_running_loop()

        def arrived(hints: list[Hint]) -> None:
            self._hints.extend(hints)
            self._wake()

        def post(hints: list[Hint]) -> None:
            if not self._closing:  # else the loop may be closed
                loop.call_soon_threadsafe(arrived, hints)

        self._thread = threading.Thread(target=self._wait, args=(post,), name="watchfiles", daemon=True)
        self._thread.start()

    def read(self) -> Iterator[Hint]:
        """The hints of the thread so far; a change of the last 20 ms may be missing."""
        while self._hints:
            yield self._hints.popleft()

    def close(self) -> None:
        """End the thread, within one step, and release the watches."""
        self._closing = True
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._notify is not None:
            self._notify.close()
            self._notify = None

    def is_set(self) -> bool:
        """Whether watchfiles is to return, asked at each step: when closing, or if a watched path was replaced."""
        if self._closing:
            return True
        now = time.monotonic()
        if now < self._check_at:
            return False
        self._check_at = now + _CHECK_EVERY
        return any(inode_of(path) != self._armed.get(path) for path in self._paths)

    def _arm(self) -> RustNotify:
        self._armed = {path: inode_of(path) for path in self._paths}
        present = [path for path, identity in self._armed.items() if identity is not None]
        return RustNotify(present, False, False, 0, True, True)

    def _wait(self, post: Callable[[list[Hint]], None]) -> None:
        while not self._closing:
            assert self._notify is not None
            try:
                found = self._notify.watch(_DEBOUNCE_MS, _STEP_MS, 0, self)
            except WatchfilesRustInternalError:
                # A file name that is not UTF-8, or an error of the system: this watcher reports nothing any more.
                found = "stop"
            if isinstance(found, str):
                if not self._closing:
                    self._rearm()
                    post([Hint("", "", HintKind.LOST)])
                continue
            changes = [(change, self._lexically(path)) for change, path in found]
            # A file that takes the place of a watched path may get the same inode number, and yet is not armed.
            self._armed |= {path: None for change, path in changes if change == _DELETED and path in self._armed}
            if len(changes) > _CROWD:
                post([Hint("", "", HintKind.LOST)])
            else:
                post([self._hint(change, path) for change, path in changes])

    def _rearm(self) -> None:
        assert self._notify is not None
        self._notify.close()
        try:
            self._notify = self._arm()
        except OSError:  # removed between the check and the watch: the next check finds that
            self._armed = dict.fromkeys(self._paths)
            self._notify = RustNotify([], False, False, 0, True, True)

    def _lexically(self, path: str) -> str:
        """A path below the watched path as given, instead of its real path."""
        for real, lexical in self._lexical.items():
            if is_below(path, real):
                return lexical + path[len(real) :]
        return path

    def _hint(self, change: int, path: str) -> Hint:
        folder, name = os.path.split(path)
        if change == _DELETED:
            return Hint(path, "", HintKind.SELF_GONE) if path in self._paths else Hint(folder, name, HintKind.GONE)
        return Hint(folder, name, HintKind.FOLDER if os.path.isdir(path) else HintKind.WRITTEN)
