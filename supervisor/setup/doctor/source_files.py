"""The bot's own source files as text, limited in number and size; nothing is executed."""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from supervisor.system.reading import read_start
from supervisor.watch.file_tree import walk
from supervisor.watch.rules import WatchRules

_EXTENSIONS = frozenset({"js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx"})
_MOST_FILES = 2000
_LARGEST = 512 << 10  # bytes; larger files were not written by hand
_MOST_SECONDS = 3.0
_LONGEST_BODY = 5000  # characters of a handler that are examined
_MOST_MATCHES = 50  # of one pattern; more would tell nothing new

#: An import of one of the project's own files: relative, or by one of the usual aliases.
_IMPORT = re.compile(
    r"""(?:\bfrom\s{0,5}|\bimport\s{0,5}\(?\s{0,5}|\brequire\s{0,5}\(\s{0,5}|\b(?:fork|Worker|URL)\(\s{0,5})"""
    r"""['"`]((?:\.{1,2}/|@/|~/|#|src/)[^'"`$\n]{0,300})['"`]"""
)
_COMPUTED_IMPORT = re.compile(r"""\b(?:require|import)\s{0,5}\(\s{0,5}(?:[^'"`\s)]|`[^`\n]{0,300}\$\{)""")
_ENDINGS = tuple(f"{between}.{extension}" for between in ("", "/index") for extension in sorted(_EXTENSIONS))


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file. Its comments are blanked out; its line numbers are those of the file."""

    name: str
    """Its path in the bot's folder."""
    text: str

    def at(self, position: int) -> str:
        """A position as `file:line`."""
        return f"{self.name}:{self.text.count(chr(10), 0, position) + 1}"

    def enclosed(self, start: int) -> str:
        """The text from `start` to the end of the first bracket that opens there; brackets in strings count too."""
        depth = 0
        for at in range(start, min(len(self.text), start + _LONGEST_BODY)):
            if self.text[at] in "({[":
                depth += 1
            elif self.text[at] in ")}]":
                depth -= 1
                if depth <= 0:
                    return self.text[start : at + 1]
        return self.text[start : start + _LONGEST_BODY]


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """The files that were read; `all` is false if there are more, or some could not be read."""

    files: tuple[SourceFile, ...]
    all: bool

    def reached_from(self, command: Sequence[str]) -> SourceFiles:
        """The files that the script in `command` leads to: another program's are none of the bot's.

        All of them if that cannot be told: no script is named, or one is imported by a name that only the bot knows.
        """
        known = {os.path.normpath(file.name): file for file in self.files}
        pending = [name for word in command if (name := os.path.normpath(word)) in known][:1]
        reached: dict[str, SourceFile] = {}
        while pending:
            name = pending.pop()
            if name in reached:
                continue
            reached[name] = file = known[name]
            if _COMPUTED_IMPORT.search(file.text):
                return self
            folder = os.path.dirname(name)  # noqa: PTH120 - names of a walk are strings
            for match in _IMPORT.finditer(file.text):
                if not match[1].startswith("."):
                    return self  # an alias of the project's
                target = os.path.normpath(os.path.join(folder, match[1]))  # noqa: PTH118
                stem, extension = os.path.splitext(target)  # noqa: PTH122
                names = [target, *(f"{target}{end}" for end in _ENDINGS)]
                names += [f"{stem}{end}" for end in _ENDINGS if extension in {".js", ".mjs", ".cjs"}]
                pending += [one for one in names if one in known]
        return SourceFiles(tuple(reached.values()), self.all) if reached else self

    def search(self, pattern: re.Pattern[str]) -> Iterator[tuple[SourceFile, re.Match[str]]]:
        """The first matches in all files."""
        found = ((source, match) for source in self.files for match in pattern.finditer(source.text))
        return itertools.islice(found, _MOST_MATCHES)


def read_sources(folder: Path) -> SourceFiles:
    """The JavaScript and TypeScript files of a bot, without installed packages and what git ignores."""
    files: list[SourceFile] = []
    complete = True
    deadline = time.monotonic() + _MOST_SECONDS

    def refused(_folder: str, _error: OSError) -> None:
        nonlocal complete
        complete = False

    rules = WatchRules(root=folder, ext=_EXTENSIONS)
    for listing in walk(rules, str(folder), arm=lambda _folder: None, refused=refused, entered={}):
        for path in sorted(listing.files):
            text = _read(path) if listing.files[path].size <= _LARGEST else None
            if text is None:
                complete = False
            else:
                files.append(SourceFile(os.path.relpath(path, folder), _without_comments(text)))
        if len(files) >= _MOST_FILES or time.monotonic() > deadline:
            return SourceFiles(tuple(files[:_MOST_FILES]), all=False)
    return SourceFiles(tuple(files), complete)


def _read(path: str) -> str | None:
    try:
        return read_start(path, _LARGEST, follow=True).decode("utf-8", "replace")
    except OSError:
        return None


def _without_comments(text: str) -> str:
    """The text with comment lines emptied. A comment sign in the middle of a line may be part of a string."""
    lines = text.split("\n")
    in_comment = False
    for number, line in enumerate(lines):
        begins = line.lstrip()
        in_comment = in_comment or begins.startswith("/*")
        if in_comment:
            _, end, rest = line.partition("*/")
            lines[number], in_comment = rest, not end
        elif begins.startswith("//"):
            lines[number] = ""
    return "\n".join(lines)
