"""`.gitignore` files, including nested ones and negations, interpreted as git does.

pathspec translates the patterns. Which of them decides is determined here, because pathspec matches files against one
list of patterns, while git checks each folder on the way down: the nearest `.gitignore` with a match decides, and
nothing below an ignored folder can be included again. `tests/unit/watch/test_gitignore.py` compares it with git itself.
`.git/info/exclude` and the user's global file are not read: they belong to a machine, not to the project.
"""

# ruff: noqa: PTH118, PTH120  (paths are strings: git's rules are asked for each entry of the tree)

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from supervisor.system.reading import DamagedFileError, read_file

_LARGEST = 1 << 20  # bytes; a thousand times the longest that people write
FILE_NAME = ".gitignore"

#: Folders that are cached; a bot that keeps creating folders must not fill the memory.
_CACHE_SIZE = 50_000


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern; `negated` if it includes files again, `text` is the line as written."""

    regex: re.Pattern[str]
    negated: bool
    text: str

    def matches(self, relative: str) -> bool:
        """Whether it matches the entry itself; `relative` is in POSIX form, with a trailing slash for a folder."""
        return any(_is_direct(match, relative) for match in self.regex.finditer(relative))


def _is_direct(match: re.Match[str], relative: str) -> bool:
    """Whether a match is one of the entry itself: pathspec also matches all entries below a matched folder."""
    if match.lastindex is not None:  # the slash after a matched folder
        return match.end(match.lastindex) == len(relative)
    return match.end() < len(relative) or not relative.endswith(
        "/"
    )  # `a/**` matches the entries of a, but not a itself


Patterns = tuple[Pattern, ...]


def compile_patterns(lines: Iterable[str]) -> Patterns:
    """The patterns of `lines`, the last one first, without blank lines, comments and malformed patterns."""
    patterns: list[Pattern] = []
    for line in lines:
        try:
            compiled = GitIgnoreSpec.from_lines([_spelled_out(line)]).patterns
        except ValueError:  # malformed: matches nothing in git, too
            continue
        patterns.extend(
            Pattern(pattern.regex, not pattern.include, line.strip())
            for pattern in compiled
            if pattern.regex is not None and pattern.include is not None
        )
    return tuple(reversed(patterns))


def _spelled_out(line: str) -> str:
    """`a/**/*/` for `a/**/`, which means the folders below a, and to pathspec a itself."""
    return f"{line}*/" if line.endswith("/**/") else line


def decide(patterns: Patterns, relative: str) -> Pattern | None:
    """The pattern that decides about an entry; None if none matches it."""
    return next((pattern for pattern in patterns if pattern.matches(relative)), None)


@dataclass(frozen=True, slots=True)
class _File:
    """The patterns of one `.gitignore`; `prefix` is its folder with a trailing separator."""

    prefix: str
    patterns: Patterns


_Chain = tuple[_File, ...]  # the nearest file first


class GitIgnores:
    """The `.gitignore` files that apply to entries below `bases`, each read once: make a new one when they change.

    The files above a base, up to the top of its repository, apply as well, unless they ignore the base itself: it was
    asked for (`--watch dist`).
    """

    def __init__(self, bases: Iterable[str]) -> None:
        self._bases = {base: _chain_of_base(base) for base in bases}
        self._chains: dict[str, _Chain] = {}

    def refusal(self, path: str, *, is_folder: bool) -> str | None:
        """The reason why git ignores an entry below a base whose parent it does not ignore; None if it does not."""
        return _refusal(self._chain(os.path.dirname(path)), path, is_folder=is_folder)

    def _chain(self, folder: str) -> _Chain:
        chain = self._bases.get(folder)
        if chain is None:
            chain = self._chains.get(folder)
        if chain is None:
            if len(self._chains) >= _CACHE_SIZE:
                self._chains.clear()
            chain = self._chains[folder] = _extended(self._chain(os.path.dirname(folder)), folder)
        return chain


def _chain_of_base(base: str) -> _Chain:
    chain: _Chain = ()
    for folder in _down_from_repository_top(base):
        if _refusal(chain, folder, is_folder=True) is not None:
            return _extended((), base)
        chain = _extended(chain, folder)
    return chain


def _down_from_repository_top(base: str) -> list[str]:
    """The folders from the top of the repository down to `base`; `base` alone outside of a repository."""
    path = Path(base)
    lineage = (path, *path.parents)
    for height, folder in enumerate(lineage):
        if (folder / ".git").exists():
            return [str(step) for step in reversed(lineage[: height + 1])]
    return [base]


def _extended(chain: _Chain, folder: str) -> _Chain:
    """`chain` with the `.gitignore` of `folder` before it, if there is a readable one."""
    try:
        data = read_file(Path(folder, FILE_NAME), _LARGEST, follow=True)
    except (OSError, DamagedFileError):  # missing, a folder, or not readable: git ignores such a file, too
        return chain
    lines = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").split("\n")
    patterns = compile_patterns(line.removesuffix("\r") for line in lines)
    return (_File(os.path.join(folder, ""), patterns), *chain) if patterns else chain


def _refusal(chain: _Chain, path: str, *, is_folder: bool) -> str | None:
    for file in chain:
        relative = path[len(file.prefix) :].replace(os.sep, "/") + ("/" if is_folder else "")
        pattern = decide(file.patterns, relative)
        if pattern is not None:
            return None if pattern.negated else f"{file.prefix}{FILE_NAME} says {pattern.text}"
    return None
