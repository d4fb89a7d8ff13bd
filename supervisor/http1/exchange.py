"""The client's side of one request, without I/O.

Used with asyncio by `fetch`, and with a blocking socket by the client of the control API, which must not load asyncio.
"""

from collections.abc import Iterable

import h11

_MAX_HEAD = 65_536  # bytes


class Exchange:
    """One request, encoded in `outgoing`, and its response, which `feed` takes and `next_event` gives in parts."""

    def __init__(self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
        request = h11.Request(method=method, target=target, headers=[*headers, ("Connection", "close")])
        events = (request, h11.Data(data=body), h11.EndOfMessage())
        self.outgoing = b"".join(self._http.send(event) or b"" for event in events)

    def feed(self, data: bytes) -> None:
        """Take bytes that were received; none at the end of the stream."""
        self._http.receive_data(data)

    def next_event(self) -> h11.Event | None:
        """Return the next part of the response, or None until more is fed. Raises `h11.RemoteProtocolError`."""
        while isinstance(event := self._http.next_event(), h11.InformationalResponse):
            pass
        return event if isinstance(event, h11.Event) else None
