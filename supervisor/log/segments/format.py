"""The lines of a log file, encoded and decoded. The format is described in `log.segments`."""

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
    """A decoded line: a piece of output (`stream` and `data`) or an event (`event`, with its fields)."""

    at: datetime
    stream: str = ""
    data: bytes = b""
    event: Mapping[str, Any] = field(default_factory=dict)


class OutputEncoder:
    """Encodes the pieces of one stream. A character that is split between two pieces is kept for the second one."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._half = b""

    def encode(self, at: float, data: bytes) -> bytes:
        """The line for one piece, read at `at` (seconds since the epoch); empty if it completes no character."""
        data, self._half = self._half + data, b""
        if b"\0" in data:  # binary data, which would be six times as long as JSON text
            return self._binary(at, data)
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            if error.reason != "unexpected end of data":
                return self._binary(at, data)
            text, self._half = data[: error.start].decode(), data[error.start :]
        return encode({"ts": stamp(at), "stream": self._stream, "text": text}) if text else b""

    def rest(self, at: float) -> bytes:
        """The line for an incomplete character at the end of the stream; empty if there is none."""
        half, self._half = self._half, b""
        return self._binary(at, half) if half else b""

    def _binary(self, at: float, data: bytes) -> bytes:
        return encode({"ts": stamp(at), "stream": self._stream, "base64": base64.b64encode(data).decode()})


def encode_event(at: float, level: str, name: str, fields: Mapping[str, Any]) -> bytes:
    """The line for an event, as on standard error."""
    return encode({"ts": stamp(at), "level": level, "event": name, **fields})


def encode(line: Mapping[str, Any]) -> bytes:
    """A JSON object as a line."""
    return f"{json_text(line)}\n".encode()


def json_text(value: Mapping[str, Any]) -> str:
    """A JSON object on one line. Bytes of a file's name that are not UTF-8 are escaped: no valid JSON can hold them."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if text.isascii() else _SURROGATE.sub(lambda match: rf"\\u{ord(match[0]):04x}", text)


def decode(line: bytes) -> LogRecord | None:
    """The content of a line; None for one that is incomplete or not of this format."""
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
    """A moment, in seconds since the epoch, as ISO 8601 in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
