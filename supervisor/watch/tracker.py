"""Tracking of the watched tree: the reaction to hints, and the comparison with a survey of the disk.

Hints are not trusted, they only say where to check. So a hint that is late, duplicate or about a path that has moved
does no harm, and after lost hints a survey of all watched paths has the same result as the hints would have had.
"""

# ruff: noqa: PTH112, PTH114, PTH118, PTH119, PTH120  (paths are strings: this handles each event)

import os
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from supervisor.watch.debounce import Burst
from supervisor.watch.file_tree import FileTree, Listing, links_on, walk
from supervisor.watch.fingerprint import Fingerprint, Signature, signature_of
from supervisor.watch.gitignore import FILE_NAME as GITIGNORE
from supervisor.watch.rules import WatchRules, is_below
from supervisor.watch.source import Hint, HintKind, Source

_MOST_FILES = 2000  # that are read when a link to their folder was swapped


class SurveyStoppedError(Exception):
    """The survey was stopped."""


@dataclass(slots=True)
class Survey:
    """All folders and files that count, as found on disk."""

    listings: list[Listing] = field(default_factory=list)
    files: dict[str, Signature] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    refused: list[tuple[str, OSError]] = field(default_factory=list)
    folder_links: list[str] = field(default_factory=list)
    gitignores: dict[str, Signature] = field(default_factory=dict)

    def add(self, listing: Listing) -> None:
        """Add a folder."""
        self.listings.append(listing)
        self.files.update(listing.files)
        self.links.update(listing.links)
        self.folder_links.extend(listing.folder_links)
        if listing.gitignore is not None:
            self.gitignores[listing.path] = listing.gitignore


