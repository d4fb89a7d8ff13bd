"""A line of a log file holds exactly the bytes that the bot wrote, whatever they are."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.log.segments.format import OutputEncoder, decode, encode_event
from tests.unit.log.segments.conftest import NOON


def through(*pieces: bytes) -> list[bytes]:
    """The lines for these pieces of one stream."""
    encoder = OutputEncoder("stdout")
    lines = [encoder.encode(NOON, piece) for piece in pieces]
    return [line for line in [*lines, encoder.rest(NOON)] if line]


def data(line: bytes) -> bytes:
    record = decode(line)
    assert record is not None
    assert record.stream == "stdout"
    assert record.at.timestamp() == NOON
    return record.data


def test_text_is_kept_as_text_that_other_tools_can_read() -> None:
    (line,) = through("caf\u00e9 \x1b[32m\u2028 \U0001f600\nand\tmore\r\n".encode())
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "ts": "2026-01-02T12:00:00.000000Z",
        "stream": "stdout",
        "text": "caf\u00e9 \x1b[32m\u2028 \U0001f600\nand\tmore\r\n",
    }


@pytest.mark.parametrize("piece", [b"\xff\xfe", bytes(1000), b"ok \xc3\x28 no", os.urandom(5000), b"\xed\xa0\x80"])
def test_what_is_no_text_is_kept_byte_for_byte(piece: bytes) -> None:
    assert b"".join(map(data, through(piece))) == piece
    assert sum(map(len, through(piece))) < 2 * len(piece) + 200


def test_a_character_that_is_cut_in_two_is_still_text() -> None:
    lines = through(b"caf\xc3", b"\xa9\n")
    assert [json.loads(line)["text"] for line in lines] == ["caf", "\u00e9\n"]


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1) | st.text(min_size=1).map(str.encode), max_size=8))
def test_nothing_is_lost_wherever_it_is_cut(pieces: list[bytes]) -> None:
    assert b"".join(map(data, through(*pieces))) == b"".join(pieces)


def test_an_event_is_kept_as_on_standard_error_even_with_a_name_that_is_no_text() -> None:
    line = encode_event(NOON, "info", "bot.starting", {"command": ["a\udcff"], "restarts": 0})
    record = decode(line)
    assert record is not None
    assert record.event == {
        "ts": "2026-01-02T12:00:00.000000Z",
        "level": "info",
        "event": "bot.starting",
        "command": ["a\\udcff"],
        "restarts": 0,
    }


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b'{"ts": "2026-01-02T12:00:00.000000Z", "stream": "std',
        b"[1]\n",
        b'{"ts": 7, "stream": "stdout", "text": "x"}\n',
        b'{"ts": "2026-01-02T12:00:00", "stream": "stdout", "text": "x"}\n',
        b'{"ts": "2026-01-02T12:00:00Z", "stream": "stdout", "base64": "?"}\n',
        b'{"ts": "2026-01-02T12:00:00Z", "stream": ["a"], "text": "x"}\n',
        b'{"ts": "2026-01-02T12:00:00Z", "event": 3}\n',
        b"[" * 100_000,
        b"\xff\x00\n",
    ],
)
def test_a_line_that_is_torn_or_not_ours_is_passed_over(line: bytes) -> None:
    assert decode(line) is None
