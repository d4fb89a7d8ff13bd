"""When a file is looked at, and when a burst of changes begins and ends.

A complete file is looked at at once: reading and hashing a source file takes microseconds, less than anything that
follows. A file that is gone, empty, or perhaps half written is given the quiet time to become whole: many editors move
a file away or empty it before they write it anew, and nothing is urgent about a file that is not there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from supervisor.watch.file_tree import FileTree
from supervisor.watch.fingerprint import look, same

#: Seconds for which a file that was found changed by polling is read again each time, whatever its signature says: FAT
#: keeps times of 2 s, and NFS may serve attributes 3 s old (nfs(5), acregmin), so that a second change of the same size
#: would not show.
_RECENT = 3.0

#: A burst of more files than this is a program's, not a person's: a build, a copy, a checkout. It may pause for longer,
#: and nobody notices the difference.
_CROWD, _CROWD_FACTOR = 10, 4

#: The part of the quiet time after which one file is taken for all that was saved, where that may still turn out wrong.
_EARLY = 0.5

#: Files that a package manager writes one after the other, at the end of a long work. For them the same holds.
_MANIFESTS = frozenset({"package.json", "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock"})


class Burst:
    """Looks at files as hints come in, tells of each change and of the first of a burst, and knows how long it lasts.

    Times are seconds of the monotonic clock.
    """

    def __init__(
        self, tree: FileTree, quiet: float, on_first: Callable[[str, float], None], on_each: Callable[[str], None]
    ) -> None:
        self._tree = tree
        self._quiet = quiet
        self._on_first = on_first
        self._on_each = on_each
        self._open = False
        #: No hint for a file that counts has come since this time less the quiet time.
        self._quiet_at = float("-inf")
        self._early_at = float("-inf")
        self._since = 0.0
        #: How many hints there were.
        self.hints = 0
        self._paths: set[str] = set()
        self._due: dict[str, float] = {}
        self._changed_at: dict[str, float] = {}

    def hint(self, path: str, *, complete: bool) -> None:
        """Look at a file that counts: at once if it is complete, after the quiet time if it may not be."""
        now = time.monotonic()
        self.hints += 1
        if now > self._quiet_at:
            self._open = False
            self._since = now
            self._paths.clear()
            self._changed_at = {path: at for path, at in self._changed_at.items() if at > now - _RECENT}
        self._paths.add(path)
        slow = len(self._paths) > _CROWD or not _MANIFESTS.isdisjoint(map(os.path.basename, self._paths))
        pause = self._quiet * (_CROWD_FACTOR if slow else 1)
        self._quiet_at = now + pause
        self._early_at = now + (pause if slow or len(self._paths) > 1 else pause * _EARLY)
        if complete:
            self._look(path, now)
        else:
            self._due.setdefault(path, now + self._quiet)

    def forget(self, path: str) -> None:
        """A file counts no more."""
        self._due.pop(path, None)
        self._changed_at.pop(path, None)
        self._tree.forget(path)
        # A burst of nothing but this is none: the next change is a first one, or nobody would be told of it.
        self._open = self._open and bool(self._tree.changed())

    def next_due(self) -> float | None:
        """When `expire` has something to do."""
        return min(self._due.values(), default=None)

    def quiet_at(self, *, early: bool = False) -> float:
        """When the files will have been quiet for the quiet time, if nothing comes in between; `early`: or part of it,
        if the burst is one whole file so far."""
        return max(self._quiet_at, *self._due.values()) if self._due else self._early_at if early else self._quiet_at

    def expire(self, now: float) -> None:
        """Look at the files whose time is up, and take them as they are."""
        for path in [path for path, due in self._due.items() if due <= now]:
            self._look(path, now, overdue=True)

    def look_again(self) -> None:
        """Read the files that changed a short while ago, although nothing hints at a change."""
        since = time.monotonic() - _RECENT
        for path in [path for path, at in self._changed_at.items() if at > since]:
            if not same(self._tree.known.get(path), look(path)):
                self.hint(path, complete=True)

    def end(self) -> None:
        """The changes so far have been taken: the next one begins a burst of its own."""
        self.expire(float("inf"))
        self._open = False
        self._paths.clear()

    def cut(self) -> None:
        """Nothing comes of the changes so far: the next one begins a burst of its own, however soon it comes."""
        self._open = False
        self._quiet_at = self._early_at = float("-inf")

    def _look(self, path: str, now: float, *, overdue: bool = False) -> None:
        found = look(path)
        if not overdue and (found is None or found.signature.size == 0):
            self._due.setdefault(path, now + self._quiet)
            return
        self._due.pop(path, None)
        if self._tree.record(path, found):
            self._changed_at[path] = now
            self._on_each(path)
            if not self._open:
                self._open = True
                self._on_first(path, self._since)
