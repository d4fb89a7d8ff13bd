"""`session-state.json`: what is known of each session, kept across restarts.

    {"version": 1, "sessions": {"97150": {"isLinked": true, "authMethod": "qr", ...}}}

Keys that this version does not know are kept. The flat form of the JavaScript original, which held one session, is
read and rewritten in this form. A file that makes no sense is kept under another name, never lost.

Each write leaves a copy elsewhere, with the file's own path in it: a file that is gone comes back from there, unless
the folder is another one by now. Two copies of a linked profile would be one device, twice.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypedDict, Unpack

from supervisor.system import clock, files
from supervisor.system.documents import parse_object
from supervisor.system.errors import SessionError, explained
from supervisor.system.escape import printable
from supervisor.system.held_lock import HeldLock, LockTimeoutError

VERSION = 1
_SEEN_STEP = timedelta(minutes=1)  # lastSeen alone is not worth a write more often than this
_LOCK_PATIENCE = 10  # seconds; a writer holds the lock for as long as the disk takes to sync a small file
_COPY_OF = "copyOf"  # in the copy: the path of the file
_LARGEST = 16 << 20  # bytes; a state file larger than this is none of ours


LOGGED_OUT = "logged_out"
"""The `last_state` of a session that the phone has logged out."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """The attempts at recovering a session by a restore, since its last successful link."""

    attempts: int = 0
    """Since the last cool-down."""
    tried: tuple[str, ...] = ()
    """The names of the snapshots that were restored."""
    last_attempt: datetime | None = None
    cooldown_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class SessionState:
    """What is known of one session. Times are aware, UTC."""

    is_linked: bool | None = None
    auth_method: str | None = None
    created_at: datetime | None = None
    linked_at: datetime | None = None
    """When it last became linked, after it was not or nothing was known."""
    new_profile_at: datetime | None = None
    """When a bot was last about to be started without a profile, to make a new one."""
    last_seen: datetime | None = None
    last_state: str | None = None
    last_snapshot: str | None = None
    """The folder name of the newest published snapshot."""
    profile: str | None = None
    """Where the profile is: relative to the project if it lies inside, else absolute."""
    browser: str | None = None
    """The program of the browser that had the profile open last, as its command line names it."""
    recovery: Recovery = Recovery()
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the file that this version does not know."""

    @property
    def began_at(self) -> datetime | None:
        """When the present link or, if that is later, its profile began. What is older tells nothing about it.

        A time yet to come was noted under a wrong clock, and does not count.
        """
        now = clock.now()
        return max((at for at in (self.linked_at, self.new_profile_at) if at is not None and at <= now), default=None)

    @property
    def logged_out(self) -> bool:
        """Whether the phone has logged the session out, which no snapshot can undo."""
        return self.last_state == LOGGED_OUT


class StateChanges(TypedDict, total=False):
    """The fields that `StateFile.update` takes."""

    is_linked: bool | None
    auth_method: str | None
    created_at: datetime | None
    linked_at: datetime | None
    new_profile_at: datetime | None
    last_seen: datetime | None
    last_state: str | None
    last_snapshot: str | None
    profile: str | None
    browser: str | None
    recovery: Recovery
    extra: Mapping[str, Any]


