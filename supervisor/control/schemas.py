"""What is asked and answered, as typed models: the one place, from which `docs/openapi.json` is written.

A field once published keeps its meaning; further ones may be added. Bytes of a file's name that are not UTF-8 are
spelled out (`\\udcff`), since JSON has no place for them.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from supervisor.config.modes import Mode
from supervisor.supervise import status
from supervisor.supervise.state_machine import Stage
from supervisor.system import clock
from supervisor.timing.record import Outcome, Verdict

_SURROGATE = re.compile("[\ud800-\udfff]")


def spelled(text: object) -> object:
    """A text with its half characters spelled out; anything else as it is."""
    return _SURROGATE.sub(lambda match: rf"\u{ord(match[0]):04x}", text) if isinstance(text, str) else text


Text = Annotated[str, BeforeValidator(spelled)]
Time = Annotated[
    datetime,
    PlainSerializer(clock.iso, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class _Asked(BaseModel):
    # What is not known is refused: a mistyped option must not pass for one that was heard.
    model_config = ConfigDict(frozen=True, extra="forbid")


# -- asked -------------------------------------------------------------------------------------------------------------


class RestartQuery(_Asked):
    """How to wait for a restart."""

    wait: Literal["ready"] | None = Field(
        default=None, description="Answer when the restart is over, with how it went."
    )
    timeout: float = Field(default=120.0, ge=0.1, le=600.0, description="How long to wait at most, in seconds.")


class RestartBody(_Asked):
    """What is kept of a request for a restart."""

    detail: str | None = Field(
        default=None, max_length=200, description="Why, or on whose behalf: it goes into the log and the history."
    )


class StopQuery(_Asked):
    """How to wait for the stop."""

    wait: Literal["stopped"] | None = Field(default=None, description="Answer when bot and browsers are gone.")
    timeout: float = Field(default=60.0, ge=0.1, le=600.0, description="How long to wait at most, in seconds.")


class SnapshotQuery(_Asked):
    """How long a snapshot may wait for a restart that is under way."""

    timeout: float = Field(default=30.0, ge=0.1, le=600.0, description="How long to wait for the bot, in seconds.")


class SnapshotBody(_Asked):
    """Of which session a snapshot is wanted."""

    session: str | None = Field(
        default=None, max_length=1024, description="The session's id; may be left out if there is only one."
    )


# -- answered ----------------------------------------------------------------------------------------------------------


class Answer(_Part):
    """What every answer begins with."""

    version: Literal[1] = Field(default=1, description="Of the form of this document; see docs/cli.md.")


class Session(_Part):
    """One session of the bot."""

    id: Text = Field(description="The session's id: its profile folder's name without `session-`.")
    profile: Text = Field(description="Its profile's folder.")
    state: Text = Field(
        description="What its page says, such as `ready`, `linked`, `needs_link`, `logged_out`; `closed` when no "
        "browser has it open. Further states may be added."
    )
    since: Time | None = Field(description="Since when; of a closed one when it was last seen open.")
    linked: bool | None = Field(description="Whether it was linked when last seen.")
    snapshots: int = Field(description="How many snapshots of it there are.")
    last_snapshot_at: Time | None = Field(description="When the newest was taken.")
    last_snapshot_bytes: int | None = Field(
        default=None, description="Its size, files shared with other snapshots included."
    )


class Restart(_Part):
    """One start or restart that is over."""

    at: Time = Field(description="When it began: with what asked for it.")
    reason: Text = Field(description="`start`, `change`, `key`, `control`, `crash`, ... More may be added.")
    detail: Text = Field(description="The trigger: a file, an exit code, who asked; may be empty.")
    outcome: Outcome = Field(description="How it ended: ready, waiting for a QR code to be scanned, or not at all.")
    phases_ms: dict[str, int] = Field(description="Milliseconds by phase, in order; they add up to `total_ms`.")
    total_ms: int = Field(description="The whole, in milliseconds.")
    target: Verdict | None = Field(description="How it stands against the target, if ready.")
    clean: bool = Field(description="Whether every browser wrote everything down before it exited.")


class Planned(_Part):
    """Something that scanonce will do by itself."""

    what: Text = Field(description="`start` (after a crash), `snapshot`, ... More may be added.")
    in_s: float = Field(description="In how many seconds.")
    session: Text | None = Field(description="For which session, if for one.")


class Memory(_Part):
    """Resident memory (RSS) in bytes; pages that processes share count once for each."""

    supervisor: int = Field(description="Of scanonce itself.")
    tree: int = Field(description="Of the bot and all that it has started, its browsers included.")
    processes: int = Field(description="How many processes that is.")


class Status(Answer):
    """How a supervisor and its bot stand."""

    project: Text = Field(description="The bot's folder.")
    pid: int = Field(description="Process id of scanonce.")
    mode: Mode = Field(description="The command that it was started by.")
    command: list[Text] = Field(description="The bot's command.")
    phase: Stage = Field(description="Where the supervisor is.")
    since: Time = Field(description="When scanonce was started.")
    bot_pid: int | None = Field(description="Process id of the bot, if one runs.")
    uptime_s: float | None = Field(description="How long it has been running, in seconds.")
    restarts: int = Field(description="How often the bot was started again; its first start does not count.")
    sessions: list[Session] = Field(description="By id.")
    last_restart: Restart | None = Field(description="The last start or restart that is over.")
    memory: Memory = Field(description="At most a second old.")
    planned: list[Planned] = Field(description="Soonest first.")

    def seen(self) -> status.Status:
        """The same as the supervisor's own view of itself."""
        fields = dict(self)
        del fields["version"]
        last = self.last_restart
        return status.Status(
            **fields
            | {
                "mode": str(self.mode),
                "command": tuple(self.command),
                "phase": str(self.phase),
                "sessions": tuple(status.SessionView(**dict(one)) for one in self.sessions),
                "last_restart": None if last is None else status.LastRestart(**dict(last)),
                "memory": status.Memory(**dict(self.memory)),
                "planned": tuple(status.Planned(**dict(one)) for one in self.planned),
            }
        )


