"""Keeping the known tree in step with the disk: what each hint means, and comparing after a survey.

Hints are never believed, they only say where to look. So a hint that is late, doubled or about a path that has moved
does no harm, and after hints were lost a survey of everything brings the same result as the hints would have.
"""

# ruff: noqa: PTH112, PTH114, PTH118, PTH119, PTH120  (paths are strings: this handles each event)

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from supervisor.watch.debounce import Burst
from supervisor.watch.file_tree import FileTree, Listing, sign, walk
from supervisor.watch.fingerprint import Fingerprint, Signature
from supervisor.watch.gitignore import FILE_NAME as GITIGNORE
from supervisor.watch.rules import WatchRules, is_below
from supervisor.watch.source import Hint, HintKind, Source


class SurveyStoppedError(Exception):
    """A survey was told to stop."""


@dataclass(slots=True)
class Survey:
    """Everything that counts, as it was found on disk."""

    listings: list[Listing] = field(default_factory=list)
    files: dict[str, Signature] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    refused: list[tuple[str, OSError]] = field(default_factory=list)
    gitignores: dict[str, Signature] = field(default_factory=dict)

    def add(self, listing: Listing) -> None:
        """One more folder."""
        self.listings.append(listing)
        self.files.update(listing.files)
        self.links.update(listing.links)
        if listing.gitignore is not None:
            self.gitignores[listing.path] = listing.gitignore