class Tracker:
    """Keeps a `FileTree` up to date by the hints of a source."""

    def __init__(self, rules: WatchRules, source: Source, tree: FileTree, burst: Burst) -> None:
        self.rules = rules
        self.source = source
        self.tree = tree
        self._lost = False  # hints were lost
        self._gitignore_changed = False
        self._refused: list[tuple[str, OSError]] = []
        self._stopping = False
        self._burst = burst
        self._walks: deque[Iterator[Listing]] = deque()
        self._hints: Iterator[Hint] | None = None
        self._gitignores: dict[str, Signature] = {}
        # Folder -> name of an entry -> paths to check at a hint of that entry: watched paths that are files or do not
        # exist, and links to files.
        self._anchors: dict[str, dict[str, set[str]]] = {}
        #: Links to folders, and where they lead: a swap changes what a program reads, also if nothing else changes.
        self._folder_links: dict[str, str] = {}

    @property
    def busy(self) -> bool:
        """Whether walks or surveys are due."""
        return bool(self._walks) or self._lost or self._gitignore_changed

    def take_lost(self) -> bool:
        """Whether hints were lost since the last call, so that a survey is due. Call it before that survey begins."""
        lost, self._lost = self._lost, False
        return lost

    def take_changed_rules(self) -> WatchRules | None:
        """Adopt changed `.gitignore` files; returns the rules before, or None if they have not changed."""
        if not self._gitignore_changed:
            return None
        self._gitignore_changed = False
        before, self.rules = self.rules, self.rules.reread()
        return before

    def take_refused(self) -> list[tuple[str, OSError]]:
        """The folders that could not be watched since the last call."""
        refused = self._refused.copy()
        self._refused.clear()  # not replaced: walks under way append to it
        return refused

    def use(self, source: Source) -> None:
        """Take hints from another source, and close the one before."""
        self._hints = None
        self.source.close()
        self.source = source

    def step(self, until: float) -> bool:
        """Handle hints until the time `until` on the monotonic clock; False if some are left."""
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
        """Walk all watched paths, arming new folders; for a worker thread. Raises `SurveyStoppedError`."""
        survey = Survey()
        entered: dict[str, str] = {}
        for watched in self.rules.watched_paths:
            if watched.is_folder():
                for listing in self._walk(watched.path, entered, survey.refused):
                    survey.add(listing)
            elif self.rules.refusal(*os.path.split(watched.path)) is None and (found := signature_of(watched.path)):
                survey.files[watched.path] = found
                if os.path.islink(watched.path):
                    survey.links[watched.path] = os.path.realpath(watched.path)
        return survey

    def stop_survey(self) -> None:
        """Make the survey that runs in another thread raise `SurveyStoppedError`."""
        self._stopping = True

    def apply(self, survey: Survey, *, first: bool = False, before: WatchRules | None = None) -> None:
        """Update the tree by a survey, treating differences as hints.

        The `first` survey reports no changes. With `before`, the rules before their change, only files that counted by
        those, too, are reported as new.
        """
        self._refused.extend(survey.refused)
        if not first and before is None and survey.gitignores != self._gitignores:
            self._gitignore_changed = self.rules.gitignore  # no event has reported it
        self._gitignores = survey.gitignores
        listed = {listing.path for listing in survey.listings}
        for folder in [folder for folder in self.tree.folders if folder not in listed]:
            # Race: a folder that was created after the survey had passed its place is kept.
            if not (os.path.isdir(folder) and self.rules.enters(folder)):
                self._drop(folder)
        for listing in survey.listings:
            if self.rules.enters(listing.path):  # unless excluded meanwhile
                self.tree.add_folder(listing.path, listing.real)
        for path, known in [item for item in self.tree.known.items() if item[0] not in survey.files]:
            if self.rules.refusal(*os.path.split(path)) is not None:
                self._burst.forget(path)
            elif signature_of(path) != known.signature:  # else it was created after the survey had passed
                self._burst.hint(path, complete=False)
        for path, found in survey.files.items():
            if path not in self.tree.known:
                self._new(path, found, silent=first, before=before)
            elif self.tree.known[path].signature != found:
                self._burst.hint(path, complete=True)
        for link, target in survey.links.items():
            self._anchor_target(link, target)
        for link in survey.folder_links:
            self._look_at_folder_link(link)
        for watched in self.rules.watched_paths:
            self._anchor_links(watched.path)
            if watched.path not in self.tree.folders:
                self._anchor_parent(watched.path)
                # Race: a folder that was created after the survey and before the watch of its parent.
                self._enter(watched.path)

    def _new(self, path: str, found: Signature, *, silent: bool, before: WatchRules | None) -> None:
        folder, name = os.path.split(path)
        if self.rules.refusal(folder, name) is not None:
            return  # excluded meanwhile
        if silent or (before is not None and before.refusal(folder, name) is not None):
            self.tree.set(path, Fingerprint(found, None))
        else:
            self._burst.hint(path, complete=True)

    def exclude(self, rules: WatchRules) -> None:
        """Adopt rules that exclude more, and drop what they exclude."""
        self.rules = rules
        for folder in [folder for folder in self.tree.folders if not rules.enters(folder)]:
            for gone in self.tree.drop_folder(folder)[0]:
                if gone not in self._anchors:
                    self.source.remove(gone)
        # A changed file that was removed is in `changed` only.
        for path in {*self.tree.known, *self.tree.changed()}:
            if rules.refusal(*os.path.split(path)) is not None:
                self._burst.forget(path)

    def _walk(self, start: str, entered: dict[str, str], refused: list[tuple[str, OSError]]) -> Iterator[Listing]:
        def arm(folder: str) -> None:
            if self._stopping:
                raise SurveyStoppedError
            self.source.add(folder)

        return walk(
            self.rules, start, arm=arm, refused=lambda folder, error: refused.append((folder, error)), entered=entered
        )

    def _handle(self, hint: Hint) -> None:
        folder, name, kind = hint
        if kind is HintKind.LOST:
            self._lost = True
            return
        if kind is HintKind.SELF_GONE:
            self._vanished(folder)
            return
        for path in tuple(self._anchors.get(folder, {}).get(name, ())):
            self._check(path)
        if folder not in self.tree.folders:
            return
        path = os.path.join(folder, name)
        if path in self._folder_links:
            self._look_at_folder_link(path)
        if name == GITIGNORE and self.rules.gitignore:
            self._gitignore_changed = True
        elif path in self.tree.folders:
            if kind is HintKind.GONE or not self._is_still(path):
                self._drop(path)
                self._enter(path)  # another folder may have its name by now
        elif kind is HintKind.FOLDER or (kind is not HintKind.GONE and os.path.islink(path) and os.path.isdir(path)):
            self._enter(path)
        elif self.rules.refusal(folder, name) is None:
            self._look_at(path, complete=kind is HintKind.WRITTEN)

    def _is_still(self, folder: str) -> bool:
        """Whether a watched folder is still the same one, and not a link to another by now."""
        return os.path.isdir(folder) and os.path.realpath(folder) == self.tree.real(folder)

    def _enter(self, folder: str) -> None:
        """Walk a folder that exists: files may have been created in it before it was armed."""
        if self.rules.enters(folder) and os.path.isdir(folder):
            self._walks.append(self._walk(folder, self.tree.entered, self._refused))

    def _found(self, listing: Listing) -> None:
        if not self.rules.enters(listing.path):  # excluded since the walk began
            self.source.remove(listing.path)
            return
        if listing.gitignore != self._gitignores.get(listing.path):
            self._gitignore_changed = self.rules.gitignore  # the rules may hold that of another folder in its place
        self.tree.add_folder(listing.path, listing.real)
        for path in listing.files:
            self._burst.hint(path, complete=True)
        for link, target in listing.links.items():
            self._anchor_target(link, target)
        for link in listing.folder_links:
            self._look_at_folder_link(link)
        if any(watched.path == listing.path for watched in self.rules.watched_paths):
            self._release(listing.path)
            self._anchor_links(listing.path)

    def _drop(self, folder: str) -> None:
        """Drop a folder that was removed or moved: its watches would report another place."""
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
                    self._check(path)

    def _vanished(self, folder: str) -> None:
        """Handle the removal or move of a watched folder; its parent reports that, too, if it is watched."""
        self._drop(folder)
        self.source.remove(folder)
        self._enter(folder)  # another folder may have its name by now
        for watched in self.rules.watched_paths:
            if is_below(watched.path, folder):
                self._check(watched.path)

    def _check(self, path: str) -> None:
        """Check a watched path that is no watched folder, or a link to a file."""
        if any(watched.path == path for watched in self.rules.watched_paths):
            if path in self.tree.folders and not self._is_still(path):  # a link on the way leads elsewhere now
                self._drop(path)
            self._anchor_parent(path)
        self._enter(path)
        if self.rules.refusal(*os.path.split(path)) is None:
            self._look_at(path, complete=True)

    def _look_at(self, path: str, *, complete: bool) -> None:
        self._burst.hint(path, complete=complete)
        if os.path.islink(path):
            self._anchor_target(path, os.path.realpath(path))

    def _anchor_target(self, link: str, target: str) -> None:
        """Watch the folder of a link's target, which gets the events of writes to it, and the links on the way."""
        self._anchor(os.path.dirname(target), os.path.basename(target), link)
        self._anchor_links(link)

    def _anchor_links(self, path: str) -> None:
        """Watch every link on the way to a path: it may be swapped for another."""
        for folder, name in links_on(path):
            if folder not in self.tree.entered:
                self._anchor(folder, name, path)

    def _look_at_folder_link(self, link: str) -> None:
        """Check the files below a link to a watched folder if it leads to another one by now."""
        target = os.path.realpath(link)
        before = self._folder_links.get(link)
        self._folder_links[link] = target
        if before in (None, target):
            return
        assert before is not None
        for path in [known for known in self.tree.known if is_below(known, target) and known != target][:_MOST_FILES]:
            below = os.path.relpath(path, target)
            seen = os.path.join(link, below)
            was = self.tree.known.get(os.path.join(before, below))
            if seen not in self.tree.known and was is not None:
                self.tree.set(seen, was)
            self._burst.hint(seen, complete=True)

    def _anchor_parent(self, path: str) -> None:
        """Watch the nearest existing folder above a watched path, for the next part of that path."""
        while True:
            folder, name = os.path.split(path)
            while not os.path.isdir(folder) and folder != os.path.dirname(folder):
                folder, name = os.path.split(folder)
            if not self._anchor(folder, name, path) and not os.path.isdir(folder):
                continue  # race: it was removed before it was watched
            # Race: the next folder was created before the watch; then watch that one.
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
                self._refused.append((folder, error))
                return False
            anchored.add(path)
        return True

    def _release(self, path: str) -> None:
        """Remove the anchors of a watched path that now is a watched folder."""
        for folder, names in tuple(self._anchors.items()):
            for name, paths in tuple(names.items()):
                paths.discard(path)
                if not paths:
                    del names[name]
            if not names:
                del self._anchors[folder]
                if folder not in self.tree.folders:
                    self.source.remove(folder)