class Restarting(Answer):
    """A restart that was asked for."""

    joined: bool = Field(description="Whether a restart was under way already, which then serves this request too.")
    restart: Restart | None = Field(description="How it went; null if that was not waited for, or if it has no record.")
    problem: Text | None = Field(description="Why the bot is not back, in a sentence.")


class Stopping(Answer):
    """A stop that was asked for."""

    pid: int = Field(description="Process id of scanonce, which ends right after this.")
    exit_code: int | None = Field(description="What scanonce exits with; null if the end was not waited for.")
    clean: bool | None = Field(description="Whether every browser wrote everything down; null likewise.")


class Snapshot(_Part):
    """One snapshot, as in `scanonce snapshot list`."""

    session: Text = Field(description="The session's id.")
    name: Text = Field(description="The folder's name.")
    path: Text = Field(description="The folder.")
    created_at: Time = Field(description="When the profile was read.")
    linked: bool | None = Field(description="Whether the session was linked then.")
    live: bool = Field(description="Taken of a running bot.")
    verified: bool = Field(description="Whether it was sound when it was last verified.")
    problems: list[Text] = Field(description="What is wrong with it, in sentences.")
    browser_version: Text | None = Field(description="The version that wrote the profile.")
    bytes: int = Field(description="In all of its files.")
    own_bytes: int = Field(description="In those that it does not share with `base`.")
    base: Text | None = Field(description="The snapshot that it shares the others with.")


class Taken(Answer):
    """A snapshot that was asked for, as in `scanonce snapshot take`."""

    snapshot: Snapshot = Field(description="The snapshot.")
    new: bool = Field(description="False if nothing has changed since the one before, which then stands for it.")
    pause_ms: float | None = Field(description="How long the bot stood still; null if none ran.")
    remarks: list[Text] = Field(description="What else there is to say.")


class EventLine(_Part):
    """One event, as in the JSON log; its further fields are listed in docs/events.md."""

    model_config = ConfigDict(frozen=True, extra="allow")

    ts: Time = Field(description="When.")
    level: Literal["debug", "info", "warning", "error"] = Field(description="How serious.")
    event: str = Field(description="Its name.")


class Problem(_Part):
    """Why a request was refused: problem details as in RFC 9457."""

    type: Literal["about:blank"] = Field(description="The status says what kind of problem it is.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The status.")
    detail: str = Field(description="What is wrong and what to do, in a sentence.")
