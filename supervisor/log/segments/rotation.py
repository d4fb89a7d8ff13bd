"""The segments of a log: the one with the highest number is written, those with the lowest are removed."""

import contextlib
import os
import re
from pathlib import Path
from typing import Final

from supervisor.system import files, user_folders

_OWN: Final = ".session-cache/log"


class Segments:
    """The segments of one log, for its only writer: the process that holds the project's lock."""

    def __init__(self, folder: Path, key: str, *, max_size: int, max_files: int) -> None:
        """`max_size`: bytes of a segment, which a single longer line may exceed; `max_files`: segments."""
        self._folder = folder
        self._key = key
        self._max_size = max_size
        self._max_files = max_files
        self._fd: int | None = None
        self._size = 0
        self._number = 0

    def write(self, line: bytes) -> None:
        """Append one line. Raises `OSError`, and then leaves nothing of it in the segment."""
        if self._fd is None or os.fstat(self._fd).st_nlink == 0:  # it was removed
            self.close()
            self._open_last()
        if self._size and self._size + len(line) > self._max_size:
            self.close()
            self._open(self._number + 1)
        assert self._fd is not None
        try:
            _write_all(self._fd, line)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)
            self.close()
            raise
        self._size += len(line)

    def close(self) -> None:
        """Close the segment; the next line opens it again."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _open_last(self) -> None:
        files.ensure_private_folder(self._folder)
        numbers = [number for number, _ in segment_files(self._folder, self._key)]
        self._open(max(numbers, default=1))

    def _open(self, number: int) -> None:
        """Open a segment, after removing the oldest: on a full disk that may be all the room there is."""
        earlier = [path for found, path in segment_files(self._folder, self._key) if found < number]
        for path in earlier[: max(0, len(earlier) - self._max_files + 1)]:
            files.unlink(path)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        fd = files.open_own(self._folder / f"{self._key}-{number:08}.jsonl", flags)
        try:
            self._size = os.fstat(fd).st_size
            if self._size and os.lseek(fd, -1, os.SEEK_END) >= 0 and os.read(fd, 1) != b"\n":
                _write_all(fd, b"\n")  # a power cut left half a line, which the next one must not continue
                self._size += 1
        except OSError:
            os.close(fd)
            raise
        self._fd, self._number = fd, number


def log_folder(project: Path, configured: Path | None) -> Path:
    """The folder for logs, which may not exist: the configured one, else the user's. Projects may share one.

    For a user without a home folder, the project's own.
    """
    return project / (configured or user_folders.log_folder() or _OWN)


def segment_files(folder: Path, key: str) -> list[tuple[int, Path]]:
    """The segments of a log with their numbers, the oldest first; none if there is no such folder."""
    name = re.compile(rf"{re.escape(key)}-(\d{{8,}})\.jsonl")
    try:
        entries = [(name.fullmatch(entry.name), entry) for entry in folder.iterdir()]
    except FileNotFoundError:
        return []
    return sorted((int(match[1]), entry) for match, entry in entries if match is not None)


def _write_all(fd: int, line: bytes) -> None:
    view = memoryview(line)
    while view:
        view = view[os.write(fd, view) :]
