"""What each operation does: the same call that a key or a changed file would make, and a wait for what comes of it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from supervisor.control import schemas
from supervisor.control.event_stream import Awaited, Follower, Worst
from supervisor.control.routes import OPERATIONS, Name, Operation
from supervisor.control.snapshots import take
from supervisor.http1.connection import JSON, LINES, Refusal, Request, Response
from supervisor.http1.peer import Peer
from supervisor.supervise.requests import Commands, SupervisorView
from supervisor.supervise.state_machine import Stage
from supervisor.supervise.status import Answer, FinishedRestart, StatusCache
from supervisor.timing.record import Restart

REASON: Final = "control"
"""What a restart and a stop that come from here have for a reason."""

FOLLOWERS: Final = 16
_ABSORBING: Final = frozenset({Stage.CLOSING, Stage.PREPARING, Stage.STUCK})

_DOWN: Final = {
    Stage.RESTING: "The bot did not come back. It is started again on the next change or request.",
    Stage.BACKOFF: "The bot did not come back. It is started again after a pause.",
    Stage.STUCK: "A process of the bot does not die, and nothing is started beside it. The log names it.",
}
"""Where a restart that was waited for ends without a bot."""

_Model = TypeVar("_Model", bound=BaseModel)
_Result = TypeVar("_Result")
_Handler = Callable[[Peer, Any, Any], Awaitable[Response]]


class Api:
    """Answers the requests to one supervisor."""

    def __init__(self, commands: Commands, view: SupervisorView) -> None:
        self._commands = commands
        self._view = view
        self._paths = {operation.path: _methods(operation.path) for operation in OPERATIONS}
        self._handlers: Mapping[Name, _Handler] = {
            "status": self._status,
            "restart": self._restart,
            "stop": self._stop,
            "take_snapshot": self._take_snapshot,
            "follow_events": self._follow_events,
        }
        self._followers = 0
        self._statuses = StatusCache(view.status)

    async def answer(self, request: Request, peer: Peer) -> Response:
        """Answer one request. Raises `Refusal`."""
        methods = self._paths.get(request.path)
        if methods is None:
            raise Refusal(404, f"There is no such path; there are {', '.join(self._paths)}.")
        operation = methods.get(request.method)
        if operation is None:
            allowed = ", ".join(methods)
            raise Refusal(405, f"{request.path} is for {allowed}.", {"allow": allowed})
        query = _query(operation, request)
        body = _body(operation, request)
        return await self._handlers[operation.name](peer, query, body)

    # -- status ------------------------------------------------------------------------------------------------------

    async def _status(self, _peer: Peer, _query: None, _body: None) -> Response:
        return _answered(200, await self._statuses.get())

    # -- restart and stop --------------------------------------------------------------------------------------------

    async def _restart(self, peer: Peer, query: schemas.RestartQuery, body: schemas.RestartBody) -> Response:
        self._refuse_if_ending()
        view = self._view
        asked_here = view.current_restart.reason == REASON and not view.current_restart.over
        joined = view.stage in _ABSORBING or (view.stage is Stage.STARTING and asked_here)
        if not (view.stage is Stage.STARTING and asked_here):
            self._commands.restart(REASON, body.detail or _who(peer))
        if query.wait is None:
            return _answered(202, schemas.Restarting(joined=joined, restart=None, problem=None))
        with Worst() as worst:
            record, problem = await self._within(
                query.timeout, self._outcome(worst), "The restart is not over yet. It goes on; ask for the status."
            )
        restart = None if record is None else FinishedRestart.model_validate(record)
        return _answered(200, schemas.Restarting(joined=joined, restart=restart, problem=problem))

    async def _outcome(self, worst: Worst) -> tuple[Restart | None, str | None]:
        """How the restart that is under way ends: its record, or why there will be none."""
        view = self._view
        while not view.settled:  # the request itself may not have been handled yet
            await view.moved()
        restart = view.current_restart
        while restart.record is None:
            if view.ending:
                return None, "The supervisor is ending."
            # What supersedes a restart, a crash or a further change, serves this request as well, or fails it.
            restart = view.current_restart
            if view.stage in _DOWN and view.settled:
                return None, worst.sentence or _DOWN[view.stage]
            await view.moved()
        failed = restart.record.outcome == "failed"
        return restart.record, (worst.sentence or "The bot is not ready.") if failed else None

    async def _stop(self, _peer: Peer, query: schemas.StopQuery, _body: None) -> Response:
        pid = os.getpid()
        with Awaited("supervisor.stopped") as stopped:
            if not self._view.ending:
                self._commands.quit(REASON)
            if query.wait is None:
                return _answered(202, schemas.Stopping(pid=pid, exit_code=None, clean=None))
            fields = await self._within(query.timeout, stopped.fields, "The stop is not over yet. It goes on.")
        stopping = schemas.Stopping(pid=pid, exit_code=fields["exit_code"], clean=fields["clean"])
        return _answered(200, stopping)

    # -- snapshots ---------------------------------------------------------------------------------------------------

    async def _take_snapshot(self, _peer: Peer, query: schemas.SnapshotQuery, body: schemas.SnapshotBody) -> Response:
        self._refuse_if_ending()
        late = "A restart is under way, and no snapshot can be taken before the bot is back. Try again."
        await self._within(query.timeout, self._calm(), late)
        self._refuse_if_ending()
        return _answered(201, await take(self._commands, body.session))

    async def _calm(self) -> None:
        """Return when no stop is under way, and the browsers of a start are open."""
        view = self._view
        while not view.ending and view.stage not in {Stage.UP, Stage.RESTING, Stage.BACKOFF}:
            # A bot whose start is over without its being ready may stay like that: it can be copied all the same.
            if view.stage is Stage.STARTING and view.current_restart.over:
                return
            await view.moved()

    # -- events ------------------------------------------------------------------------------------------------------

    async def _follow_events(self, _peer: Peer, _query: None, _body: None) -> Response:
        if self._followers >= FOLLOWERS:
            raise Refusal(503, f"{FOLLOWERS} follow the events already.", {"retry-after": "10"})
        self._followers += 1
        return Response(200, content_type=LINES, lines=Follower(self._unfollowed))

    def _unfollowed(self) -> None:
        self._followers -= 1

    # -- common ------------------------------------------------------------------------------------------------------

    def _refuse_if_ending(self) -> None:
        if self._view.ending:
            raise Refusal(409, "This supervisor is ending.")

    @staticmethod
    async def _within(seconds: float, work: Awaitable[_Result], late: str) -> _Result:
        try:
            async with asyncio.timeout(seconds):
                return await work
        except TimeoutError:
            raise Refusal(504, late) from None


def _methods(path: str) -> dict[str, Operation]:
    return {operation.method: operation for operation in OPERATIONS if operation.path == path}


def _query(operation: Operation, request: Request) -> BaseModel | None:
    if operation.query is None:
        if request.query:
            raise Refusal(400, f"{operation.path} takes no query.")
        return None
    return _validated(operation.query, dict(request.query), "query")


def _body(operation: Operation, request: Request) -> BaseModel | None:
    if operation.body is None:
        if request.body:
            raise Refusal(400, f"{operation.method} {operation.path} takes no body.")
        return None
    if not request.body:
        return _validated(operation.body, {}, "body")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise Refusal(415, f"The body must be {JSON}: send it with Content-Type: {JSON}.")
    try:
        document = json.loads(request.body)
    except (ValueError, RecursionError):  # no JSON, no UTF-8, or brackets without end
        raise Refusal(400, "The body is no JSON.") from None
    return _validated(operation.body, document, "body")


def _validated(model: type[_Model], given: object, where: str) -> _Model:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or where
        known = ", ".join(model.model_fields)
        raise Refusal(400, f"In the {where}, {place}: {first['msg']}. It may hold {known}.") from None


def _answered(status: int, answer: Answer) -> Response:
    return Response(status, answer.model_dump_json().encode())


def _who(peer: Peer) -> str | None:
    return None if peer.pid is None else f"process {peer.pid}"
