"""Events of sessions and their snapshots."""

from dataclasses import replace
from typing import Final

from supervisor.log.events import messages
from supervisor.log.events.fields import PROFILE, REASON, SESSION
from supervisor.log.events.model import Event, Field

_PROGRESS: Final = (
    Field("doing", "string", "what is being done: `checking`, `copying`, `restoring` or `verifying`"),
    Field("bytes_done", "integer", "bytes of it that are done"),
    Field("bytes_total", "integer", "bytes of it in all"),
)

QR: Final = Field("qr", "string", "the text of the code; a secret, and kept in no file of scanonce's", secret=True)
QR_IF_KNOWN: Final = replace(QR, optional=True)

#: `supervisor.browser.presets.SessionStatus`, to which a test holds it: events know of no other room.
SESSION_STATES: Final = (
    "starting",
    "needs_link",
    "linking",
    "linked",
    "ready",
    "conflict",
    "logged_out",
    "blocked",
    "stuck",
    "unknown",
)

SESSIONS: Final = (
    Event(
        name="session.found",
        level="info",
        doc="A session was found on disk.",
        fields=(
            SESSION,
            PROFILE,
            Field("linked", "boolean", "whether it was linked when last seen, if that is known", optional=True),
        ),
        sentence=messages.session_found,
    ),
    Event(
        name="session.needs_link",
        level="warning",
        doc="The page shows a QR code, or is about to.",
        fields=(SESSION, QR_IF_KNOWN),
        sentence="session {session} needs a link: scan the QR code with the phone",
    ),
    Event(
        name="session.qr",
        level="info",
        doc="The QR code that is shown is another one: each is valid for less than a minute.",
        fields=(SESSION, QR),
        sentence="session {session} shows a new QR code",
        detail=True,
    ),
    Event(
        name="session.linked",
        level="info",
        doc="The session is linked.",
        fields=(SESSION,),
        sentence="session {session} is linked",
        tone="good",
    ),
    Event(
        name="session.ready",
        level="info",
        doc="A session that has just been linked has caught up with the phone.",
        fields=(SESSION,),
        sentence="session {session} is ready",
        tone="good",
    ),
    Event(
        name="session.logged_out",
        level="error",
        doc="The phone removed this device. No snapshot can undo that.",
        fields=(SESSION,),
        sentence="session {session} was logged out by the phone; it must be linked again",
    ),
    Event(
        name="session.attention",
        level="warning",
        doc="The page is linked but cannot be used: it is open elsewhere, or the service refuses it.",
        fields=(SESSION, Field("state", "string", "`conflict` or `blocked`"), REASON),
        sentence="session {session} needs attention: {reason}",
    ),
    Event(
        name="session.stuck",
        level="warning",
        doc="The page does not answer, or has crashed. If it stays so, the bot is restarted (`bot.unhealthy`).",
        fields=(SESSION, REASON),
        sentence="session {session} is stuck: {reason}",
    ),
    Event(
        name="session.state",
        level="info",
        doc="The session's state changed; [what each means](production.md#session-states).",
        fields=(
            SESSION,
            Field("state", "string", ", ".join(f"`{state}`" for state in SESSION_STATES)),
            Field("before", "string", "the state that it was in, in this run of the bot", optional=True),
            Field("reason", "string", "why, in words", optional=True),
        ),
        sentence="session {session}: {state}",
        detail=True,
    ),
    Event(
        name="session.exposed",
        level="warning",
        doc="At the start: others on this machine can read a profile, the snapshots or the state file.",
        fields=(
            Field("path", "string", "the folder or file"),
            Field("mode", "string", "its permission bits, in octal"),
            Field("remedy", "string", "what to do next"),
        ),
        sentence="others on this machine can read {path}, which holds the account: {remedy}",
    ),
    Event(
        name="session.unlocked",
        level="info",
        doc="A lock that no living browser holds was removed from the profile.",
        fields=(
            SESSION,
            Field("host", "string", "the machine or container that the lock names"),
            Field("pid", "integer", "the process that it names"),
        ),
        sentence="session {session}: removed the lock left by process {pid} on {host}",
    ),
    Event(
        name="session.trimmed",
        level="info",
        doc="The caches of the profile were emptied (`session.trim_caches`).",
        fields=(SESSION, Field("bytes", "integer", "bytes freed")),
        sentence=messages.trimmed,
    ),
    Event(
        name="session.not_locked",
        level="warning",
        doc="The profile could not be locked against another scanonce, in another project; it is used all the same.",
        fields=(PROFILE, Field("problem", "string", "what stands in the way")),
        sentence="{profile} cannot be locked against another scanonce: {problem}",
    ),
    Event(
        name="session.damaged",
        level="error",
        doc="A check found the profile damaged, and no snapshot could take its place: the bot starts for a new link.",
        fields=(
            SESSION,
            PROFILE,
            Field("problem", "string", "what was found: names of files and checks, nothing of their content"),
            Field("moved_to", "string", "where the damaged profile lies now", optional=True),
        ),
        sentence=messages.damaged,
    ),
    Event(
        name="session.remark",
        level="warning",
        doc="A check before a start put something right, or found something worth knowing. The bot starts.",
        fields=(
            SESSION,
            Field("check", "string", "the check's name, such as `disk`"),
            Field("seen", "string", "what was seen, and what was done about it"),
            Field("remedy", "string", "what to do about it", optional=True),
        ),
        sentence=messages.remark,
    ),
    Event(
        name="session.lost",
        level="warning",
        doc="A session has snapshots, but no profile, and nothing is known of it: the folder may be a copy of another.",
        fields=(SESSION,),
        sentence="session {session} has snapshots, but no profile and no record here. Nothing was restored: this may "
        "be a copy of another folder, and a link that is used twice is lost. If it is none: scanonce stop, then "
        "scanonce snapshot restore {session}",
    ),
    Event(
        name="session.restored",
        level="warning",
        doc="A snapshot was put in the place of a profile.",
        fields=(
            SESSION,
            PROFILE,
            Field("problem", "string", "what was wrong with the profile"),
            Field("snapshot", "string", "the snapshot's folder name"),
            Field("age_s", "number", "the snapshot's age in seconds"),
            Field("moved_to", "string", "where the original lies now, if there was one", optional=True),
        ),
        sentence=messages.restored,
    ),
    Event(
        name="session.restore_failed",
        level="warning",
        doc="A snapshot could not be restored; the next one is tried.",
        fields=(
            SESSION,
            Field("snapshot", "string", "the snapshot's folder name"),
            Field("problem", "string", "what was found"),
        ),
        sentence=messages.restore_failed,
    ),
    Event(
        name="session.not_recovered",
        level="error",
        doc="A linked session shows a QR code, and no snapshot is left to try.",
        fields=(SESSION, REASON),
        sentence="session {session} shows a QR code although it was linked, and cannot be recovered: {reason}",
    ),
    Event(
        name="session.progress",
        level="info",
        doc="A check, a copy or a restore that the start of the bot waits for takes long; about once a second.",
        fields=(SESSION, *_PROGRESS),
        sentence=messages.progress,
        passing=True,
    ),
)

SNAPSHOTS: Final = (
    Event(
        name="snapshot.taken",
        level="info",
        doc="A snapshot was taken and verified.",
        fields=(
            SESSION,
            Field("snapshot", "string", "its folder name"),
            Field("live", "boolean", "whether the browser was running"),
            Field("files", "integer", "files in it", optional=True),
            Field("bytes", "integer", "bytes in it, shared ones included"),
            Field("took_ms", "integer", "milliseconds"),
        ),
        sentence=messages.snapshot_taken,
        detail=True,
    ),
    Event(
        name="snapshot.skipped",
        level="debug",
        doc="No snapshot was taken.",
        fields=(SESSION, REASON),
        sentence="session {session}: no snapshot ({reason})",
    ),
    Event(
        name="snapshot.failed",
        level="error",
        doc="A snapshot could not be taken. The one before stands.",
        fields=(SESSION, REASON),
        sentence=messages.snapshot_failed,
    ),
    Event(
        name="snapshot.progress",
        level="info",
        doc="Verifying a snapshot takes long; the bot does not wait for it. About once a second.",
        fields=(SESSION, *_PROGRESS),
        sentence=messages.progress,
        detail=True,
    ),
)
