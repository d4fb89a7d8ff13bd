"""The explanation of what is watched and why (`scanonce dev --explain-watch`)."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from supervisor.watch.file_tree import walk
from supervisor.watch.rules import WatchRules


@dataclass(slots=True)
class Explanation:
    """`files`: the watched files, each with the reason; `folders`: the watched folders, each with its number of watched
    files; `left_out`: the folders that are not watched, each with the reason; `other`: numbers of the other files in
    watched folders, by reason; `links`: links to folders that would count."""

    root: Path
    files: dict[Path, str] = field(default_factory=dict)
    folders: dict[Path, int] = field(default_factory=dict)
    left_out: dict[Path, str] = field(default_factory=dict)
    other: Counter[str] = field(default_factory=Counter)
    links: set[Path] = field(default_factory=set)

    def lines(self) -> Iterator[str]:
        """The explanation as text."""
        yield f"watched: {_count(len(self.files), 'file')} in {_count(len(self.folders), 'folder')}"
        for reason, count in Counter(self.files.values()).most_common():
            yield f"  {count}  {reason}"
        if self.folders:
            yield "folders, with their files that count:"
        for folder, count in self.folders.items():
            yield f"  {self._name(folder)}  {count}"
        if self.left_out:
            yield "not looked into:"
        for folder, reason in self.left_out.items():
            yield f"  {self._name(folder)}  {reason}"
        if self.other:
            yield "files that do not count:"
        for reason, count in self.other.most_common():
            yield f"  {count}  {reason}"

    def refuse(self, folder: str, error: OSError) -> None:
        """Note a folder that cannot be read."""
        self.left_out[Path(folder)] = f"cannot be read: {error.strerror}"

    def _name(self, folder: Path) -> str:
        try:
            name = folder.relative_to(self.root).as_posix()
        except ValueError:
            name = folder.as_posix()
        return f"{name}/".encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def explain(rules: WatchRules) -> Explanation:
    """Walk the watched paths as the watcher does, and explain what is left out as well."""
    found = Explanation(rules.root)
    entered: dict[str, str] = {}
    for watched in rules.watched_paths:
        if watched.is_folder():
            for listing in walk(rules, watched.path, arm=_nothing, refused=found.refuse, entered=entered):
                found.folders[Path(listing.path)] = len(listing.files)
                found.files.update((Path(path), _why(rules, path)) for path in listing.files)
                _note_the_rest(rules, listing.path, found)
        elif watched.exists():
            folder = Path(watched.path).parent
            if Path(watched.path) not in found.files:
                found.folders[folder] = found.folders.get(folder, 0) + 1
            found.files[Path(watched.path)] = "named by the user"
        else:
            found.left_out[Path(watched.path)] = "does not exist yet"
    for link in sorted(found.links - found.folders.keys()):
        there = link.resolve()
        lies_in = link.parent.resolve().is_relative_to(there)
        found.left_out[link] = (
            f"leads to {there}, {'which holds this link' if lies_in else 'which is followed already'}"
        )
    return found


def _why(rules: WatchRules, path: str) -> str:
    return rules.why(Path(path)).removeprefix("watched: ")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _nothing(_folder: str) -> None:
    """Walk without watching."""


def _note_the_rest(rules: WatchRules, folder: str, found: Explanation) -> None:
    """Note the entries of a watched folder that do not count."""
    for entry in sorted(Path(folder).iterdir()):
        if entry.is_dir():
            reason = rules.folder_refusal(str(entry))
            if reason is not None:
                found.left_out[entry] = reason
            elif entry.is_symlink():
                found.links.add(entry)
        else:
            reason = rules.refusal(folder, entry.name)
            if reason is not None:
                found.other[reason.removeprefix(f"{entry.name} is ")] += 1  # counted, so without the name