class Tracker:
    """Follows one tree through the hints of a source."""

    def __init__(self, rules: WatchRules, source: Source, tree: FileTree, burst: Burst) -> None:
        self.rules = rules
        self.source = source
        self.tree = tree
        #: Hints were lost, or the rules have changed: a survey must find out.
        self.lost = False
        self.rules_changed = False
        self.refused: list[tuple[str, OSError]] = []
        self.stopping = False
        self._burst = burst
        self._walks: deque[Iterator[Listing]] = deque()
        self._hints: Iterator[Hint] | None = None
        self._gitignores: dict[str, Signature] = {}
        # Folder -> name of an entry -> the paths to look at when something happens to it: watched paths that are files
        # or do not exist, and links to files.
        self._anchors: dict[str, dict[str, set[str]]] = {}

    @property
    def busy(self) -> bool:
        """Whether there is more to do at once."""
        return bool(self._walks) or self.lost or self.rules_changed

    def use(self, source: Source) -> None:
        """Take hints from another source; the one before is closed."""
        self._hints = None
        self.source.close()
        self.source = source

    def step(self, until: float) -> bool:
        """Handle what the source has to tell, for as long as `until` on the monotonic clock; False if work is left."""
        if self._hints is None:
            self._hints = iter(self.source.read())
        for hint in self._hints:
            self._handle(hint)
            if time.monotonic() >= until:
                return False
        self._hints = None
        while self._walks:
            if time.monotonic() >= until:
                return False
            listing = next(self._walks[0], None)
            if listing is None:
                self._walks.popleft()
            else:
                self._found(listing)
        return True

    def survey(self) -> Survey:
        """Look at everything, arming what is new; changes nothing here, so that a worker thread can do it."""
        survey = Survey()
        entered: dict[str, str] = {}
        for watched in self.rules.watched_paths:
            if watched.is_folder():
                for listing in self._walk(watched.path, entered, survey.refused):
                    survey.add(listing)
            elif (found := sign(watched.path)) is not None and self.rules.refusal(*os.path.split(watched.path)) is None:
                survey.files[watched.path] = found
                if os.path.islink(watched.path):
                    survey.links[watched.path] = os.path.realpath(watched.path)
        return survey

    def apply(self, survey: Survey, *, first: bool = False, before: WatchRules | None = None) -> None:
        """Bring what is known in line with a survey.

        The `first` survey changes nothing. After the rules have changed, a file is new only if it counted by the rules
        `before` as well.
        """
        self.refused.extend(survey.refused)
        if not first and before is None and survey.gitignores != self._gitignores:
            self.rules_changed = self.rules.gitignore  # no event has told of it
        self._gitignores = survey.gitignores
        listed = {listing.path for listing in survey.listings}
        for folder in [folder for folder in self.tree.folders if folder not in listed]:
            # A folder that came after the survey had passed is not gone.
            if not (os.path.isdir(folder) and self.rules.enters(folder)):
                self._drop(folder)
        for listing in survey.listings:
            if self.rules.enters(listing.path):  # unless excluded in the meantime
                self.tree.add_folder(listing.path, listing.real)
        for path, known in [item for item in self.tree.known.items() if item[0] not in survey.files]:
            if self.rules.refusal(*os.path.split(path)) is not None:
                self._burst.forget(path)
            elif sign(path) != known.signature:  # else it came after the survey had passed
                self._burst.hint(path, complete=False)
        for path, found in survey.files.items():
            if path not in self.tree.known:
                self._new(path, found, silent=first, before=before)
            elif self.tree.known[path].signature != found:
                self._burst.hint(path, complete=True)
        for link, target in survey.links.items():
            self._anchor_target(link, target)
        for watched in self.rules.watched_paths:
            if watched.path not in self.tree.folders:
                self._await(watched.path)
                # A folder that came after the survey had looked for it, and before anybody waited there.
                self._enter(watched.path)

    def _new(self, path: str, found: Signature, *, silent: bool, before: WatchRules | None) -> None:
        folder, name = os.path.split(path)
        if self.rules.refusal(folder, name) is not None:
            return  # excluded in the meantime
        if silent or (before is not None and before.refusal(folder, name) is not None):
            self.tree.set(path, Fingerprint(found, None))
        else:
            self._burst.hint(path, complete=True)

    def exclude(self, rules: WatchRules) -> None:
        """Go on with rules that leave out more; what they leave out is forgotten."""
        self.rules = rules
        for folder in [folder for folder in self.tree.folders if not rules.enters(folder)]:
            for gone in self.tree.drop_folder(folder)[0]:
                if gone not in self._anchors:
                    self.source.remove(gone)
        # What has changed by going away is known no more.
        for path in {*self.tree.known, *self.tree.changed()}:
            if rules.refusal(*os.path.split(path)) is not None:
                self._burst.forget(path)

    def _walk(self, start: str, entered: dict[str, str], refused: list[tuple[str, OSError]]) -> Iterator[Listing]:
        def arm(folder: str) -> None:
            if self.stopping:
                raise SurveyStoppedError
            self.source.add(folder)

        def note(folder: str, error: OSError) -> None:
            refused.append((folder, error))

        return walk(self.rules, start, arm=arm, refused=note, entered=entered)

    def _handle(self, hint: Hint) -> None:
        folder, name, kind = hint
        if kind is HintKind.LOST:
            self.lost = True
            return
        if kind is HintKind.SELF_GONE:
            self._vanished(folder)
            return
        for path in tuple(self._anchors.get(folder, {}).get(name, ())):
            self._attend(path)
        if folder not in self.tree.folders:
            return
        path = os.path.join(folder, name)
        if name == GITIGNORE and self.rules.gitignore:
            self.rules_changed = True
        elif path in self.tree.folders:
            if kind is HintKind.GONE or not self._is_still(path):
                self._drop(path)
                self._enter(path)  # another folder may have taken its name by now
        elif kind is HintKind.FOLDER or (kind is not HintKind.GONE and self._is_linked_folder(path)):
            self._enter(path)
        elif self.rules.refusal(folder, name) is None:
            self._look_at(path, complete=kind is HintKind.WRITTEN)

    def _is_still(self, folder: str) -> bool:
        """Whether a folder that we know is the one that we know, and not a link that leads elsewhere by now."""
        return os.path.isdir(folder) and os.path.realpath(folder) == self.tree.real(folder)

    def _is_linked_folder(self, path: str) -> bool:
        return os.path.islink(path) and os.path.isdir(path)

    def _enter(self, folder: str) -> None:
        """A folder is there: walk it, after it is armed, since files may have come before the watch did."""
        if self.rules.enters(folder) and os.path.isdir(folder):
            self._walks.append(self._walk(folder, self.tree.entered, self.refused))

    def _found(self, listing: Listing) -> None:
        if not self.rules.enters(listing.path):  # excluded since the walk began
            self.source.remove(listing.path)
            return
        if listing.gitignore != self._gitignores.get(listing.path):
            self.rules_changed = self.rules.gitignore  # the rules may know another folder's that had this place
        self.tree.add_folder(listing.path, listing.real)
        for path in listing.files:
            self._burst.hint(path, complete=True)
        for link, target in listing.links.items():
            self._anchor_target(link, target)
        if any(watched.path == listing.path for watched in self.rules.watched_paths):
            self._release(listing.path)

    def _drop(self, folder: str) -> None:
        """A folder is gone, or its name has moved: its watches would tell of another place."""
        folders, files = self.tree.drop_folder(folder)
        for gone in folders:
            self.source.remove(gone)
        for path in files:
            self._burst.hint(path, complete=False)
        for anchored in [anchored for anchored in self._anchors if is_below(anchored, folder)]:
            waiting = self._anchors.pop(anchored)
            self.source.remove(anchored)
            for paths in waiting.values():
                for path in paths:
                    self._attend(path)

    def _vanished(self, folder: str) -> None:
        """A watched folder has lost its place. Its parent tells of that as well, unless nobody watches the parent."""
        self._drop(folder)
        self.source.remove(folder)
        self._enter(folder)  # another folder may have taken its name by now
        for watched in self.rules.watched_paths:
            if is_below(watched.path, folder):
                self._attend(watched.path)

    def _attend(self, path: str) -> None:
        """Something may have happened to a watched path that is no folder we know, or to a link to a file."""
        if any(watched.path == path for watched in self.rules.watched_paths):
            self._await(path)
        self._enter(path)
        if self.rules.refusal(*os.path.split(path)) is None:
            self._look_at(path, complete=True)

    def _look_at(self, path: str, *, complete: bool) -> None:
        self._burst.hint(path, complete=complete)
        if os.path.islink(path):
            self._anchor_target(path, os.path.realpath(path))

    def _anchor_target(self, link: str, target: str) -> None:
        """A link's own folder hears nothing of writes to the file behind it."""
        self._anchor(os.path.dirname(target), os.path.basename(target), link)

    def _await(self, path: str) -> None:
        """Anchor a watched path in the nearest folder above it that exists, and wait there for the next part of it."""
        while True:
            folder, name = os.path.split(path)
            while not os.path.isdir(folder) and folder != os.path.dirname(folder):
                folder, name = os.path.split(folder)
            if not self._anchor(folder, name, path) and not os.path.isdir(folder):
                continue  # it has gone before the watch was there
            # The next folder may have come before the watch was there: then wait in that one.
            following = os.path.join(folder, name)
            if following == path or not os.path.isdir(following):
                return

    def _anchor(self, folder: str, name: str, path: str) -> bool:
        anchored = self._anchors.setdefault(folder, {}).setdefault(name, set())
        if path not in anchored:
            try:
                self.source.add(folder)
            except FileNotFoundError:
                return False
            except OSError as error:
                self.refused.append((folder, error))
                return False
            anchored.add(path)
        return True

    def _release(self, path: str) -> None:
        """A watched folder is watched itself: nobody needs to wait for it any more."""
        for folder, names in tuple(self._anchors.items()):
            for name, paths in tuple(names.items()):
                paths.discard(path)
                if not paths:
                    del names[name]
            if not names:
                del self._anchors[folder]
                if folder not in self.tree.folders:
                    self.source.remove(folder)
