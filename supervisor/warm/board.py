"""The board: a memory that the supervisor shares with each node in turn, read and written without waiting.

A node writes down there that it begins to handle an event before it does: what is written stays when the node is
killed the moment after. So it is known which events the bot's code has seen, and none is delivered twice.

Layout (bytes; numbers are little-endian):

    0        the flag: 1 while a node is being stopped: it must leave its browsers alone, and begin nothing more
    8        the supervisor's pid, u64
    4096     what is kept, as JSON, ended by a NUL
    65536    slots of 128: key (96), highest number begun (f64), begun (u32), finished (u32), kind (u8)

A slot of kind 1 is a function that the page may call, and its key is `<profile>:<name>`; one of kind 2 an event whose
listeners return promises, `<profile>!<event>`. `attach.cjs` assigns them.
"""

import contextlib
import json
import mmap
import os
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_SIZE: Final = 128 * 1024
_FLAG, _PID, _KEPT, _SLOTS = 0, 8, 4096, 65536
_SLOT: Final = struct.Struct("<96sdIIB15x")
_COUNTS: Final = struct.Struct("<II")
_COUNTS_AT: Final = 104
_FUNCTION = 1


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the events of one kind have got: the highest number begun, and how many were begun and finished."""

    key: str
    is_function: bool
    highest: int
    begun: int
    finished: int

    @property
    def name(self) -> str:
        """The function, or the event."""
        return self.key[9:]

    @property
    def profile(self) -> str:
        """The short form of the profile that the key begins with."""
        return self.key[:8]


class Board:
    """The shared memory. `descriptor` is what a node has to inherit."""

    def __init__(self, folder: Path) -> None:
        """`folder` takes the file where the system has no memory files; it has no name there. Raises OSError."""
        if sys.platform == "linux":
            self.descriptor = os.memfd_create("scanonce-board")
        else:
            with tempfile.TemporaryFile(dir=folder) as file:
                self.descriptor = os.dup(file.fileno())
        os.truncate(self.descriptor, _SIZE)
        self._memory = mmap.mmap(self.descriptor, _SIZE)
        self._memory[_PID : _PID + 8] = os.getpid().to_bytes(8, "little")

    def leave_browsers(self, leave: bool) -> None:
        """Have the node that runs leave its browsers alone, or not, when it closes them or is ended."""
        self._memory[_FLAG] = int(leave)

    def begin(self, kept: Sequence[Mapping[str, Any]]) -> None:
        """Prepare it for a node that is about to start: these browsers are kept for it. Raises ValueError if too long.

        What was begun and not finished is forgotten; how far the events have got is not, unless nothing is kept.
        """
        text = json.dumps({"kept": list(kept)}).encode() + b"\0"
        if len(text) > _SLOTS - _KEPT:
            raise ValueError(f"what is kept takes {len(text)} bytes")
        self._memory[_KEPT : _KEPT + len(text)] = text
        if not kept:
            self._memory[_SLOTS:] = bytes(_SIZE - _SLOTS)
        for at, _ in self._used():
            _COUNTS.pack_into(self._memory, at + _COUNTS_AT, 0, 0)
        self.leave_browsers(False)

    def progress(self) -> list[Progress]:
        """How far each kind of events has got."""
        found = []
        for _, (key, highest, begun, finished, kind) in self._used():
            text = key.rstrip(b"\0").decode("utf-8", "replace")
            found.append(Progress(text, kind == _FUNCTION, int(highest), begun, finished))
        return found

    def unfinished(self) -> Mapping[str, int]:
        """How many events of each kind were begun by the last node, and not finished."""
        kinds = Counter[str]()
        for one in self.progress():
            if one.begun > one.finished:
                kinds[one.name] += one.begun - one.finished
        return kinds

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()
        with contextlib.suppress(OSError):
            os.close(self.descriptor)

    def _used(self) -> Iterator[tuple[int, tuple[bytes, float, int, int, int]]]:
        for at in range(_SLOTS, _SIZE, _SLOT.size):
            fields: tuple[bytes, float, int, int, int] = _SLOT.unpack_from(self._memory, at)
            if not fields[-1]:
                return
            yield at, fields
