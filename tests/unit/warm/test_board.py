"""The memory that the supervisor shares with node, written as `attach.cjs` writes it."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.warm.board import Board

SLOT = struct.Struct("<96sdIIB15x")


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    board = Board(tmp_path)
    yield board
    board.close()


def note(board: Board, number: int, key: str, highest: int, begun: int, finished: int, kind: int = 1) -> None:
    """What node writes down."""
    os.pwrite(board.descriptor, SLOT.pack(key.encode(), highest, begun, finished, kind), 65536 + 128 * number)


def test_what_was_begun_and_not_finished_is_told_by_kind(board: Board) -> None:
    note(board, 0, "0a1b2c3d:onAddMessageEvent", 7, 7, 7)
    note(board, 1, "0a1b2c3d!message", 0, 5, 3, kind=2)
    note(board, 2, "99999999!message", 0, 1, 0, kind=2)
    assert board.unfinished() == {"message": 3}
    [function, event, _] = board.progress()
    assert (function.name, function.profile, function.is_function, function.highest) == (
        "onAddMessageEvent",
        "0a1b2c3d",
        True,
        7,
    )
    assert not event.is_function


def test_how_far_the_events_have_got_outlives_a_bot_whose_page_is_kept(board: Board) -> None:
    note(board, 0, "0a1b2c3d:onAddMessageEvent", 7, 9, 8)
    board.begin([{"profile": "/p"}])
    [one] = board.progress()
    assert (one.highest, one.begun, one.finished) == (7, 0, 0)
    assert os.pread(board.descriptor, 28, 4096) == b'{"kept": [{"profile": "/p"}]'
    board.begin([])
    assert board.progress() == []


def test_the_flag_is_what_node_reads(board: Board) -> None:
    board.leave_browsers(True)
    assert os.pread(board.descriptor, 1, 0) == b"\1"
    board.begin([])
    assert os.pread(board.descriptor, 1, 0) == b"\0"


def test_more_than_fits_is_refused(board: Board) -> None:
    with pytest.raises(ValueError, match="what is kept takes"):
        board.begin([{"profile": "x" * 65536}])


def test_a_slot_with_odd_bytes_does_no_harm(board: Board) -> None:
    note(board, 0, "", 0, 2, 1)
    os.pwrite(board.descriptor, b"\xff\xfe" * 40, 65536)
    assert [len(one.key) for one in board.progress()] == [80]
    assert sum(board.unfinished().values()) == 1