class StateFile:
    """The state file of a project. Every method may be called from any thread, and any number of processes may write.

    `lock` is the file whose lock they take for that, `copy` is where the copy goes. `rebuild` is asked for what can be
    known from elsewhere when neither makes sense.
    """

    def __init__(
        self,
        path: Path,
        *,
        lock: Path | None = None,
        copy: Path | None = None,
        rebuild: Callable[[], Mapping[str, SessionState]] = dict,
    ) -> None:
        self.path = path
        self._copy = copy
        self.problems: list[str] = []
        """Sentences on what was found wrong with the file, and what was done about it."""
        self._rebuild = rebuild
        self._threads = threading.RLock()
        lock = lock or path.with_name(f".{path.name}.lock")
        self._processes = HeldLock(lock, timeout=_LOCK_PATIENCE)
        self._seen: tuple[int, int, int] | None = None
        self._sessions: dict[str, SessionState] = {}
        self._rest: dict[str, Any] = {}

    def load(self) -> dict[str, SessionState]:
        """Every session's state, by id. Raises `SessionError` if the file cannot be read."""
        with self._threads, explained("read the session state", self.path):
            try:
                self._refresh()
            except ValueError:
                with self._exclusively():
                    pass  # what makes no sense is replaced there
            return dict(self._sessions)

    def get(self, session_id: str) -> SessionState:
        """One session's state; for a session that is not known, an empty one."""
        return self.load().get(session_id, SessionState())

    def trouble(self) -> str | None:
        """Why the file makes no sense, in a clause; `None` if it does or is not there. Leaves it as it is, where `load`
        puts it right. Raises `SessionError` if it cannot be read.
        """
        with self._threads, explained("read the session state", self.path):
            try:
                self._refresh()
            except ValueError as error:
                return str(error)
        return None

    def update(self, session_id: str, **changes: Unpack[StateChanges]) -> SessionState:
        """Change fields of a session's state, and add the session if it is not known.

        `linked_at` is set by itself when `is_linked` becomes true.

        Writes only if that tells something new: a later `last_seen` alone is written at most once a minute. Durable
        on return. Raises `SessionError`.
        """
        with self._threads, explained("write the session state", self.path):
            known = self.load().get(session_id)
            if known is not None and not _is_news(known, changed(known, changes)):
                return known
            with self._exclusively():
                before = self._sessions.get(session_id) or SessionState(created_at=clock.now())
                after = changed(before, changes)
                self._write({**self._sessions, session_id: after})
            return after

    def forget(self, session_id: str) -> None:
        """Remove a session from the file. Raises `SessionError`."""
        with self._threads, explained("write the session state", self.path), self._exclusively():
            if session_id in self._sessions:
                self._write({name: state for name, state in self._sessions.items() if name != session_id})

    def bring_back(self) -> None:
        """Write a file that is gone anew from its copy, which has stood for it until now. Raises `SessionError`."""
        with self._threads, explained("bring back the session state", self.path), self._exclusively():
            if self._seen is None and self._sessions:
                self._write(self._sessions)
                self.problems.append(f"{printable(self.path)} was gone, and was put back from its copy.")

    def _copied(self) -> tuple[dict[str, SessionState], dict[str, Any]] | None:
        """What the copy holds, if it makes sense and is of this very file."""
        if self._copy is None:
            return None
        try:
            sessions, rest = parse(self._copy.read_bytes())
        except (OSError, ValueError):
            return None
        return (sessions, rest) if sessions and rest.pop(_COPY_OF, None) == str(self.path) else None

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        """Keep other processes from writing, and begin with what the last of them wrote. Raises `OSError`."""
        files.ensure_private_folder(self._processes.path.parent)
        with ExitStack() as stack:
            try:
                stack.enter_context(self._processes)
            except LockTimeoutError:
                raise SessionError(
                    f"Could not write {printable(self.path)}: another process has kept it locked for "
                    f"{_LOCK_PATIENCE} s (`scanonce status` tells whether a supervisor hangs)."
                ) from None
            try:
                self._refresh()
            except ValueError as error:
                self._replace_damaged(error)
            yield

    def _refresh(self) -> None:
        """Read the file again if it is not the one we know. Raises `OSError`, and `ValueError` if it makes no sense."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self._seen = None
            self._sessions, self._rest = self._copied() or ({}, {})
            return
        seen = (status.st_ino, status.st_size, status.st_mtime_ns)
        if seen == self._seen:
            return
        if status.st_size > _LARGEST:
            raise ValueError("it is far too large")
        self._sessions, self._rest = parse(self.path.read_bytes())
        self._seen = seen

    def _replace_damaged(self, why: ValueError) -> None:
        # Named after the file's own time: killed before the next line is done, the next run uses the same name.
        aside = self.path.with_name(f"{self.path.name}.damaged-{self.path.stat().st_mtime_ns // 1_000_000}")
        files.keep_a_copy(self.path, aside)
        rebuilt = dict(self._rebuild())
        copied, self._rest = self._copied() or ({}, {})
        for name, state in copied.items():
            linked = rebuilt[name].is_linked if state.is_linked is None and name in rebuilt else state.is_linked
            rebuilt[name] = replace(state, is_linked=linked)
        self._write(rebuilt)
        self.problems.append(
            f"{printable(self.path)} could not be read ({why}). It is kept as {printable(aside.name)}, and "
            f"{len(rebuilt)} session(s) were rebuilt from {'its copy and ' if copied else ''}their snapshots."
        )

    def _write(self, sessions: dict[str, SessionState]) -> None:
        files.replace_file(self.path, serialise(sessions, self._rest))
        if self._copy is not None:
            with suppress(OSError):  # a second chance, no more: what counts is written
                copied = serialise(sessions, {**self._rest, _COPY_OF: str(self.path)})
                files.replace_file(self._copy, copied, durable=False)
        status = self.path.stat()
        self._sessions = sessions
        self._seen = (status.st_ino, status.st_size, status.st_mtime_ns)


def changed(before: SessionState, changes: StateChanges) -> SessionState:
    """A state with changes; `linked_at` is set by itself when `is_linked` becomes true."""
    after = replace(before, **changes)
    return replace(after, linked_at=clock.now()) if after.is_linked and not before.is_linked else after


def _is_news(before: SessionState, after: SessionState) -> bool:
    if replace(before, last_seen=None) != replace(after, last_seen=None):
        return True
    if before.last_seen is None or after.last_seen is None:
        return before.last_seen != after.last_seen
    return abs(after.last_seen - before.last_seen) >= _SEEN_STEP


_NAMES = {
    "is_linked": "isLinked",
    "auth_method": "authMethod",
    "created_at": "createdAt",
    "linked_at": "linkedAt",
    "new_profile_at": "newProfileAt",
    "last_seen": "lastSeen",
    "last_state": "lastState",
    "last_snapshot": "lastSnapshot",
    "profile": "profile",
    "browser": "browser",
}
_TIMES = frozenset({"created_at", "linked_at", "new_profile_at", "last_seen"})
_KNOWN = frozenset(_NAMES.values()) | {"recovery"}
# The original wrote one session at the top of the file; the number was under one of these keys.
_FLAT_IDS = ("masterNumber", "phoneNumber", "sessionId", "number")


def serialise(sessions: Mapping[str, SessionState], rest: Mapping[str, Any]) -> bytes:
    """The bytes of the state file."""
    document = {**rest, "version": VERSION, "sessions": {name: _to_json(s) for name, s in sessions.items()}}
    return (json.dumps(document, indent=2) + "\n").encode("ascii")


def parse(data: bytes) -> tuple[dict[str, SessionState], dict[str, Any]]:
    """The sessions in a state file, and its other keys. Raises `ValueError` if it makes no sense."""
    document = parse_object(data)
    if "sessions" not in document:
        return _from_flat(document)
    sessions = document.pop("sessions")
    if document.pop("version", None) != VERSION:
        raise ValueError("it was written by another version")
    if not isinstance(sessions, dict) or not all(isinstance(item, dict) for item in sessions.values()):
        raise ValueError("its sessions are not JSON objects")
    return {name: _from_json(item) for name, item in sessions.items()}, document


def _from_flat(document: dict[str, Any]) -> tuple[dict[str, SessionState], dict[str, Any]]:
    for key in _FLAT_IDS:
        number = document.get(key)
        if isinstance(number, str | int) and str(number):
            item = {name: value for name, value in document.items() if name != key}
            return {str(number): _from_json(item)}, {}
    if document:
        raise ValueError("it names no session")
    return {}, {}


def _to_json(state: SessionState) -> dict[str, Any]:
    item: dict[str, Any] = dict(state.extra)
    for name, key in _NAMES.items():
        value = getattr(state, name)
        if value is not None:
            item[key] = clock.iso(value) if name in _TIMES else value
    recovery = state.recovery
    if recovery != Recovery():
        item["recovery"] = {
            "attempts": recovery.attempts,
            "tried": list(recovery.tried),
            "lastAttempt": clock.iso(recovery.last_attempt) if recovery.last_attempt else None,
            "cooldownUntil": clock.iso(recovery.cooldown_until) if recovery.cooldown_until else None,
        }
    return item


def _from_json(item: dict[str, Any]) -> SessionState:
    values: dict[str, Any] = {}
    for name, key in _NAMES.items():
        value = item.get(key)
        if name in _TIMES:
            value = _moment(value)
        elif name == "is_linked":
            value = value if isinstance(value, bool) else None
        elif value is not None and not isinstance(value, str):
            value = str(value)
        values[name] = value
    extra = {key: value for key, value in item.items() if key not in _KNOWN}
    return SessionState(**values, recovery=_recovery(item.get("recovery")), extra=extra)


def _recovery(item: object) -> Recovery:
    if not isinstance(item, dict):
        return Recovery()
    attempts, tried = item.get("attempts"), item.get("tried")
    return Recovery(
        attempts=attempts if isinstance(attempts, int) else 0,
        tried=tuple(str(name) for name in tried) if isinstance(tried, list) else (),
        last_attempt=_moment(item.get("lastAttempt")),
        cooldown_until=_moment(item.get("cooldownUntil")),
    )


def _moment(value: object) -> datetime | None:
    """An ISO 8601 text, or the original's milliseconds since the epoch, as an aware time; else `None`."""
    try:
        if isinstance(value, str):
            return clock.parse(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return clock.trimmed(datetime.fromtimestamp(value / 1000, UTC))
    except (ValueError, OverflowError, OSError):
        return None
    return None
