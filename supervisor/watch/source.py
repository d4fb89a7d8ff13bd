"""Where hints of changes come from: the face that the systems' ways of telling have in common.

A hint says "look there again", never "this has changed": it may be late, doubled or wrong. Whoever gets it looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import NamedTuple, Protocol


class HintKind(Enum):
    """What kind of look a hint asks for."""

    WRITTEN = auto()  # a file is complete: closed after writing, or moved in
    TOUCHED = auto()  # a file may be in the middle of being written
    GONE = auto()  # a file or folder was removed or moved away
    FOLDER = auto()  # a folder appeared, or its permissions changed
    SELF_GONE = auto()  # the watched folder itself was removed or moved away; `name` is empty
    LOST = auto()  # hints were lost; look everywhere; `folder` and `name` are empty


class Hint(NamedTuple):
    """An entry of a folder to look at."""

    folder: str
    name: str
    kind: HintKind


class WatchLimitError(Exception):
    """The system refuses more watches; `sysctl` names the limit."""

    def __init__(self, sysctl: str) -> None:
        super().__init__(sysctl)
        self.sysctl = sysctl


class Source(Protocol):
    """A system's file notices. Used from one event loop; `add` and `remove` may be called from a worker thread while
    nobody reads."""

    def add(self, folder: str) -> None:
        """Give hints for the entries of this folder from now on.

        Raises `WatchLimitError`, or `OSError` if this folder cannot be watched.
        """

    def remove(self, folder: str) -> None:
        """No more hints for this folder."""

    def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` in the running event loop, at least once, when there is something to read."""

    def read(self) -> Iterable[Hint]:
        """Everything there is, oldest first, without waiting."""

    def close(self) -> None:
        """Release the watches; nothing of it is left behind, no thread and no descriptor."""


class NoSource:
    """Tells nothing: surveys take its place."""

    def add(self, folder: str) -> None:
        """Nothing to do."""

    def remove(self, folder: str) -> None:
        """Nothing to do."""

    def listen(self, wake: Callable[[], None]) -> None:
        """Never wakes anybody."""

    def read(self) -> Iterable[Hint]:
        """Nothing, ever."""
        return ()

    def close(self) -> None:
        """Nothing to release."""
