"""The files: private, bounded in size and number, and whole whatever the disk does."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor.log.segments.rotation import Segments, segment_files
from tests.unit.log.segments.conftest import KEY

LINE = b"x" * 499 + b"\n"


def sizes(folder: Path) -> list[tuple[int, int]]:
    return [(number, path.stat().st_size) for number, path in segment_files(folder, KEY)]


def test_a_full_file_is_followed_by_the_next_and_the_oldest_goes(folder: Path, segments: Segments) -> None:
    for _ in range(17):
        segments.write(LINE)
    assert sizes(folder) == [(3, 2000), (4, 2000), (5, 500)]


def test_folder_and_files_are_closed_to_others_whatever_the_umask(folder: Path, segments: Segments) -> None:
    before = os.umask(0)
    try:
        segments.write(LINE)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for _, path in segment_files(folder, KEY)] == [0o600]


def test_the_next_supervisor_goes_on_where_the_last_one_ended(folder: Path, segments: Segments) -> None:
    for _ in range(5):
        segments.write(LINE)
    segments.close()
    later = Segments(folder, KEY, max_size=2000, max_files=1)
    later.write(LINE)
    later.close()
    assert sizes(folder) == [(2, 1000)], "and a smaller limit holds at once"


def test_a_line_torn_by_a_power_cut_does_not_swallow_the_next(folder: Path, segments: Segments) -> None:
    segments.write(LINE)
    segments.close()
    ((_, path),) = segment_files(folder, KEY)
    path.write_bytes(LINE + b'{"ts": "20')
    segments.write(LINE)
    assert path.read_bytes() == LINE + b'{"ts": "20\n' + LINE


def test_a_line_longer_than_a_file_may_be_has_one_for_itself(folder: Path, segments: Segments) -> None:
    for line in (LINE, b"y" * 5000 + b"\n", LINE):
        segments.write(line)
    assert sizes(folder) == [(1, 500), (2, 5001), (3, 500)]


def test_a_log_that_is_removed_while_it_is_written_is_begun_anew(folder: Path, segments: Segments) -> None:
    segments.write(LINE)
    for _, path in segment_files(folder, KEY):
        path.unlink()
    folder.rmdir()
    segments.write(LINE)
    assert sizes(folder) == [(1, 500)]


def test_projects_share_a_folder_without_touching_each_other(folder: Path, segments: Segments) -> None:
    other = Segments(folder, "ba9876543210", max_size=1, max_files=1)
    segments.write(LINE)
    for _ in range(3):
        other.write(LINE)
    other.close()
    assert sizes(folder) == [(1, 500)]
    assert [number for number, _ in segment_files(folder, "ba9876543210")] == [3]


@pytest.mark.parametrize("room", [0, 100])
def test_a_full_disk_leaves_whole_lines_only(
    folder: Path, segments: Segments, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments.write(LINE)
    real: Callable[[int, memoryview], int] = os.write
    rooms = iter([room])

    def write(fd: int, piece: memoryview) -> int:
        if not (left := next(rooms, 0)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, piece[:left])

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(OSError, match="No space left"):
        segments.write(LINE)
    monkeypatch.undo()
    assert sizes(folder) == [(1, 500)]
    segments.write(LINE)
    assert sizes(folder) == [(1, 1000)]
