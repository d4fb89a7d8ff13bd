"""The interface of the sources of file events, which differ from system to system.

A hint says "check this entry", never "this has changed": it may be late, duplicate or wrong. Its receiver checks.
"""

from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import NamedTuple, Protocol


class HintKind(Enum):
    """The kinds of hints."""

    WRITTEN = auto()  # a file is complete: closed after writing, or moved in
    TOUCHED = auto()  # a file may be in the middle of being written
    GONE = auto()  # a file or folder was removed or moved away
    FOLDER = auto()  # a folder appeared, or its permissions changed
    SELF_GONE = auto()  # the watched folder itself was removed or moved away; `name` is empty
    LOST = auto()  # hints were lost; look everywhere; `folder` and `name` are empty


class Hint(NamedTuple):
    """An entry of a folder to check."""

    folder: str
    name: str
    kind: HintKind


class WatchLimitError(Exception):
    """The system's limit on watches is reached; `sysctl` is its name."""

    def __init__(self, sysctl: str) -> None:
        super().__init__(sysctl)
        self.sysctl = sysctl


class Source(Protocol):
    """A source of hints, for one event loop; `add` and `remove` may be called from a worker thread while no `read`
    runs."""

    def add(self, folder: str) -> None:
        """Watch the entries of a folder. Raises `WatchLimitError`, or `OSError` if the folder cannot be watched."""

    def remove(self, folder: str) -> None:
        """Stop watching a folder."""

    def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` in the running event loop, at least once, when there are hints to read."""

    def read(self) -> Iterable[Hint]:
        """All hints that have arrived, oldest first, without waiting."""

    def close(self) -> None:
        """Release all watches, threads and descriptors."""


class NoSource:
    """A source without hints, for polling."""

    def add(self, folder: str) -> None:
        """Nothing to do."""

    def remove(self, folder: str) -> None:
        """Nothing to do."""

    def listen(self, wake: Callable[[], None]) -> None:
        """Nothing to do."""

    def read(self) -> Iterable[Hint]:
        """No hints."""
        return ()

    def close(self) -> None:
        """Nothing to do."""
