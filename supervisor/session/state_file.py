"""`session-state.json`: what is known of each session, kept across restarts.

    {"writtenBy": "scanonce", "version": 1, "serial": 7, "digest": "9f2c...", "sessions": {"97150": {...}}}

Only what scanonce has written is believed: `digest` is of the rest, so that a program that reads the file, changes it
and writes it back is found out, and `serial` rises with each write, so that an old state that is written back is. Keys
that this version does not know are kept. A file of that name that another program has written is never changed: from
then on the state is in another file, in the cache. Our own file, damaged, is kept under another name and made anew.

Each write leaves a copy elsewhere, with the file's own path in it: a file that is gone comes back from there, unless
the folder is another one by now. Two copies of a linked profile would be one device, twice. Reading changes nothing.
"""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple, TypedDict, Unpack

from supervisor.system import clock, files
from supervisor.system.errors import SessionError, explained
from supervisor.system.escape import printable
from supervisor.system.folders import is_closed_to_others
from supervisor.system.held_lock import HeldLock, LockTimeoutError
from supervisor.system.reading import DamagedFileError, is_a_path, is_text, parse_object, read_file

VERSION = 1
_SEEN_STEP = timedelta(minutes=1)  # lastSeen alone is not worth a write more often than this
_LOCK_PATIENCE = 10  # seconds; a writer holds the lock for as long as the disk takes to sync a small file
_COPY_OF = "copyOf"  # in the copy: the path of the file
_WRITER: Final = "scanonce"
_HEADS: Final = (b'{\n  "writtenBy": "scanonce",', b'{\n  "version": 1,\n  "sessions":')  # of ours, now and before 0.1
_UNREAD: Final = (Path(), 0, 0, 0)


LOGGED_OUT = "logged_out"
"""The `last_state` of a session that the phone has logged out."""

REMOVED = "removed"
"""The `last_state` of a session whose profile its bot has removed."""


class ForeignStateError(ValueError):
    """The contents of a state file are not what scanonce has written. The message is a clause that says why."""


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
    unlinked_at: datetime | None = None
    """When it last became known to be unlinked: its page said so, or the user cleared it."""
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

    def link(self, newest: datetime | None) -> bool | None:
        """Whether it is linked, given when the `newest` sound snapshot of it as a linked session was taken.

        That it is not counts only if it was learnt later than that: what a stale file said must not cost a link.
        """
        learnt = self.unlinked_at or self.last_seen
        if self.is_linked is False and newest is not None and (learnt is None or learnt < newest):
            return True
        return self.is_linked

    @property
    def logged_out(self) -> bool:
        """Whether the phone has logged the session out, which no snapshot can undo."""
        return self.last_state == LOGGED_OUT


class Document(NamedTuple):
    """The contents of a state file."""

    sessions: dict[str, SessionState]
    rest: dict[str, Any]
    """Keys that this version does not know."""
    serial: int
    """The number of the write; 0 for a file of a version that did not count."""


