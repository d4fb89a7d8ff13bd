"""Asking a running supervisor: one request, one connection, and a limit for each wait."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import h11

from supervisor.control.transport import connect
from supervisor.http1.peer import Peer, peer_of

_CHUNK: Final = 65_536
_LARGEST: Final = 16 << 20  # bytes of an answer; a status of a hundred sessions has 40 kB
_PATIENCE: Final = 5.0  # seconds for what is answered at once
_SLACK: Final = 5.0  # seconds beyond what the other side was told to wait

Json = dict[str, Any]
"""An answer, as docs/openapi.json describes it."""


class NoAnswerError(Exception):
    """Somebody listens, but gave no answer in time, broke off, or said what makes no sense."""


class RefusedError(Exception):
    """The supervisor refused; the message says why, in a sentence."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Client:
    """One supervisor, by its socket. `peer` is who was found there when last asked.

    Every method raises `AddressError` if nobody listens, `NoAnswerError` and `RefusedError`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.peer = Peer()

    def status(self, *, patience: float = _PATIENCE) -> Json:
        """How it stands."""
        return self._ask("GET", "/v1/status", patience=patience)

    def restart(self, *, wait: bool, timeout: float, detail: str | None = None) -> Json:
        """Restart the bot, and wait up to `timeout` seconds until that is over."""
        query = {"wait": "ready", "timeout": f"{timeout:g}"} if wait else {}
        body = {} if detail is None else {"detail": detail}
        patience = (timeout if wait else 0.0) + _SLACK
        return self._ask("POST", "/v1/restart", query, body, patience=patience)

    def stop(self, *, wait: bool, timeout: float) -> Json:
        """Stop bot and supervisor, and wait up to `timeout` seconds until the bot is gone."""
        query = {"wait": "stopped", "timeout": f"{timeout:g}"} if wait else {}
        patience = (timeout if wait else 0.0) + _SLACK
        return self._ask("POST", "/v1/stop", query, patience=patience)

    def take_snapshot(self, session: str, *, timeout: float, patience: float) -> Json:
        """Take a snapshot; a restart may take `timeout` seconds first, and the copying itself `patience`."""
        query, body = {"timeout": f"{timeout:g}"}, {"session": session}
        return self._ask("POST", "/v1/snapshots", query, body, patience=timeout + patience)

    def events(self) -> Iterator[dict[str, Any]]:
        """Every event from now on, until the supervisor ends or has had enough of a slow reader."""
        with self._connected(_PATIENCE) as (connection, token):
            wire = _Wire(connection)
            self._check(wire.begin("GET", "/v1/events", token, b""), b"")
            connection.settimeout(None)
            rest = b""
            for data in wire.data():
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    yield json.loads(line)

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, str] | None = None,
        *,
        patience: float,
    ) -> Json:
        target = f"{path}?{urlencode(query)}" if query else path
        content = json.dumps(body).encode() if body else b""
        with self._connected(patience) as (connection, token):
            wire = _Wire(connection)
            status = wire.begin(method, target, token, content)
            received = bytearray()
            for data in wire.data():
                received += data
                if len(received) > _LARGEST:
                    raise NoAnswerError("its answer has no end")
        self._check(status, bytes(received))
        answer = _object(received)
        if answer is None or answer.get("version") != 1:
            raise NoAnswerError("its answer makes no sense: is it of another version?")
        return answer

    @contextlib.contextmanager
    def _connected(self, patience: float) -> Iterator[tuple[socket.socket, str | None]]:
        connection, token = connect(self.path, patience)
        with connection:
            self.peer = peer_of(connection)
            try:
                yield connection, token
            except TimeoutError:
                raise NoAnswerError(f"it gave no answer in {patience:g} s") from None
            except (OSError, h11.RemoteProtocolError):
                raise NoAnswerError("it broke off in the middle of its answer") from None

    def _check(self, status: int, body: bytes) -> None:
        if status < 300:
            return
        problem = _object(body)
        if problem is None or "detail" not in problem:
            raise NoAnswerError(f"it answered with status {status} and nothing else")
        raise RefusedError(status, str(problem["detail"]))


def _object(body: bytes | bytearray) -> Json | None:
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


class _Wire:
    """The client's side of one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._http = h11.Connection(h11.CLIENT)

    def begin(self, method: str, target: str, token: str | None, body: bytes) -> int:
        """Send a request; returns the status of the answer."""
        headers = [("host", "scanonce"), ("connection", "close"), ("accept", "application/json")]
        if body:
            headers += [("content-type", "application/json"), ("content-length", str(len(body)))]
        if token is not None:
            headers.append(("authorization", f"Bearer {token}"))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused already: the answer says why
            for event in (h11.Request(method=method, target=target, headers=headers), h11.Data(data=body)):
                self._connection.sendall(self._http.send(event))
            self._connection.sendall(self._http.send(h11.EndOfMessage()))
        response = self._next()
        assert isinstance(response, h11.Response)
        return response.status_code

    def data(self) -> Iterator[bytes]:
        """The body of the answer as it comes."""
        while isinstance(event := self._next(), h11.Data):
            yield bytes(event.data)

    def _next(self) -> h11.Event:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(self._connection.recv(_CHUNK))
        assert isinstance(event, h11.Event)
        return event
