"""`.gitignore` files, nested ones and negations included, read the way git reads them.

pathspec translates the patterns. Which of them has the last word is decided here, because pathspec knows one list of
patterns for files, while git judges each folder on the way down: the nearest `.gitignore` with an opinion wins, and
below an ignored folder nothing can be brought back. `tests/triggers/test_gitignore.py` checks it against git itself.
Not read: `.git/info/exclude` and the user's global file, which say what a machine ignores, not what the project does.
"""

# ruff: noqa: PTH118, PTH120  (paths are strings: git's rules are asked for each entry of the tree)

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

FILE_NAME = ".gitignore"

#: Folders to remember; a bot that makes new ones for ever must not fill the memory.
_MEMORY = 50_000


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line: `negated` brings back, `text` is the line as written."""

    regex: re.Pattern[str]
    negated: bool
    text: str

    def matches(self, relative: str) -> bool:
        """Whether it names this very entry; `relative` is in POSIX form, a folder's ends in a slash."""
        return any(_is_direct(match, relative) for match in self.regex.finditer(relative))


def _is_direct(match: re.Match[str], relative: str) -> bool:
    """Whether the entry itself was matched. pathspec also matches what lies below a matched folder: here that folder
    has been judged on its own, on the way down."""
    if match.lastindex is not None:  # the slash behind a matched folder
        return match.end(match.lastindex) == len(relative)
    return match.end() < len(relative) or not relative.endswith("/")  # `a/**` matches what is in a, but not a itself


Patterns = tuple[Pattern, ...]


def compile_patterns(lines: Iterable[str]) -> Patterns:
    """The patterns of some lines, the last one first; a line that is none (blank, comment, malformed) is left out."""
    patterns: list[Pattern] = []
    for line in lines:
        try:
            compiled = GitIgnoreSpec.from_lines([_spelled_out(line)]).patterns
        except ValueError:  # git, too, takes a malformed pattern to match nothing
            continue
        patterns.extend(
            Pattern(pattern.regex, not pattern.include, line.strip())
            for pattern in compiled
            if pattern.regex is not None and pattern.include is not None
        )
    return tuple(reversed(patterns))


def _spelled_out(line: str) -> str:
    """`a/**/` with its meaning spelled out: the folders below a. pathspec takes it for a itself."""
    return f"{line}*/" if line.endswith("/**/") else line


def decide(patterns: Patterns, relative: str) -> Pattern | None:
    """The pattern that has the last word on an entry; None if no pattern names it."""
    return next((pattern for pattern in patterns if pattern.matches(relative)), None)


@dataclass(frozen=True, slots=True)
class _File:
    """The patterns of one `.gitignore`; `prefix` is its folder with the separator behind it."""

    prefix: str
    patterns: Patterns


_Chain = tuple[_File, ...]  # the nearest file first


class GitIgnores:
    """The `.gitignore` files that bear on some folders, each read once: make a new one when such a file changed."""

    def __init__(self) -> None:
        self._bases: dict[str, _Chain] = {}
        self._chains: dict[str, _Chain] = {}

    def enter(self, base: str) -> None:
        """Prepare for the entries below `base`.

        The files above it, up to the top of its repository, count as well, unless they ignore `base` itself: whoever
        asks to watch an ignored folder (`--watch dist`) means it.
        """
        chain: _Chain = ()
        for folder in _down_from_repository_top(base):
            if _refusal(chain, folder, is_folder=True) is not None:
                chain = _extended((), base)
                break
            chain = _extended(chain, folder)
        self._bases[base] = chain

    def refusal(self, path: str, *, is_folder: bool) -> str | None:
        """Why git ignores an entry whose parent it does not ignore; None if it does not.

        The parent is a folder that was entered, or lies below one.
        """
        return _refusal(self._chain(os.path.dirname(path)), path, is_folder=is_folder)

    def _chain(self, folder: str) -> _Chain:
        chain = self._bases.get(folder)
        if chain is None:
            chain = self._chains.get(folder)
        if chain is None:
            if len(self._chains) >= _MEMORY:
                self._chains.clear()
            chain = self._chains[folder] = _extended(self._chain(os.path.dirname(folder)), folder)
        return chain


def _down_from_repository_top(base: str) -> list[str]:
    """The folders from the top of the repository down to `base`; `base` alone outside of any repository."""
    path = Path(base)
    lineage = (path, *path.parents)
    for height, folder in enumerate(lineage):
        if (folder / ".git").exists():
            return [str(step) for step in reversed(lineage[: height + 1])]
    return [base]


def _extended(chain: _Chain, folder: str) -> _Chain:
    """`chain` with the `.gitignore` of `folder` before it, if there is a readable one."""
    try:
        data = Path(folder, FILE_NAME).read_bytes()
    except OSError:  # none, a folder of that name, or not ours to read: git goes on without it, too
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
