"""The operations of the API: each makes the call that a key or a changed file would make, and may wait for the end."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from supervisor.control import schemas
from supervisor.control.event_stream import Follower, WorstEvent, awaited_event
from supervisor.control.routes import OPERATIONS, Name, Operation
from supervisor.http1.connection import JSON, LINES, Refusal, Request, Response
from supervisor.http1.peer import Peer
from supervisor.supervise.inbox import NotNowError, UnknownSessionError
from supervisor.supervise.requests import Commands, SupervisorView
from supervisor.supervise.state_machine import Stage
from supervisor.supervise.status import Answer, FinishedRestart, StatusCache
from supervisor.system.errors import SessionError
from supervisor.timing.record import Restart

REASON: Final = "control"
"""The reason of a restart or stop that was requested here."""

FOLLOWERS: Final = 16
_ABSORBING: Final = frozenset({Stage.CLOSING, Stage.PREPARING, Stage.STUCK})

_DOWN: Final = {
    Stage.RESTING: "The bot did not come back. It is started again on the next change or request.",
    Stage.BACKOFF: "The bot did not come back. It is started again after a pause.",
    Stage.STUCK: "A process of the bot does not die, and nothing is started beside it. The log names it.",
}
"""Stages in which a restart that is waited for has ended without a bot, and the problem to report."""

_Model = TypeVar("_Model", bound=BaseModel)
_Result = TypeVar("_Result")
_Handler = Callable[[Peer, Any, Any], Awaitable[Response]]


class Api:
    """Answers the requests to one supervisor."""

    def __init__(self, commands: Commands, view: SupervisorView) -> None:
        self._commands = commands
        self._view = view
        self._paths: dict[str, dict[str, Operation]] = {}
        for operation in OPERATIONS:
            self._paths.setdefault(operation.path, {})[operation.method] = operation
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
        return _respond(200, await self._statuses.get())

    # -- restart and stop --------------------------------------------------------------------------------------------

    async def _restart(self, peer: Peer, query: schemas.RestartQuery, body: schemas.RestartBody) -> Response:
        self._refuse_if_ending()
        view = self._view
        asked_here = view.current_restart.reason == REASON and not view.current_restart.over
        joined = view.stage in _ABSORBING or (view.stage is Stage.STARTING and asked_here)
        if not (view.stage is Stage.STARTING and asked_here):
            self._commands.restart(REASON, body.detail or _requester(peer), body.mode)
        if query.wait is None:
            return _respond(202, schemas.Restarting(joined=joined, restart=None, problem=None))
        with WorstEvent() as worst:
            record, problem = await self._within(
                query.timeout, self._outcome(worst), "The restart is not over yet. It goes on; ask for the status."
            )
        restart = None if record is None else FinishedRestart.model_validate(record)
        return _respond(200, schemas.Restarting(joined=joined, restart=restart, problem=problem))

    async def _outcome(self, worst: WorstEvent) -> tuple[Restart | None, str | None]:
        """Wait for the end of the restart that is under way; returns its record, or the reason why there is none."""
        view = self._view
        while not view.settled:  # the request itself may not have been handled yet
            await view.moved()
        restart = view.current_restart
        while restart.record is None:
            if view.ending:
                return None, "The supervisor is ending."
            # A restart that supersedes it, after a crash or a change, decides this request, too.
            restart = view.current_restart
            if view.stage in _DOWN and view.settled:
                return None, worst.sentence or _DOWN[view.stage]
            await view.moved()
        failed = restart.record.outcome == "failed"
        return restart.record, (worst.sentence or "The bot is not ready.") if failed else None

    async def _stop(self, _peer: Peer, query: schemas.StopQuery, _body: None) -> Response:
        pid = os.getpid()
        with awaited_event("supervisor.stopped") as stopped:
            if not self._view.ending:
                self._commands.quit(REASON)
            if query.wait is None:
                return _respond(202, schemas.Stopping(pid=pid, exit_code=None, clean=None))
            fields = await self._within(query.timeout, stopped, "The stop is not over yet. It goes on.")
        stopping = schemas.Stopping(pid=pid, exit_code=fields["exit_code"], clean=fields["clean"])
        return _respond(200, stopping)

    # -- snapshots ---------------------------------------------------------------------------------------------------

    async def _take_snapshot(self, _peer: Peer, query: schemas.SnapshotQuery, body: schemas.SnapshotBody) -> Response:
        self._refuse_if_ending()
        late = "A restart is under way, and no snapshot can be taken before the bot is back. Try again."
        await self._within(query.timeout, self._calm(), late)
        self._refuse_if_ending()
        try:
            taken, remarks = await self._commands.take_snapshot(body.session)
        except SessionError as error:
            status = {UnknownSessionError: 404, NotNowError: 409}.get(type(error), 500)
            raise Refusal(status, str(error)) from None
        answer = schemas.SnapshotTaken(
            snapshot=schemas.SnapshotView.model_validate(taken.snapshot),
            new=taken.new,
            pause_ms=None if taken.pause is None else round(taken.pause * 1000, 1),
            remarks=[*remarks],
        )
        return _respond(201, answer)

    async def _calm(self) -> None:
        """Wait until no stop is under way and the browsers of a start are open."""
        view = self._view
        while not view.ending and view.stage not in {Stage.UP, Stage.RESTING, Stage.BACKOFF}:
            # A bot that did not become ready may stay like that; its profile can be copied all the same.
            if view.stage is Stage.STARTING and view.current_restart.over:
                return
            await view.moved()

    # -- events ------------------------------------------------------------------------------------------------------

    async def _follow_events(self, _peer: Peer, _query: None, _body: None) -> Response:
        if self._followers >= FOLLOWERS:
            raise Refusal(503, f"{FOLLOWERS} clients follow the events already.", {"retry-after": "10"})
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
    except (ValueError, RecursionError):  # RecursionError: endless brackets
        raise Refusal(400, "The body is not JSON.") from None
    return _validated(operation.body, document, "body")


def _validated(model: type[_Model], given: object, where: str) -> _Model:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or where
        known = ", ".join(model.model_fields)
        raise Refusal(400, f"In the {where}, {place}: {first['msg']}. It may hold {known}.") from None


def _respond(status: int, answer: Answer) -> Response:
    return Response(status, answer.model_dump_json().encode())


def _requester(peer: Peer) -> str | None:
    return None if peer.pid is None else f"process {peer.pid}"
