"""A browser that is kept while its bot is replaced, and what must still be the same for the next one."""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from supervisor.warm.board import Board
from supervisor.warm.channel import Report
from supervisor.warm.gate import Closed, PageGate

_LOCK_FILES: Final = (
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "bun.lock",
    "bun.lockb",
    "node_modules/.package-lock.json",
    "node_modules/.modules.yaml",
    "node_modules/.yarn-state.yml",
    ".pnp.cjs",
)
"""Files beside the bot whose change means other libraries; those of npm, yarn, pnpm and bun."""

_DRAIN: Final = 0.1
_DRAIN_STEP: Final = 0.002

Signature = Mapping[str, tuple[int, int, int] | None]


@dataclass(frozen=True, slots=True)
class Launched:
    """A browser that a node has launched, or taken over, as it has reported it."""

    profile: Path | None
    """None for a folder that puppeteer has made for it, to be removed again."""
    real: Path
    pid: int
    library: str
    options: str
    files: tuple[str, ...]
    never: str | None
    """Why this browser can never be kept; None if it can."""
    info: Mapping[str, Any]

    @classmethod
    def of(cls, report: Report) -> Self:
        """Read a `launch` report. Raises `ValueError` for one that is not what it should be."""
        try:
            profile, never = report.get("profile"), report.get("why")
            return cls(
                profile=Path(profile) if profile is not None and not report.get("temporary") else None,
                real=Path(os.path.realpath(str(profile))),
                pid=int(report["pid"]),
                library=str(report.get("library", "")),
                options=str(report.get("options", "")),
                files=tuple(str(one) for one in report.get("files", ())),
                never=None if never is None else str(never),
                info=dict(report.get("info") or {}),
            )
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise ValueError(f"not a report of a launch: {error}") from error


def signature(folder: Path, files: Iterable[str]) -> Signature:
    """What identifies these files and the bot's lock files as they are now; None for one that is missing."""
    found: dict[str, tuple[int, int, int] | None] = {}
    for path in (*(folder / name for name in _LOCK_FILES), *map(Path, files)):
        found[str(path)] = None
        with contextlib.suppress(OSError, ValueError):
            about = path.stat()
            found[str(path)] = (about.st_ino, about.st_mtime_ns, about.st_size)
    return found


def changed(before: Signature, now: Signature) -> str | None:
    """A file that is another than before; None if there is none."""
    return next((path for path, about in before.items() if now.get(path) != about), None)


@dataclass(frozen=True, slots=True)
class KeptBrowser:
    """A browser whose gate is closed. `closed` is what its page was like then."""

    launched: Launched
    endpoint: str
    gate: PageGate
    closed: Closed

    @property
    def key(self) -> str:
        """The short form of its profile on the board."""
        return hashlib.sha1(os.fsencode(self.launched.real)).hexdigest()[:8]  # noqa: S324  a name, no protection

    def described(self) -> Mapping[str, Any]:
        """What the next node needs to take it over."""
        return {
            "profile": str(self.launched.real),
            "temporary": self.launched.profile is None,
            "endpoint": self.endpoint,
            "target": self.gate.target,
            "url": self.gate.url,
            "options": self.launched.options,
            "library": self.launched.library,
            "pid": self.launched.pid,
            "info": dict(self.launched.info),
        }

    def highest(self, board: Board) -> Mapping[str, int]:
        """For each of the page's functions the highest number that the bot has begun."""
        return {one.name: one.highest for one in board.progress() if one.is_function and one.profile == self.key}


async def drain(board: Board, browsers: Sequence[KeptBrowser]) -> bool:
    """Wait until the bot has finished what came before the gates were closed, for at most 100 ms; whether it has."""
    wanted = {(one.key, name): last for one in browsers for name, last in one.closed.names.items()}
    loop = asyncio.get_running_loop()
    over = loop.time() + _DRAIN
    while not _drained(board, wanted):
        if loop.time() >= over:
            return False
        await asyncio.sleep(_DRAIN_STEP)
    return True


async def finish_begun(board: Board) -> None:
    """Wait, for at most 100 ms, until a bot that begins nothing more has left the handlers that it is in."""
    loop = asyncio.get_running_loop()
    over = loop.time() + _DRAIN
    # Node writes to the memory, and wakes nobody.
    while loop.time() < over and any(one.begun > one.finished for one in board.progress() if one.is_function):  # noqa: ASYNC110
        await asyncio.sleep(_DRAIN_STEP)


def _drained(board: Board, wanted: Mapping[tuple[str, str], int]) -> bool:
    for one in board.progress():
        if one.begun > one.finished or (one.is_function and one.highest < wanted.get((one.profile, one.name), 0)):
            return False
    return True
