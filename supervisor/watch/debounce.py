"""Debouncing: when a file is checked, and when a burst of changes begins and ends.

A complete file is checked at once: reading and hashing a source file takes microseconds. A file that is missing, empty
or perhaps half written is checked after the quiet time: many editors move a file away or empty it before they write it.
"""

import os
import time
from collections.abc import Callable

from supervisor.watch.file_tree import FileTree
from supervisor.watch.fingerprint import fingerprint_of, same

#: Seconds for which polling reads a changed file again each time, even if its signature is the same: FAT has a
#: resolution of 2 s and NFS may return attributes 3 s old (nfs(5), acregmin), which hide another change of equal size.
_RECENT = 3.0

#: A burst of more files than this comes from a program, such as a build, a copy or a checkout, which may pause for
#: longer; its quiet time is multiplied by this factor.
_CROWD, _CROWD_FACTOR = 10, 4

#: The part of the quiet time after which a single file is taken for the whole burst, if the caller can correct that.
_EARLY = 0.5

#: Files that a package manager writes one after the other; a burst with one of them is that of a program, too.
_MANIFESTS = frozenset({"package.json", "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock"})


class Burst:
    """Checks files as hints arrive, and reports each change and the first of a burst.

    Times are seconds of the monotonic clock. `on_first(path, since)` gets the time when the burst began.
    """

    def __init__(
        self, tree: FileTree, quiet: float, on_first: Callable[[str, float], None], on_each: Callable[[str], None]
    ) -> None:
        self._tree = tree
        self._quiet = quiet
        self._on_first = on_first
        self._on_each = on_each
        self._open = False
        self._quiet_at = float("-inf")  # the end of the quiet time after the latest hint
        self._early_at = float("-inf")
        self._since = 0.0
        self.hints = 0  # so far
        self._paths: set[str] = set()
        self._due: dict[str, float] = {}
        self._changed_at: dict[str, float] = {}

    def hint(self, path: str, *, complete: bool) -> None:
        """Check a file that counts: at once if it is complete, else after the quiet time."""
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
            self._check(path, now)
        else:
            self._due.setdefault(path, now + self._quiet)

    def forget(self, path: str) -> None:
        """Drop a file that no longer counts."""
        self._due.pop(path, None)
        self._changed_at.pop(path, None)
        self._tree.forget(path)
        # If the burst had no other file, the next change is the first of one, and must be reported as such.
        self._open = self._open and bool(self._tree.changed())

    def next_due(self) -> float | None:
        """When `expire` is due; None if it is not."""
        return min(self._due.values(), default=None)

    def quiet_at(self, *, early: bool = False) -> float:
        """When the quiet time ends if no more hints come; `early`: or part of it, if the burst is one complete file."""
        return max(self._quiet_at, *self._due.values()) if self._due else self._early_at if early else self._quiet_at

    def expire(self, now: float) -> None:
        """Check the files whose quiet time is over, and accept them even if missing or empty."""
        for path in [path for path, due in self._due.items() if due <= now]:
            self._check(path, now, overdue=True)

    def recheck(self) -> None:
        """Read the recently changed files again, without a hint; for polling."""
        since = time.monotonic() - _RECENT
        for path in [path for path, at in self._changed_at.items() if at > since]:
            if not same(self._tree.known.get(path), fingerprint_of(path)):
                self.hint(path, complete=True)

    def end(self) -> None:
        """End the burst after its changes were taken: the next change begins another one."""
        self.expire(float("inf"))
        self._open = False
        self._paths.clear()

    def cut(self) -> None:
        """End the burst and its quiet time: the next change, however soon, begins another one."""
        self._open = False
        self._quiet_at = self._early_at = float("-inf")

    def _check(self, path: str, now: float, *, overdue: bool = False) -> None:
        found = fingerprint_of(path)
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
