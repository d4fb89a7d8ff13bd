"""A client that holds every answer to `docs/openapi.json`."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h11
from jsonschema import Draft202012Validator

from supervisor.system.runtime_dir import project_key
from tests import ROOT
from tests.helpers.command import Project
from tests.helpers.waiting import DEADLINE

DOCUMENT: dict[str, Any] = json.loads((ROOT / "docs" / "openapi.json").read_text())


@dataclass(frozen=True)
class Reply:
    """One answer, that is as described."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Its document."""
        return json.loads(self.body)


Ask = Callable[..., Coroutine[Any, Any, Reply]]


def socket_of(project: Project) -> Path:
    """The control socket of the supervisor that runs in a project."""
    return project.runtime / "scanonce" / project_key(project.folder.resolve()) / "control"


async def ask(
    socket: Path,
    method: str,
    target: str,
    body: object = None,
    *,
    raw: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Send a request on a connection of its own; `body` as JSON, or `raw` as it is."""
    async with asyncio.timeout(DEADLINE), connected(socket) as (reader, writer):
        content = json.dumps(body).encode() if raw is None and body is not None else raw or b""
        sent = {"host": "test", "connection": "close"}
        if content:
            sent |= {"content-type": "application/json", "content-length": str(len(content))}
        sent |= headers or {}
        http = h11.Connection(h11.CLIENT)
        for event in (
            h11.Request(method=method, target=target, headers=list(sent.items())),
            h11.Data(data=content),
            h11.EndOfMessage(),
        ):
            with contextlib.suppress(OSError):
                writer.write(http.send(event) or b"")
        reply = await read_reply(reader, http)
    hold_to_description(method, target, reply)
    return reply


@contextlib.asynccontextmanager
async def connected(socket: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection, closed in the end."""
    reader, writer = await asyncio.open_unix_connection(str(socket))
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def read_reply(reader: asyncio.StreamReader, http: h11.Connection) -> Reply:
    """The next answer on a connection."""
    response: h11.Response | None = None
    body = b""
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert response is not None
            headers = {name.decode(): value.decode() for name, value in response.headers}
            return Reply(response.status_code, headers, body)
        else:
            assert isinstance(event, h11.InformationalResponse), event


def hold_to_description(method: str, target: str, reply: Reply) -> None:
    """Assert that the description lists this answer, and that it is of the form described there."""
    path = target.partition("?")[0]
    operation = DOCUMENT["paths"].get(path, {}).get(method.lower())
    responses = operation["responses"] if operation else DOCUMENT["components"]["responses"]
    assert str(reply.status) in responses, (method, target, reply)
    described = responses[str(reply.status)]
    if "$ref" in described:
        described = DOCUMENT["components"]["responses"][str(reply.status)]
    assert reply.headers["content-type"] in described["content"], (reply, described)
    schema = described["content"][reply.headers["content-type"]]["schema"]
    validator(schema).validate(reply.json)


def validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    """A validator for a schema of the description."""
    checker = Draft202012Validator.FORMAT_CHECKER
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]}, format_checker=checker)
