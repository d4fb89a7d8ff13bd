"""The control server beside a running supervisor: up as long as that is, and never in its way.

A supervisor whose socket cannot be bound runs without; it says so, and tries again. What only requests need, the
models above all, is loaded when the first one comes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from supervisor.control.socket_watch import Lookout
from supervisor.control.transport import AddressError, Listener, listen
from supervisor.http1.server import Server
from supervisor.log.logger import emit, report_fault
from supervisor.supervise.requests import Commands, SupervisorView
from supervisor.system.runtime_dir import RuntimeFolderError, runtime_folder

if TYPE_CHECKING:
    from supervisor.control.handlers import Api
    from supervisor.http1.connection import Request, Response
    from supervisor.http1.peer import Peer

#: Seconds until a socket that is gone is replaced: systemd removes a user's runtime folder when he logs out, and a bot
#: under nohup or tmux goes on.
LOOK: Final = 2.0


class _Answers:
    """The API, made when it is first needed."""

    def __init__(self, commands: Commands, view: SupervisorView) -> None:
        self._commands = commands
        self._view = view
        self._api: Api | None = None

    async def __call__(self, request: Request, peer: Peer) -> Response:
        if self._api is None:
            from supervisor.control.handlers import Api

            self._api = Api(self._commands, self._view)
        return await self._api.answer(request, peer)


class _Keeper:
    """Keeps a server up in the supervisor's runtime folder, and another one in the next, should that go."""

    def __init__(self, answers: _Answers, folder: Callable[[], Path]) -> None:
        self._answers = answers
        self._folder = folder
        self._server: Server[Listener] | None = None
        self._said = False

    async def keep(self, look: float) -> None:
        """Look after the server until cancelled."""
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
        """Listen anew; where that cannot be done, say so once."""
        before, self._server = self._server, None
        if before is not None:
            await before.close()
        try:
            server = Server(listen(self._folder()), self._answers)
        except (AddressError, RuntimeFolderError) as error:
            if not self._said:
                emit("control.off", problem=str(error))
            self._said = True
            return
        await server.start()
        self._server, self._said = server, False
        emit("control.on", socket=str(server.listener.path))

    async def close(self) -> None:
        """End the server."""
        if self._server is not None:
            await self._server.close()


@contextlib.asynccontextmanager
async def serving(commands: Commands, view: SupervisorView, key: str, *, look: float = LOOK) -> AsyncIterator[None]:
    """Answer on the control socket for as long as this is open."""
    keeper = _Keeper(_Answers(commands, view), lambda: runtime_folder(key))
    await keeper.renew()
    keeping = asyncio.create_task(keeper.keep(look), name="control-keeper")
    keeping.add_done_callback(report_fault)
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await keeper.close()
