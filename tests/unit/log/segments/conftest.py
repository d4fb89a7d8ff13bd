"""A log in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from supervisor.log.segments.format import OutputEncoder
from supervisor.log.segments.reader import LogReader
from supervisor.log.segments.rotation import Segments

KEY = "0123456789ab"
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC).timestamp()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the log lies; not made."""
    return tmp_path / "state" / "log"


@pytest.fixture
def segments(folder: Path) -> Iterator[Segments]:
    """Files of 2000 bytes, three at most."""
    made = Segments(folder, KEY, max_size=2000, max_files=3)
    yield made
    made.close()


@pytest.fixture
def write(segments: Segments) -> Callable[..., None]:
    """Write pieces of output, a second apart."""
    encoder, at = OutputEncoder("stdout"), [NOON]

    def put(*pieces: bytes) -> None:
        for piece in pieces:
            segments.write(encoder.encode(at[0], piece))
            at[0] += 1

    return put


@pytest.fixture
def reader(folder: Path) -> Iterator[LogReader]:
    made = LogReader(folder, KEY)
    yield made
    made.close()
