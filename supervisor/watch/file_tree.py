"""The walk of the watched folders, and the state of the files in them.

`walk` goes through the folders that the rules enter; each is armed (given a watch) before it is listed, so that a
change in between is in the listing, or in an event, or in both. `FileTree` keeps the files' state, and which of them
have changed since the last `commit`.
"""

# ruff: noqa: PTH100, PTH114, PTH115, PTH117, PTH118, PTH120, PTH206  (paths are strings: a walk handles each entry of the tree)

import os
from collections import deque
from collections.abc import Callable, Iterator, KeysView
from dataclasses import dataclass, field, replace

from supervisor.watch.fingerprint import Fingerprint, Signature, same, signature_of
from supervisor.watch.gitignore import FILE_NAME as GITIGNORE
from supervisor.watch.rules import WatchRules, is_below

_MOST_LINKS = 40  # as the kernel follows (path_resolution(7))


@dataclass(slots=True)
class Listing:
    """The content of a folder that counts.

    `links`: symbolic links to files, with their targets; `folder_links`: those to folders.
    """

    path: str
    real: str
    files: dict[str, Signature] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    folder_links: list[str] = field(default_factory=list)
    gitignore: Signature | None = None


def links_on(path: str) -> list[tuple[str, str]]:
    """Every symbolic link that is followed on the way to a path, itself included: its folder and its name."""
    found: list[tuple[str, str]] = []
    place, left = os.sep, deque(os.path.abspath(path).split(os.sep))
    while left and len(found) < _MOST_LINKS:
        name = left.popleft()
        entry = os.path.join(place, name)
        if name == os.pardir:
            place = os.path.dirname(place)
        elif name in ("", os.curdir):
            continue
        elif os.path.islink(entry):
            found.append((place, name))
            target = os.readlink(entry)
            place = os.sep if os.path.isabs(target) else place
            left.extendleft(reversed(target.split(os.sep)))
        else:
            place = entry
    return found


def walk(
    rules: WatchRules,
    start: str,
    *,
    arm: Callable[[str], None],
    refused: Callable[[str, OSError], None],
    entered: dict[str, str],
) -> Iterator[Listing]:
    """Yield each folder from `start` down that the rules enter.

    A folder that cannot be armed or read is passed to `refused`, unless it was removed just now. Linked folders are
    followed last, and only those not visited yet: `entered` holds the visited folders by real path, and is added to.
    """
    folders = deque([(start, os.path.realpath(start))])
    links: deque[str] = deque()
    while folders or links:
        if folders:
            path, real = folders.popleft()
        else:
            path = links.popleft()
            real = os.path.realpath(path)
            if is_below(os.path.realpath(os.path.dirname(path)), real):
                continue  # a loop: the link is in its own target
        if real in entered:
            continue
        try:
            arm(path)
            listing, below, linked = _list(rules, path, real)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            refused(path, error)
            continue
        entered[real] = path
        folders.extend((os.path.join(path, name), os.path.join(real, name)) for name in below)
        links.extend(os.path.join(path, name) for name in linked)
        listing.folder_links.extend(os.path.join(path, name) for name in linked)
        yield listing


def _list(rules: WatchRules, folder: str, real: str) -> tuple[Listing, list[str], list[str]]:
    """A folder's listing, the names of its subfolders that count, and of its links to folders that count."""
    listing = Listing(folder, real)
    below: list[str] = []
    linked: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            is_link = entry.is_symlink()
            try:
                is_folder = entry.is_dir()
            except OSError:  # a link whose target is not accessible
                continue
            if is_folder:
                if rules.enters(entry.path):
                    (linked if is_link else below).append(entry.name)
            elif entry.name == GITIGNORE:
                listing = replace(listing, gitignore=signature_of(entry.path))
            elif rules.refusal(folder, entry.name) is None:
                found = signature_of(entry.path)
                if found is not None:
                    listing.files[entry.path] = found
                if is_link:
                    listing.links[entry.path] = os.path.realpath(entry.path)
    return listing, below, linked


@dataclass(slots=True)
class _Folder:
    real: str
    files: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)


class FileTree:
    """The watched folders, the state of their files, and the files that changed since the last `commit`."""

    def __init__(self) -> None:
        self.known: dict[str, Fingerprint] = {}
        #: The watched folders: real path -> path.
        self.entered: dict[str, str] = {}
        self._folders: dict[str, _Folder] = {}
        self._before: dict[str, Fingerprint | None] = {}

    @property
    def folders(self) -> KeysView[str]:
        """The watched folders, as a live view."""
        return self._folders.keys()

    def add_folder(self, path: str, real: str) -> None:
        """Add a folder, or its new target if it is a link; its parent must have been added before."""
        known = self._folders.setdefault(path, _Folder(real))
        if known.real != real:  # a link with a new target
            self.entered.pop(known.real, None)
            self._folders[path] = replace(known, real=real)
        self.entered[real] = path
        parent = self._folders.get(os.path.dirname(path))
        if parent is not None:
            parent.folders.add(path)

    def real(self, folder: str) -> str:
        """The real path of a watched folder."""
        return self._folders[folder].real

    def drop_folder(self, path: str) -> tuple[list[str], list[str]]:
        """Remove a folder and those below it. Returns these folders, and their files, whose state is kept."""
        parent = self._folders.get(os.path.dirname(path))
        if parent is not None:
            parent.folders.discard(path)
        folders: list[str] = []
        files: list[str] = []
        below = [path]
        while below:
            folder = self._folders.pop(current := below.pop(), None)
            if folder is None:
                continue
            self.entered.pop(folder.real, None)
            folders.append(current)
            files.extend(folder.files)
            below.extend(folder.folders)
        return folders, files

    def record(self, path: str, found: Fingerprint | None) -> bool:
        """Set the state of a file; True if its content has changed."""
        before = self.known.get(path)
        changed = not same(before, found)
        if changed:
            self._before.setdefault(path, before)
        self.set(path, found)
        return changed

    def forget(self, path: str) -> None:
        """Remove a file, and its change if there was one."""
        self.set(path, None)
        self._before.pop(path, None)

    def changed(self) -> tuple[str, ...]:
        """The files whose content differs from that at the last `commit`, in the order of their changes."""
        return tuple(path for path, before in self._before.items() if not same(before, self.known.get(path)))

    def commit(self) -> None:
        """Take the present state as the one to compare with."""
        self._before.clear()

    def set(self, path: str, found: Fingerprint | None) -> None:
        """Set the state of a file without counting that as a change."""
        folder = self._folders.get(os.path.dirname(path))
        if found is None:
            self.known.pop(path, None)
            if folder is not None:
                folder.files.discard(path)
        else:
            self.known[path] = found
            if folder is not None:
                folder.files.add(path)
