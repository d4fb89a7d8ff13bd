"""The operations of the API: paths, methods and models, read by the server and by the OpenAPI description."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import BaseModel

from supervisor.control import schemas
from supervisor.supervise.status import Status

Name = Literal["status", "restart", "stop", "take_snapshot", "follow_events"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation. `answers` holds, by status, the meaning and the model of the answer."""

    name: Name
    method: Literal["GET", "POST"]
    path: str
    summary: str
    doc: str
    answers: Mapping[int, tuple[str, type[BaseModel]]]
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    lines: bool = False
    """Whether the answer is a stream with a line of JSON for each event."""
    refusals: Mapping[int, str] = field(default_factory=dict)
    """Refusals besides those that every request can get, by status."""


OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        name="status",
        method="GET",
        path="/v1/status",
        summary="Get the status",
        doc="The state of the supervisor, the bot and its sessions, the last restart, and what is planned.",
        answers={200: ("The status.", Status)},
    ),
    Operation(
        name="restart",
        method="POST",
        path="/v1/restart",
        summary="Restart the bot",
        doc="A clean restart, like `rs` on the terminal. A request during a restart joins that restart. It goes on "
        "whether or not the client waits for its outcome.",
        query=schemas.RestartQuery,
        body=schemas.RestartBody,
        answers={
            200: ("With `wait`: the restart is over, or the bot will not come back from it.", schemas.Restarting),
            202: ("Without: it has begun.", schemas.Restarting),
        },
        refusals={409: "The supervisor is ending.", 504: "The restart took longer than `timeout`. It goes on."},
    ),
    Operation(
        name="stop",
        method="POST",
        path="/v1/stop",
        summary="Stop the bot and scanonce",
        doc="A clean stop, like `q` on the terminal; scanonce ends with it. A second request does not hurry it.",
        query=schemas.StopQuery,
        answers={
            200: ("With `wait`: bot and browsers are gone.", schemas.Stopping),
            202: ("Without: it has begun.", schemas.Stopping),
        },
        refusals={504: "The stop took longer than `timeout`. It goes on."},
    ),
    Operation(
        name="take_snapshot",
        method="POST",
        path="/v1/snapshots",
        summary="Take a snapshot",
        doc="Of the running bot, which is suspended for some milliseconds, or of one that is down until a change or "
        "the end of a pause. Waits for the end of a restart.",
        query=schemas.SnapshotQuery,
        body=schemas.SnapshotBody,
        answers={201: ("The snapshot was taken.", schemas.SnapshotTaken)},
        refusals={
            404: "There is no such path, or no such session.",
            409: "The session is not linked, its browser is not open, it is not clear which session is meant, or the "
            "supervisor is ending.",
            504: "The restart that is under way took longer than `timeout`.",
        },
    ),
    Operation(
        name="follow_events",
        method="GET",
        path="/v1/events",
        summary="Follow the events",
        doc="Every event from now on, one JSON object per line, until either side closes. A reader that falls more "
        "than 1000 lines behind is disconnected. At most 16 clients can follow at a time.",
        answers={200: ("One line for each event.", schemas.EventLine)},
        lines=True,
    ),
)

REFUSALS: Final[Mapping[int, str]] = {
    400: "This is not an HTTP/1.1 request, or its query or body does not match this description.",
    401: "On Windows: the token is missing or wrong.",
    403: "The peer is another user.",
    404: "There is no such path.",
    405: "The path has other methods, listed in `Allow`.",
    408: "The request was not complete in time.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    431: "The request's head is too large.",
    500: "The operation failed: the detail or the log says why.",
    501: "The transfer coding is not `chunked`.",
    503: "Too many connections or followers.",
    505: "The version is neither HTTP/1.1 nor 1.0.",
}
"""Refusals that every request can get, by status."""
