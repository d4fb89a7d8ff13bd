"""The control server of a running supervisor.

A supervisor whose socket cannot be bound logs that, runs without it and tries again. The models, and all else that only
requests need, are loaded with the first request.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from supervisor.control.handlers import Api
from supervisor.control.transport import AddressError, Listener, listen
from supervisor.http1.connection import Request, Response
from supervisor.http1.peer import Peer
from supervisor.http1.server import Answer, Server
from supervisor.log.logger import emit, in_background
from supervisor.supervise.requests import Commands, SupervisorView
from supervisor.system.runtime_dir import RuntimeFolderError, runtime_folder
from supervisor.watch.lookout import Lookout

LOOK: Final = 2.0
"""Seconds until a socket that was removed is replaced: systemd removes a user's runtime folder at logout, while a bot
under nohup or tmux goes on."""


class _Keeper:
    """Keeps a server up in the supervisor's runtime folder, and replaces it when its socket is removed."""

    def __init__(self, answer: Answer, folder: Callable[[], Path]) -> None:
        self._answer = answer
        self._folder = folder
        self._server: Server[Listener] | None = None
        self._reported = False

    async def keep(self, look: float) -> None:
        """Replace the server whenever its socket is gone, until cancelled."""
        while True:
            if self._server is None:
                await asyncio.sleep(look)
            else:
                listener = self._server.listener
                with contextlib.closing(Lookout(listener.path.parent, look)) as lookout:
                    while listener.intact:
                        await lookout.wait()
            await self.renew()

    async def renew(self) -> None:
        """Bind a new socket and serve on it; report a failure once."""
        before, self._server = self._server, None
        if before is not None:
            await before.close()
        try:
            server = Server(listen(self._folder()), self._answer)
        except (AddressError, RuntimeFolderError) as error:
            if not self._reported:
                emit("control.off", problem=str(error))
            self._reported = True
            return
        await server.start()
        self._server, self._reported = server, False
        emit("control.on", socket=str(server.listener.path))

    async def close(self) -> None:
        """Close the server."""
        if self._server is not None:
            await self._server.close()


@contextlib.asynccontextmanager
async def serving(commands: Commands, view: SupervisorView, key: str, *, look: float = LOOK) -> AsyncIterator[None]:
    """Serve the API on the control socket in the runtime folder of the project with this key."""
    api: Api | None = None

    async def answer(request: Request, peer: Peer) -> Response:
        nonlocal api
        if api is None:
            from supervisor.control.handlers import Api

            api = Api(commands, view)
        return await api.answer(request, peer)

    keeper = _Keeper(answer, lambda: runtime_folder(key))
    await keeper.renew()
    try:
        async with in_background(keeper.keep(look), "control-keeper"):
            yield
    finally:
        await keeper.close()
