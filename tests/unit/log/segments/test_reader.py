"""What was written is read back line by line, also by those who read along."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from supervisor.log.segments.format import OutputEncoder, encode_event
from supervisor.log.segments.reader import LONGEST, Entry, Line, LogReader, Note, changes
from supervisor.log.segments.rotation import Segments, segment_files
from tests.unit.log.segments.conftest import KEY, NOON

Write = Callable[..., None]


def texts(entries: list[Entry]) -> list[bytes]:
    return [entry.data for entry in entries if isinstance(entry, Line)]


def test_lines_come_back_whole_however_they_were_written(write: Write, reader: LogReader) -> None:
    write(b"on", b"e\ntwo\n\nth", b"ree\r\nfou")
    assert texts(list(reader.read())) == [b"one", b"two", b"", b"three\r"]
    write(b"r\n")
    assert texts(list(reader.read())) == [b"four"]
    assert list(reader.read()) == []


def test_a_line_has_the_time_at_which_it_was_begun(write: Write, reader: LogReader) -> None:
    write(b"a", b"b\nc\n")
    assert [entry.at.timestamp() - NOON for entry in reader.read()] == [0.0, 1.0]


def test_the_two_streams_are_put_together_each_for_itself(segments: Segments, reader: LogReader) -> None:
    out, err = OutputEncoder("stdout"), OutputEncoder("stderr")
    for encoder, piece in [(out, b"o"), (err, b"e"), (out, b"ut\n"), (err, b"rr\n")]:
        segments.write(encoder.encode(NOON, piece))
    lines = [(entry.stream, entry.data) for entry in reader.read() if isinstance(entry, Line)]
    assert lines == [("stdout", b"out"), ("stderr", b"err")]


def test_a_line_without_end_is_given_when_asked_for_and_ends_with_the_bot(
    segments: Segments, write: Write, reader: LogReader
) -> None:
    write(b"password: ")
    assert list(reader.read()) == []
    (prompt,) = reader.read(flush=True)
    assert isinstance(prompt, Line)
    assert prompt.partial
    write(b"half")
    segments.write(encode_event(NOON, "info", "bot.starting", {"command": ["node"], "restarts": 1}))
    write(b"new\n")
    first, event, last = reader.read()
    assert isinstance(first, Line)
    assert (first.data, first.partial) == (b"half", True)
    assert isinstance(event, Note)
    assert texts([last]) == [b"new"]


def test_a_line_of_a_megabyte_is_given_in_parts(folder: Path, reader: LogReader) -> None:
    segments, encoder = Segments(folder, KEY, max_size=300_000, max_files=10), OutputEncoder("stdout")
    for piece in [*[b"z" * 50_000] * 20, b"\n"]:
        segments.write(encoder.encode(NOON, piece))
    segments.close()
    lines = [entry for entry in reader.read() if isinstance(entry, Line)]
    assert b"".join(line.data for line in lines) == b"z" * 1_000_000
    assert max(len(line.data) for line in lines) <= 2 * LONGEST
    assert [line.partial for line in lines] == [True] * (len(lines) - 1) + [False]


def test_reading_along_misses_nothing_across_files(folder: Path) -> None:
    """Thousands of lines in tiny files, with a reader that looks at arbitrary moments."""
    segments = Segments(folder, KEY, max_size=700, max_files=10_000)
    expected = [str(number).encode() for number in range(3000)]
    done = threading.Event()

    def run() -> None:
        encoder, chance = OutputEncoder("stdout"), random.Random(1)
        text = b"\n".join(expected) + b"\n"
        while text:
            cut = chance.randint(1, 60)
            segments.write(encoder.encode(NOON, text[:cut]))
            text = text[cut:]
        segments.close()
        done.set()

    writer = threading.Thread(target=run)
    reader = LogReader(folder, KEY)
    writer.start()
    found: list[Entry] = []
    while not done.is_set():
        found.extend(reader.read())
    writer.join()
    found.extend(reader.read())
    reader.close()
    assert len(segment_files(folder, KEY)) > 50
    assert texts(found) == expected


def test_a_reader_that_was_too_slow_is_told_that_something_is_missing(write: Write, reader: LogReader) -> None:
    write(b"first\n")
    assert texts(list(reader.read())) == [b"first"]
    for number in range(10):
        write(b"%d" % number + b"x" * 1500 + b"\n")
    found = list(reader.read())
    gaps = [entry.fields["event"] for entry in found if isinstance(entry, Note)]
    assert gaps == ["log.gap"]
    assert [text[:1] for text in texts(found)] == [b"0", b"7", b"8", b"9"], "what it had open is read to its end"


def test_since_leaves_out_what_is_older(write: Write, folder: Path) -> None:
    write(*(b"%d" % number + b"x" * 900 + b"\n" for number in range(6)))
    reader = LogReader(folder, KEY, since=datetime.fromtimestamp(NOON + 4, UTC))
    assert [text[:1] for text in texts(list(reader.read()))] == [b"4", b"5"]
    reader.close()


def test_the_last_lines_need_no_more_files_than_they_are_in(write: Write, reader: LogReader) -> None:
    write(*(b"%d" % number + b"x" * 900 + b"\n" for number in range(6)))
    reader.skip_to_last(2, lambda _: True)
    assert [text[:1] for text in texts(list(reader.read()))][-2:] == [b"4", b"5"]
    assert [text[:1] for text in texts(list(reader.read()))] == []


def test_news_come_when_something_is_written_even_if_the_folder_is_not_there_yet(folder: Path, write: Write) -> None:
    found = changes(folder)
    assert next(found) is False
    write(b"x\n")
    for _ in range(30):
        if next(found):
            break
        write(b"y\n")
    else:
        raise AssertionError("no change was noticed")