class StateChanges(TypedDict, total=False):
    """The fields that `StateFile.update` takes."""

    is_linked: bool | None
    auth_method: str | None
    created_at: datetime | None
    linked_at: datetime | None
    unlinked_at: datetime | None
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

    `lock` is the file whose lock they take for that, `copy` is where the copy goes, `elsewhere` the file to use if
    another program writes to `path`. `rebuild` returns what can be known from elsewhere when no file makes sense.
    """

    def __init__(
        self,
        path: Path,
        *,
        lock: Path | None = None,
        copy: Path | None = None,
        elsewhere: Path | None = None,
        rebuild: Callable[[], Mapping[str, SessionState]] = dict,
    ) -> None:
        self.public = path
        """Where the state is unless another program uses that file."""
        self.problems: list[str] = []
        """Sentences on what was found wrong with the file, and what was done about it."""
        self._elsewhere = elsewhere
        self._copy = copy
        self._rebuild = rebuild
        self._threads = threading.RLock()
        lock = lock or path.with_name(f".{path.name}.lock")
        self._processes = HeldLock(lock, timeout=_LOCK_PATIENCE)
        self._seen: tuple[Path, int, int, int] | None = None
        self._known = Document({}, {}, 0)

    @property
    def path(self) -> Path:
        """The file that holds the state."""
        return self._elsewhere if self._elsewhere is not None and os.path.lexists(self._elsewhere) else self.public

    def load(self) -> dict[str, SessionState]:
        """Every session's state, by id. Changes no file. Raises `SessionError` if the file cannot be read."""
        with self._threads, explained("read the session state", self.path):
            try:
                self._refresh()
            except ValueError:
                self._known = self._restored()[0]
            return dict(self._known.sessions)

    def get(self, session_id: str) -> SessionState:
        """One session's state; for a session that is not known, an empty one."""
        return self.load().get(session_id, SessionState())

    def trouble(self) -> str | None:
        """Why the file makes no sense, in a clause; `None` if it does, is not there, or is another program's.

        Raises `SessionError` if it cannot be read.
        """
        with self._threads, explained("read the session state", self.path):
            try:
                self._refresh()
            except ForeignStateError:
                return None
            except ValueError as error:
                return str(error)
        return None

    def foreign(self) -> str | None:
        """A sentence on a file of another program in our place; `None` if there is none. Raises `SessionError`."""
        with self._threads, explained("read the session state", self.public):
            if self.path != self.public:
                return self._left_alone() if os.path.lexists(self.public) else None
            try:
                self._refresh()
            except ForeignStateError as error:
                return self._left_alone(str(error))
            except ValueError:
                return None
        return None

    def look(self) -> None:
        """Look whether another program has written to the file; then leave it to it. Raises `SessionError`."""
        with self._threads, explained("look after the session state", self.path):
            try:
                self._refresh()
            except ForeignStateError:
                with self._exclusively():
                    pass

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
                before = self._known.sessions.get(session_id) or SessionState(created_at=clock.now())
                after = changed(before, changes)
                self._write({**self._known.sessions, session_id: after})
            return after

    def forget(self, session_id: str) -> None:
        """Remove a session from the file. Raises `SessionError`."""
        with self._threads, explained("write the session state", self.path), self._exclusively():
            if session_id in self._known.sessions:
                self._write({name: state for name, state in self._known.sessions.items() if name != session_id})

    def bring_back(self) -> None:
        """Write a file that is gone anew from its copy, which has stood for it until now. Raises `SessionError`."""
        with self._threads, explained("bring back the session state", self.path), self._exclusively():
            if self._seen is None and self._known.sessions:
                self._write(self._known.sessions)
                self.problems.append(f"{printable(self.path)} was gone, and was put back from its copy.")

    def _copied(self) -> Document | None:
        """What the copy holds, if it makes sense and is of this very file."""
        if self._copy is None:
            return None
        try:
            copied = parse(_read(self._copy))
        except (OSError, ValueError):
            return None
        of = copied.rest.pop(_COPY_OF, None)
        return copied if copied.sessions and of in {str(self.path), str(self.public)} else None

    def _restored(self) -> tuple[Document, bool]:
        """What the copy and the snapshots tell, without the file; and whether there was a copy. Raises `OSError`."""
        rebuilt = dict(self._rebuild())
        copied = self._copied()
        for name, state in copied.sessions.items() if copied is not None else ():
            linked = rebuilt[name].is_linked if state.is_linked is None and name in rebuilt else state.is_linked
            rebuilt[name] = replace(state, is_linked=linked)
        if copied is None:
            return Document(rebuilt, {}, 0), False
        return Document(rebuilt, copied.rest, copied.serial), True

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
            except ForeignStateError as error:
                self._move_elsewhere(error)
            except ValueError as error:
                self._replace_damaged(error)
            yield

    def _refresh(self) -> None:
        """Read the file again if it is not the one we know.

        Raises `OSError`, `ForeignStateError` if another program has written it, and else `ValueError` if it makes no
        sense.
        """
        path = self.path
        try:
            status = path.stat()
        except FileNotFoundError:
            self._seen = None
            self._known = self._copied() or Document({}, {}, 0)
            return
        seen = (path, status.st_ino, status.st_size, status.st_mtime_ns)
        if seen == self._seen:
            return
        # Before the file, which is written first: the copy is never ahead of it (a race with another process).
        copied = self._copied()
        known = parse(_read(path))
        if copied is not None and known.serial < copied.serial:
            raise ForeignStateError("an older state was written back")
        self._known, self._seen = known, seen

    def _move_elsewhere(self, why: ForeignStateError) -> None:
        if self._elsewhere is None or self.path == self._elsewhere:
            self._replace_damaged(why)
            return
        self._known, _ = self._restored()
        self._write(self._known.sessions, self._elsewhere)
        self.problems.append(self._left_alone(str(why)))

    def _left_alone(self, why: str = "another program has written it") -> str:
        return (
            f"{printable(self.public)} is not, or no longer, scanonce's ({why}). It is left alone and not believed; "
            f"scanonce keeps what it knows in {printable(self._elsewhere or self.public)}."
        )

    def _replace_damaged(self, why: ValueError) -> None:
        # Named after the file's own time: killed before the next line is done, the next run uses the same name.
        aside = self.path.with_name(f"{self.path.name}.damaged-{self.path.stat().st_mtime_ns // 1_000_000}")
        files.keep_a_copy(self.path, aside)
        self._known, from_copy = self._restored()
        self._write(self._known.sessions)
        self.problems.append(
            f"{printable(self.path)} could not be read ({why}). It is kept as {printable(aside.name)}, and "
            f"{len(self._known.sessions)} session(s) were rebuilt from {'its copy and ' if from_copy else ''}their "
            "snapshots."
        )

    def _write(self, sessions: dict[str, SessionState], path: Path | None = None) -> None:
        path = path or self.path
        known = Document(sessions, self._known.rest, self._known.serial + 1)
        files.replace_file(path, serialise(known))
        if self._copy is not None:
            with suppress(OSError):  # a second chance, no more: what counts is written
                copied = serialise(known._replace(rest={**known.rest, _COPY_OF: str(path)}))
                files.replace_file(self._copy, copied, durable=False)
        self._known = known
        # To be read again: its time and size may be those of what another program has written since (a race).
        self._seen = _UNREAD


