"""A snapshot on request, of a bot that this supervisor runs or keeps down: never while a restart has the profile."""

from __future__ import annotations

from collections.abc import Sequence

from supervisor.control import schemas
from supervisor.http1.connection import Refusal
from supervisor.supervise.inbox import NotNowError, UnknownSessionError
from supervisor.supervise.requests import Commands
from supervisor.supervise.snapshot_queue import TakenSnapshot
from supervisor.system.errors import SessionError


async def take(commands: Commands, session: str | None) -> schemas.SnapshotTaken:
    """Take a snapshot of a session. Raises `Refusal`."""
    try:
        taken, remarks = await commands.take_snapshot(session)
    except UnknownSessionError as error:
        raise Refusal(404, str(error)) from None
    except NotNowError as error:
        raise Refusal(409, str(error)) from None
    except SessionError as error:
        raise Refusal(500, str(error)) from None
    return _shown(taken, remarks)


def _shown(taken: TakenSnapshot, remarks: Sequence[str]) -> schemas.SnapshotTaken:
    return schemas.SnapshotTaken(
        snapshot=schemas.SnapshotView.model_validate(taken.snapshot),
        new=taken.new,
        pause_ms=None if taken.pause is None else round(taken.pause * 1000, 1),
        remarks=list(remarks),
    )
