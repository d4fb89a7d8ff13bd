"""The HTTP server for monitoring. It answers three paths and changes nothing."""

import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from supervisor.bot.spec import BotSpec
from supervisor.browser.presets import SessionStatus
from supervisor.config.sections.metrics import MetricsConfig
from supervisor.config.types import split_address
from supervisor.http1.connection import Refusal, Request, Response
from supervisor.http1.peer import Peer
from supervisor.http1.server import Server
from supervisor.log import logger
from supervisor.log.logger import emit
from supervisor.metrics.collectors import CONTENT_TYPE, Metrics
from supervisor.metrics.host_names import is_own
from supervisor.metrics.labels import Labels
from supervisor.supervise.requests import SupervisorView
from supervisor.supervise.status import StatusCache

_CONNECTIONS: Final = 16  # at a time; monitoring needs few
_FRESH: Final = 1.0  # seconds for which a status is reused: scrapes come less often than that

#: The states in which a session does not serve its users.
_OUT: Final = {
    SessionStatus.NEEDS_LINK,
    SessionStatus.LINKING,
    SessionStatus.LOGGED_OUT,
    SessionStatus.CONFLICT,
    SessionStatus.BLOCKED,
    SessionStatus.STUCK,
}


@dataclass(slots=True)
class _Port:
    """A port that needs no token, since it gives no control."""

    socket: socket.socket
    token: str | None = None

    @property
    def url(self) -> str:
        host, port = self.socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def close(self) -> None:
        self.socket.close()


class _Handler:
    """Answers the requests."""

    def __init__(self, view: SupervisorView, labels: Labels, config: MetricsConfig) -> None:
        self._view = view
        self._config = config
        self._labels = labels
        self.metrics = Metrics(self._labels)
        self._statuses = StatusCache(view.status, fresh=_FRESH)
        self._paths: Mapping[str, Callable[[], Awaitable[Response]]] = {
            "/livez": self._livez,
            "/readyz": self._readyz,
            "/metrics": self._metrics,
        }

    async def __call__(self, request: Request, _peer: Peer) -> Response:
        """Answer one request. Raises `Refusal`."""
        self._refuse_foreign_host(request.headers.get("host"))
        answer = self._paths.get(request.path)
        if answer is None:
            raise Refusal(404, f"There is no such path; there are {', '.join(self._paths)}.")
        if request.method not in {"GET", "HEAD"}:
            raise Refusal(405, f"{request.path} is for GET and HEAD.", {"allow": "GET, HEAD"})
        return await answer()

    def _refuse_foreign_host(self, host: str | None) -> None:
        """Refuse a request that is addressed to another server; HTTP/1.0 names none, and no browser speaks it."""
        config = self._config
        assert config.listen is not None
        own = split_address(config.listen)[0]
        if host is not None and not is_own(host, own, public=config.public, hosts=config.hosts):
            raise Refusal(421, "This server has another name: use its address, or add the name to metrics.hosts.")

    async def _livez(self) -> Response:
        return _verdict("alive", list(_not_alive(self._view)))

    async def _readyz(self) -> Response:
        return _verdict("ready", list(_not_ready(self._view, self._labels)))

    async def _metrics(self) -> Response:
        status = await self._statuses.get()
        ready = not any(_not_ready(self._view, self._labels))
        return Response(200, self.metrics.exposition(status, ready=ready), CONTENT_TYPE)


@contextlib.asynccontextmanager
async def serving(view: SupervisorView, spec: BotSpec, linked: Mapping[str, bool]) -> AsyncIterator[None]:
    """Count events and serve on `metrics.listen`, which must be set.

    `linked` holds the sessions that are known at the start, and whether each is linked.
    """
    config = spec.config.metrics
    handler = _Handler(view, Labels(config.session_label, spec.territory.key), config)
    for session, is_linked in linked.items():
        handler.metrics.add_session(session, linked=is_linked)
    with contextlib.ExitStack() as stack:
        stack.callback(logger.subscribe(handler.metrics.count))
        address = config.listen
        assert address is not None
        try:
            server = Server(_listen(address), handler, connections=_CONNECTIONS)
        except OSError as error:
            emit("metrics.off", problem=f"cannot listen on {address}: {_why(error)}")
            yield
            return
        await server.start()
        emit("metrics.on", url=server.listener.url)
        try:
            yield
        finally:
            await server.close()


def _listen(address: str) -> _Port:
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return _Port(socket.create_server((host, port), family=family, backlog=_CONNECTIONS))


def _why(error: OSError) -> str:
    # The message that asyncio and socket add repeats the address.
    return os.strerror(error.errno) if error.errno else str(error)


def _verdict(what: str, reasons: list[str]) -> Response:
    return Response(503 if reasons else 200, json.dumps({what: not reasons, "reasons": reasons}).encode())


def _not_alive(view: SupervisorView) -> Iterator[str]:
    """Yield reasons to restart the supervisor itself; a bot that is down is none, since the supervisor handles that."""
    if not view.healthy:
        yield "the bot runs unwatched: something in scanonce itself has failed"


def _not_ready(view: SupervisorView, labels: Labels) -> Iterator[str]:
    """Yield reasons why the bot does not serve its users now."""
    if not view.serving:
        yield f"the bot is not up ({view.stage})"
    elif not view.ready:
        yield "the bot is up, but not ready"
    for session, page in sorted(view.page_states().items()):
        if page.state in _OUT:
            yield f"session {labels.of(session)}: {page.state}"