def _read(path: Path) -> bytes:
    """The contents of a file. Raises `OSError`, and `ForeignStateError` for what cannot be a state file."""
    try:
        return read_file(path, follow=is_closed_to_others(path.parent))
    except IsADirectoryError:
        raise ForeignStateError("it is not a regular file") from None
    except DamagedFileError as error:
        raise ForeignStateError(str(error)) from error


def changed(before: SessionState, changes: StateChanges) -> SessionState:
    """A state with changes; `linked_at` and `unlinked_at` are set by themselves when `is_linked` changes."""
    after = replace(before, **changes)
    if after.is_linked and not before.is_linked:
        return replace(after, linked_at=clock.now())
    if after.is_linked is False and (before.is_linked is not False or before.unlinked_at is None):
        return replace(after, unlinked_at=clock.now())
    return after


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
    "unlinked_at": "unlinkedAt",
    "new_profile_at": "newProfileAt",
    "last_seen": "lastSeen",
    "last_state": "lastState",
    "last_snapshot": "lastSnapshot",
    "profile": "profile",
    "browser": "browser",
}
_TIMES = frozenset({"created_at", "linked_at", "unlinked_at", "new_profile_at", "last_seen"})
_FILES = frozenset({"last_snapshot", "profile", "browser"})
_KNOWN = frozenset(_NAMES.values()) | {"recovery"}
_OURS = ("writtenBy", "version", "serial", "digest", "sessions")


