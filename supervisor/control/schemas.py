"""The requests and answers of the API as typed models, from which `docs/openapi.json` is generated; the status has its
own in `supervise/status.py`.

A published field keeps its name and its meaning; fields may be added.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from supervisor.supervise.status import Answer, FinishedRestart, Part, Text, Time


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


class Restarting(Answer):
    """A restart that was asked for."""

    joined: bool = Field(description="Whether a restart was under way already, which then serves this request too.")
    restart: FinishedRestart | None = Field(
        description="How it went; null if that was not waited for, or if it has no record."
    )
    problem: Text | None = Field(description="Why the bot is not back, in a sentence.")


class Stopping(Answer):
    """A stop that was asked for."""

    pid: int = Field(description="Process id of scanonce, which ends right after this.")
    exit_code: int | None = Field(description="What scanonce exits with; null if the end was not waited for.")
    clean: bool | None = Field(description="Whether every browser wrote everything down; null likewise.")


class SnapshotView(Part):
    """One snapshot, as in `scanonce snapshot list`."""

    session: Text = Field(validation_alias="session_id", description="The session's id.")
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


class SnapshotTaken(Answer):
    """A snapshot that was asked for, as in `scanonce snapshot take`."""

    snapshot: SnapshotView = Field(description="The snapshot.")
    new: bool = Field(description="False if nothing has changed since the one before, which then stands for it.")
    pause_ms: float | None = Field(description="How long the bot stood still; null if none ran.")
    remarks: list[Text] = Field(description="What else there is to say.")


class EventLine(Part):
    """One event, as in the JSON log; its further fields are listed in docs/events.md."""

    model_config = ConfigDict(frozen=True, extra="allow")

    ts: Time = Field(description="When.")
    level: Literal["debug", "info", "warning", "error"] = Field(description="How serious.")
    event: str = Field(description="Its name.")


class ProblemDetails(Part):
    """Why a request was refused: problem details as in RFC 9457."""

    type: Literal["about:blank"] = Field(description="The status says what kind of problem it is.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The status.")
    detail: str = Field(description="What is wrong and what to do, in a sentence.")
