"""What is typed, told apart: in whole lines, and key by key while the bot draws its own prompt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.supervise.triggers.keyboard import Sorter

COMMANDS = (b"rs", b"st", b"sn", b"q", b"?")


def typed(*chunks: bytes) -> tuple[bytes, list[bytes]]:
    """What the bot gets of these, and what is ours, once everything is decided."""
    sorter = Sorter(COMMANDS)
    pieces = [piece for chunk in chunks for piece in sorter.sort(chunk)]
    theirs = b"".join(piece for piece, ours in pieces if not ours) + sorter.release()
    return theirs, [piece for piece, ours in pieces if ours]


def keys(text: bytes) -> list[bytes]:
    return [text[at : at + 1] for at in range(len(text))]


@pytest.mark.parametrize(
    ("text", "theirs", "ours"),
    [
        (b"rs\n", b"", [b"rs"]),
        (b"rs\r", b"", [b"rs"]),
        (b"q\n?\nhello\nst\n", b"hello\n", [b"q", b"?", b"st"]),
        (b"rsx\n", b"rsx\n", []),
        (b"r\n", b"r\n", []),
        (b"hello rs\n", b"hello rs\n", []),
        (b"\n", b"\n", []),
        (b"s\x7fq\n", b"", [b"q"]),
        (b"stop\x7f\x7f\x7f\x7frs\n", b"stop\x7f\x7f\x7f\x7frs\n", []),
        (b"\x1b[A\x1b[B\r", b"\x1b[A\x1b[B\r", []),
        (b"caf\xc3\xa9\n", b"caf\xc3\xa9\n", []),
    ],
)
def test_key_by_key(text: bytes, theirs: bytes, ours: list[bytes]) -> None:
    assert typed(*keys(text)) == (theirs, ours)


def test_whole_lines_may_have_room_around_them() -> None:
    assert typed(b"  rs \n", b"sn\r\n", b"no\n") == (b"no\n", [b"rs", b"sn"])


def test_the_beginning_of_a_command_is_the_bots_after_a_pause_and_so_is_the_rest_of_the_line() -> None:
    sorter = Sorter(COMMANDS)
    assert sorter.sort(b"q") == []
    assert sorter.held == b"q"
    assert sorter.release() == b"q"
    assert sorter.sort(b"\n") == [(b"\n", False)]
    assert sorter.sort(b"q\n") == [(b"q", True)]


@given(st.lists(st.sampled_from([b"r", b"s", b"q", b"?", b"x", b"\n", b"\r", b"\xff"]) | st.binary(max_size=3)))
def test_no_byte_is_lost_but_those_of_commands(chunks: list[bytes]) -> None:
    theirs, ours = typed(*chunks)
    given_ = b"".join(chunks)
    if not ours and b"\x7f" not in given_ and b"\x08" not in given_:
        assert theirs == given_
    assert set(ours) <= set(COMMANDS)