def serialise(known: Document) -> bytes:
    """The bytes of the state file."""
    sessions = {name: _to_json(state) for name, state in known.sessions.items()}
    head = {"writtenBy": _WRITER, "version": VERSION, "serial": known.serial}
    digest = _digest(known.serial, sessions, known.rest)
    return (json.dumps({**head, "digest": digest, **known.rest, "sessions": sessions}, indent=2) + "\n").encode("ascii")


def parse(data: bytes) -> Document:
    """The contents of a state file.

    Raises `ForeignStateError` if scanonce has not written it, and else `ValueError` if it makes no sense.
    """
    ours = data.startswith(_HEADS) or not data.strip(b"\0")  # a file system's crash may leave zeros, or nothing
    try:
        document = parse_object(data)
    except ValueError as error:
        raise (error if ours else ForeignStateError(str(error))) from None
    if document.get("writtenBy") != _WRITER:
        return _parse_unmarked(document)
    if document.get("version") != VERSION:
        raise ValueError("it was written by another version")
    serial, digest, sessions = (document.get(key) for key in ("serial", "digest", "sessions"))
    rest = {key: value for key, value in document.items() if key not in _OURS}
    if not isinstance(serial, int) or not _are_objects(sessions) or digest != _digest(serial, sessions, rest):
        raise ForeignStateError("another program has changed it")
    assert isinstance(sessions, dict)
    return Document({name: _from_json(item) for name, item in sessions.items()}, rest, serial)


def _parse_unmarked(document: dict[str, Any]) -> Document:
    """The contents as versions before 0.1 wrote them, without a mark. Raises `ForeignStateError`."""
    sessions = document.get("sessions")
    version = document.get("version")
    if version != VERSION or isinstance(version, bool | float) or not _are_objects(sessions):
        raise ForeignStateError("it does not have scanonce's mark")
    assert isinstance(sessions, dict)
    rest = {key: value for key, value in document.items() if key not in _OURS}
    return Document({name: _from_json(item) for name, item in sessions.items()}, rest, 0)


def _are_objects(sessions: object) -> bool:
    return isinstance(sessions, dict) and all(
        is_text(name) and isinstance(item, dict) for name, item in sessions.items()
    )


def _digest(serial: int, sessions: object, rest: object) -> str:
    try:
        text = json.dumps([serial, sessions, rest], sort_keys=True)
    except RecursionError:  # writing goes less deep than reading
        raise ValueError("it is nested too deeply") from None
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]


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
        elif value is not None:
            value = _usable(name, str(value))
        values[name] = value
    extra = {key: value for key, value in item.items() if key not in _KNOWN}
    return SessionState(**values, recovery=_recovery(item.get("recovery")), extra=extra)


def _usable(name: str, text: str) -> str | None:
    """A text as the value of a field; `None` if it cannot be one, which is then as if it were missing."""
    return text if is_text(text) and (name not in _FILES or is_a_path(text)) else None


def _recovery(item: object) -> Recovery:
    if not isinstance(item, dict):
        return Recovery()
    attempts, tried = item.get("attempts"), item.get("tried")
    return Recovery(
        attempts=attempts if type(attempts) is int and attempts >= 0 else 0,
        tried=tuple(filter(is_text, map(str, tried))) if isinstance(tried, list) else (),
        last_attempt=_moment(item.get("lastAttempt")),
        cooldown_until=_moment(item.get("cooldownUntil")),
    )


def _moment(value: object) -> datetime | None:
    """An ISO 8601 text, or the original's milliseconds since the epoch, as an aware time; else `None`."""
    try:
        if isinstance(value, str):
            return clock.parse(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return clock.parse(datetime.fromtimestamp(value / 1000, UTC).isoformat())
    except (ValueError, OverflowError, OSError):
        return None
    return None
