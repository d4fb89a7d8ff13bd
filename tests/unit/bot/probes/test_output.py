from __future__ import annotations

import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.bot.probes.output import WINDOW, OutputMatcher


def matches(pattern: str, *chunks: bytes) -> list[str]:
    found: list[str] = []
    matcher = OutputMatcher(pattern, found.append)
    for chunk in chunks:
        matcher.feed(chunk)
    assert matcher.matched is bool(found)
    return found


@pytest.mark.parametrize(
    ("pattern", "output", "expected"),
    [
        (r"ready on \d+", b"booting\nready on 3000\n", "ready on 3000"),
        (r"^ready$", b"not ready\nready\n", "ready"),
        (r"^ready$", b"x\r\nready\r\ny", "ready"),
        (r"^done", b"10%\r50%\rdone", "done"),
        (r"Client is ready!", b"\x1b[32mClient \x1b[1mis\x1b[0m ready!\x1b[39m\n", "Client is ready!"),
        (r"^ready", b"\x1b]0;title\x07ready\n", "ready"),
        (r"^ready", b"\x1b]8;;http://x\x1b\\ready\x1b]8;;\x1b\\\n", "ready"),
        (r"^ready", b"\x1b(Bready\n", "ready"),
        (r"^ready", b"\x1b7\x1bcready\n", "ready"),
        (r"gr.n", "grün".encode(), "grün"),
        (r"bereit", b"\xff\xfebereit\xc3", "bereit"),
        (r"> $", b"\nbot> ", "> "),
    ],
)
def test_a_pattern_is_found_however_the_output_is_cut(pattern: str, output: bytes, expected: str) -> None:
    assert matches(pattern, output) == [expected]
    for cut in range(len(output)):
        (found,) = matches(pattern, output[:cut], output[cut:])
        assert re.fullmatch(pattern.strip("^$"), found)
    (found,) = matches(pattern, *(bytes([byte]) for byte in output))
    assert re.fullmatch(pattern.strip("^$"), found)


@pytest.mark.parametrize(
    ("pattern", "output"),
    [
        (r"^ready", b"not ready\n"),
        (r"32m", b"\x1b[32mx\n"),
        (r"title", b"\x1b]0;title\x07x\n"),
        (r"ab", b"a\nb\n"),
        (r"a.b", b"a\nb\n"),
    ],
)
def test_a_pattern_that_is_not_there_is_not_found(pattern: str, output: bytes) -> None:
    assert matches(pattern, output) == []
    assert matches(pattern, *(bytes([byte]) for byte in output)) == []


def test_a_match_is_told_once() -> None:
    assert matches("ready", b"ready ready\n", b"ready\n") == ["ready"]


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(re.error):
        OutputMatcher("(", print)


def test_a_line_cut_at_the_window_has_no_false_beginning() -> None:
    line = b"x" * 10 + b"ready" + b"y" * (WINDOW - 5)
    for shift in range(-2, 3):
        assert matches("^ready", b"z" * (50 + shift), line, b"y") == []
    assert matches("^ready", b"z" * 2 * WINDOW, b"z\nready") == ["ready"]


def test_a_match_within_the_window_is_found_across_any_cut_of_a_long_line() -> None:
    word = b"ready " + b"-" * (WINDOW - 20) + b" steady"
    line = b"x" * 3 * WINDOW + word + b"x" * 100
    for size in (1000, WINDOW, 65536):
        chunks = [line[start : start + size] for start in range(0, len(line), size)]
        assert len(matches("ready -+ steady", *chunks)) == 1


@pytest.mark.parametrize(
    ("opening", "chunk"),
    [
        (b"", b"x" * 65536),
        (b"\x1b]", b"x" * 65536),
        (b"\x1b[", b"1;" * 32768),
        (b"\x1b", b" " * 65536),
        (b"", b"\x1b]" * 32768),
        (b"", b"\x1b" * 65536),
        (b"", b"\xc3" * 65536),
    ],
)
def test_memory_is_bounded_when_no_line_or_escape_ever_ends(opening: bytes, chunk: bytes) -> None:
    matcher = OutputMatcher("never there", print)
    matcher.feed(opening)
    tracemalloc.start()
    try:
        for _ in range(50):  # 3.3 MB
            matcher.feed(chunk)
        held, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 200_000


@given(st.lists(st.binary(max_size=40)))
def test_no_bytes_upset_the_matcher(chunks: list[bytes]) -> None:
    assert matches("(?!)", *chunks, b"\x1b[0\x1b") == []
