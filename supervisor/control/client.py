"""Requests to a running supervisor, each on its own connection and with its own timeout.

Blocking, and free of asyncio and pydantic, which would double the time that `scanonce status` takes.
"""

import contextlib
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import h11

from supervisor.control.transport import connect
from supervisor.http1.exchange import Exchange
from supervisor.http1.peer import Peer, peer_of

_CHUNK: Final = 65_536
_LARGEST: Final = 16 << 20  # bytes of an answer; a status of a hundred sessions has 40 kB
_PATIENCE: Final = 5.0  # seconds for a request that is answered at once
_SLACK: Final = 5.0  # seconds beyond the time that the supervisor was told to wait

Json = dict[str, Any]
"""An answer, as docs/openapi.json describes it."""


class NoAnswerError(Exception):
    """A process listens there, but did not answer in time, broke off, or sent nonsense."""


class RefusedError(Exception):
    """The supervisor refused the request; the message is a sentence that says why."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Client:
    """The supervisor that listens at `path`; `peer` identifies the process that took the last connection.

    Every method raises `AddressError` if no process listens, `NoAnswerError` and `RefusedError`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.peer = Peer()

    def status(self, *, patience: float = _PATIENCE) -> Json:
        """Return its status."""
        return self._ask("GET", "/v1/status", patience=patience)

    def restart(self, *, wait: bool, timeout: float, detail: str | None = None, mode: str = "auto") -> Json:
        """Restart the bot; with `wait`, wait up to `timeout` seconds until that is over. `mode`: auto, warm or cold."""
        query = {"wait": "ready", "timeout": f"{timeout:g}"} if wait else {}
        body = {} if detail is None else {"detail": detail}
        if mode != "auto":  # an older supervisor knows no other
            body["mode"] = mode
        patience = (timeout if wait else 0.0) + _SLACK
        return self._ask("POST", "/v1/restart", query, body, patience=patience)

    def stop(self, *, wait: bool, timeout: float) -> Json:
        """Stop bot and supervisor; with `wait`, wait up to `timeout` seconds until the bot is gone."""
        query = {"wait": "stopped", "timeout": f"{timeout:g}"} if wait else {}
        patience = (timeout if wait else 0.0) + _SLACK
        return self._ask("POST", "/v1/stop", query, patience=patience)

    def take_snapshot(self, session: str, *, timeout: float, patience: float) -> Json:
        """Take a snapshot, in up to `patience` seconds after a restart that may take `timeout` seconds first."""
        query, body = {"timeout": f"{timeout:g}"}, {"session": session}
        return self._ask("POST", "/v1/snapshots", query, body, patience=timeout + patience)

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
            status, chunks = _exchange(connection, method, target, token, content)
            received = bytearray()
            for data in chunks:
                received += data
                if len(received) > _LARGEST:
                    raise NoAnswerError("its answer has no end")
        _raise_if_refused(status, received)
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


def _object(body: bytes | bytearray) -> Json | None:
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _raise_if_refused(status: int, body: bytes | bytearray) -> None:
    if status >= 300:
        problem = _object(body)
        if problem is None or "detail" not in problem:
            raise NoAnswerError(f"it answered with status {status} and nothing else")
        raise RefusedError(status, str(problem["detail"]))


def _exchange(
    connection: socket.socket, method: str, target: str, token: str | None, body: bytes
) -> tuple[int, Iterator[bytes]]:
    """Send a request; returns the status and the body as it comes."""
    headers = [("Host", "scanonce"), ("Accept", "application/json")]
    if body:
        headers += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    if token is not None:
        headers.append(("Authorization", f"Bearer {token}"))
    exchange = Exchange(method, target, headers, body)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused already: the response says why
        connection.sendall(exchange.outgoing)

    def receive() -> h11.Event:
        while (event := exchange.next_event()) is None:
            exchange.feed(connection.recv(_CHUNK))
        return event

    def chunks() -> Iterator[bytes]:
        while isinstance(event := receive(), h11.Data):
            yield bytes(event.data)

    response = receive()
    assert isinstance(response, h11.Response)
    return response.status_code, chunks()
