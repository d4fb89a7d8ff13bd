"""One line of a log file: what it is made from, and what it says."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A line that was read: a piece of output (`stream` is set) or an event (`event` is, with its fields in it)."""

    at: datetime
    stream: str = ""
    data: bytes = b""
    event: Mapping[str, Any] = field(default_factory=dict)


class OutputEncoder:
    """Turns the pieces of one stream into lines. A character that is cut in two waits for its other half."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._half = b""

    def encode(self, at: float, data: bytes) -> bytes:
        """The line for one piece, read at `at` (seconds of the epoch); empty if there is no whole character in it."""
        data, self._half = self._half + data, b""
        if b"\0" in data:  # no text, and as such six times as long
            return self._binary(at, data)
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            if error.reason != "unexpected end of data":
                return self._binary(at, data)
            text, self._half = data[: error.start].decode(), data[error.start :]
        return encode({"ts": stamp(at), "stream": self._stream, "text": text}) if text else b""

    def rest(self, at: float) -> bytes:
        """The line for a character whose other half has not come; empty without one."""
        half, self._half = self._half, b""
        return self._binary(at, half) if half else b""

    def _binary(self, at: float, data: bytes) -> bytes:
        return encode({"ts": stamp(at), "stream": self._stream, "base64": base64.b64encode(data).decode()})


def encode_event(at: float, level: str, name: str, fields: Mapping[str, Any]) -> bytes:
    """The line for an event, as on standard error."""
    return encode({"ts": stamp(at), "level": level, "event": name, **fields})


def encode(line: Mapping[str, Any]) -> bytes:
    """One JSON object as a line of strict UTF-8; bytes of a name that are not are spelled out."""
    text = json.dumps(line, ensure_ascii=False, default=str)
    try:
        return f"{text}\n".encode()
    except UnicodeEncodeError:
        return (_SURROGATE.sub(lambda match: rf"\\u{ord(match[0]):04x}", text) + "\n").encode()


def decode(line: bytes) -> LogRecord | None:
    """What a line says; None for one that is torn, or not of this format."""
    try:
        found = json.loads(line)
        at = datetime.fromisoformat(found["ts"])
        if at.tzinfo is None:
            return None
        if "event" in found:
            return LogRecord(at, event=found) if isinstance(found["event"], str) else None
        stream = found["stream"]
        data = (
            base64.b64decode(found["base64"], validate=True)
            if "base64" in found
            else found["text"].encode("utf-8", "replace")
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return LogRecord(at, stream, data) if isinstance(stream, str) and stream else None


def stamp(at: float) -> str:
    """A moment, in seconds of the epoch, as ISO 8601 in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
