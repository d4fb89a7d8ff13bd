"""The requests and answers of the API as typed models, from which `docs/openapi.json` is generated; the status has its
own in `supervise/status.py`.

A published field keeps its name and its meaning; fields may be added.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from supervisor.supervise.status import Answer, FinishedRestart, Part, Text, Time


class _RequestModel(BaseModel):
    # Unknown fields are refused: a mistyped option must not seem to work.
    model_config = ConfigDict(frozen=True, extra="forbid")


# -- requests ----------------------------------------------------------------------------------------------------------


class RestartQuery(_RequestModel):
    """Whether and how long to wait for a restart."""

    wait: Literal["ready"] | None = Field(
        default=None, description="Answer when the restart is over, with its outcome."
    )
    timeout: float = Field(default=120.0, ge=0.1, le=600.0, description="How long to wait at most, in seconds.")


class RestartBody(_RequestModel):
    """The reason of a restart, and its kind."""

    detail: str | None = Field(default=None, max_length=200, description="The reason, for the log and the history.")
    mode: Literal["auto", "warm", "cold"] = Field(
        default="auto",
        description="`warm` keeps the browsers and their pages, if that is safe; `cold` closes them; `auto` is warm in "
        "development and cold in production.",
    )


class StopQuery(_RequestModel):
    """Whether and how long to wait for the stop."""

    wait: Literal["stopped"] | None = Field(default=None, description="Answer when bot and browsers are gone.")
    timeout: float = Field(default=60.0, ge=0.1, le=600.0, description="How long to wait at most, in seconds.")


class SnapshotQuery(_RequestModel):
    """How long a snapshot may wait for a restart that is under way."""

    timeout: float = Field(default=30.0, ge=0.1, le=600.0, description="How long to wait for the bot, in seconds.")


class SnapshotBody(_RequestModel):
    """The session to take a snapshot of."""

    session: str | None = Field(
        default=None, max_length=1024, description="The session's id; may be left out if there is only one."
    )


# -- answers -----------------------------------------------------------------------------------------------------------


class Restarting(Answer):
    """The outcome of a request for a restart."""

    joined: bool = Field(description="Whether the request joined a restart that was under way already.")
    restart: FinishedRestart | None = Field(
        description="How it went; null if that was not waited for, or if it has no record."
    )
    problem: Text | None = Field(description="Why the bot is not back, in a sentence.")


class Stopping(Answer):
    """The outcome of a request for a stop."""

    pid: int = Field(description="Process id of scanonce, which ends right after this.")
    exit_code: int | None = Field(description="The exit code of scanonce; null if the end was not waited for.")
    clean: bool | None = Field(description="Whether every browser wrote its data to disk; null likewise.")


class SnapshotView(Part):
    """One snapshot, as in `scanonce snapshot list`."""

    session: Text = Field(validation_alias="session_id", description="The session's id.")
    name: Text = Field(description="The folder's name.")
    path: Text = Field(description="The folder.")
    created_at: Time = Field(description="When the profile was read.")
    linked: bool | None = Field(description="Whether the session was linked then.")
    live: bool = Field(description="Whether it was taken of a running bot.")
    verified: bool = Field(description="Whether it was sound when it was last verified.")
    problems: list[Text] = Field(description="The damage that was found, in sentences.")
    browser_version: Text | None = Field(description="The version of the browser that wrote the profile.")
    bytes: int = Field(description="The size of all its files.")
    own_bytes: int = Field(description="The size of the files that it does not share with `base`.")
    base: Text | None = Field(description="The snapshot that it shares the other files with.")


class SnapshotTaken(Answer):
    """The outcome of a request for a snapshot, as in `scanonce snapshot take`."""

    snapshot: SnapshotView = Field(description="The snapshot.")
    new: bool = Field(description="False if nothing has changed since the last snapshot, which is returned instead.")
    pause_ms: float | None = Field(description="How long the bot was suspended; null if none ran.")
    remarks: list[Text] = Field(description="Remarks for the user, in sentences.")


class EventLine(Part):
    """One event, as in the JSON log; its further fields are listed in docs/events.md."""

    model_config = ConfigDict(frozen=True, extra="allow")

    ts: Time = Field(description="When.")
    level: Literal["debug", "info", "warning", "error"] = Field(description="How serious.")
    event: str = Field(description="Its name.")


class ProblemDetails(Part):
    """The reason of a refusal: problem details as in RFC 9457."""

    type: Literal["about:blank"] = Field(description="No type beyond the status.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The status.")
    detail: str = Field(description="What is wrong and what to do, in a sentence.")
