"""Events of sessions and their snapshots, in the order of the reference."""

from dataclasses import replace
from functools import partial
from typing import Final

from supervisor.log.events import model
from supervisor.log.events.model import (
    PROFILE,
    REASON,
    SESSION,
    Fields,
    boolean,
    clause,
    integer,
    number,
    string,
    unended,
)

# Of an event about one session, the session is the first field.
debug = partial(model.debug, session=SESSION)
info = partial(model.info, session=SESSION)
warning = partial(model.warning, session=SESSION)
error = partial(model.error, session=SESSION)

_BAR: Final = 20  # characters of a progress bar
_PROGRESS: Final = {
    "doing": string("what is being done: `checking`, `copying`, `restoring` or `verifying`"),
    "bytes_done": integer("bytes of it that are done"),
    "bytes_total": integer("bytes of it in all"),
}
_QR: Final = string("the text of the code; a secret, which scanonce writes to no file", secret=True)
_SNAPSHOT: Final = string("the snapshot's folder name")

#: `supervisor.browser.presets.SessionStatus`, which a test compares: events import nothing of the browser's.
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
    "open",
    "unknown",
)


def _found(fields: Fields) -> str:
    linked = fields.get("linked")
    known = "" if linked is None else ", linked" if linked else ", not linked"
    return f"session {fields['session']} found{known}"


def _damaged(fields: Fields) -> str:
    moved = clause("; moved to {}", fields.get("moved_to"))
    problem = unended(fields["problem"])
    return f"session {fields['session']} is damaged: {problem}{moved}; the bot starts without it, for a new link"


def _restored(fields: Fields) -> str:
    moved = clause("; the original is in {}", fields.get("moved_to"))
    done = f"restored {fields['snapshot']}, {_age(fields['age_s'])} old"
    return f"session {fields['session']}: {unended(fields['problem'])}; {done}{moved}"


def _age(seconds: float) -> str:
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds:.0f} s"


def _restore_failed(fields: Fields) -> str:
    return f"session {fields['session']}: {fields['snapshot']} could not be restored ({unended(fields['problem'])})"


def _snapshot_failed(fields: Fields) -> str:
    reason = unended(fields["reason"])
    return f"session {fields['session']}: the snapshot failed ({reason}); the one before is untouched"


def _progress(fields: Fields) -> str:
    total = fields["bytes_total"] or 1
    share = min(1.0, fields["bytes_done"] / total)
    bar = ("#" * round(share * _BAR)).ljust(_BAR, ".")
    return f"session {fields['session']}: {fields['doing']} [{bar}] {share:.0%} of {total / 1e6:.0f} MB"


SESSIONS: Final = (
    info(
        "session.found",
        "A session was found on disk.",
        _found,
        profile=PROFILE,
        linked=boolean("whether it was linked when last seen, if that is known", optional=True),
    ),
    warning(
        "session.needs_link",
        "The page shows a QR code, or is about to.",
        "session {session} needs a link: scan the QR code with the phone",
        qr=replace(_QR, optional=True),
    ),
    info(
        "session.qr",
        "The page shows another QR code: each is valid for less than a minute.",
        "session {session} shows a new QR code",
        "detail",
        qr=_QR,
    ),
    info("session.linked", "The session is linked.", "session {session} is linked", "good"),
    info(
        "session.ready",
        "A session that has just been linked has caught up with the phone.",
        "session {session} is ready",
        "good",
    ),
    error(
        "session.logged_out",
        "The phone removed this device. No snapshot can undo that.",
        "session {session} was logged out by the phone; it must be linked again",
    ),
    warning(
        "session.attention",
        "The page is linked but cannot be used: it is open elsewhere, or the service refuses it.",
        "session {session} needs attention: {reason}",
        state=string("`conflict` or `blocked`"),
        reason=REASON,
    ),
    warning(
        "session.stuck",
        "The page does not answer, or has crashed. If it stays so, the bot is restarted (`bot.unhealthy`).",
        "session {session} is stuck: {reason}",
        reason=REASON,
    ),
    info(
        "session.state",
        "The session's state changed; [what each means](production.md#session-states).",
        "session {session}: {state}",
        "detail",
        state=string(", ".join(f"`{state}`" for state in SESSION_STATES)),
        before=string("its state before that, in this run of the bot", optional=True),
        reason=replace(REASON, optional=True),
    ),
    model.warning(
        "session.exposed",
        "At the start: other users of this machine can read a profile, the snapshots or the state file.",
        "others on this machine can read {path}, which holds the account: {remedy}",
        path=string("the folder or file"),
        mode=string("its permission bits, in octal"),
        remedy=string("what to do next"),
    ),
    info(
        "session.unlocked",
        "A lock that no running browser holds was removed from the profile.",
        "session {session}: removed the lock left by process {pid} on {host}",
        host=string("the machine or container that the lock names"),
        pid=integer("the process that it names"),
    ),
    info(
        "session.trimmed",
        "The caches of the profile were emptied (`session.trim_caches`).",
        lambda fields: f"session {fields['session']}: emptied its caches, {fields['bytes'] / 1e6:.0f} MB",
        bytes=integer("bytes freed"),
    ),
    model.warning(
        "session.not_locked",
        "The profile could not be locked against the scanonce of another project; it is used all the same.",
        "{profile} cannot be locked against another scanonce: {problem}",
        profile=PROFILE,
        problem=string("what prevents it"),
    ),
    error(
        "session.damaged",
        "A check found the profile damaged, and no snapshot could replace it: the bot starts for a new link.",
        _damaged,
        profile=PROFILE,
        problem=string("what was found: names of files and checks, nothing of their content"),
        moved_to=string("where the damaged profile is now", optional=True),
    ),
    info(
        "session.removed",
        "The running bot has removed the profile of a session that it had closed: it is not restored. Its snapshots "
        "stay for as long as a profile in quarantine does.",
        "the bot has removed session {session}, so it is not restored; scanonce snapshot restore {session} does that",
        profile=PROFILE,
    ),
    warning(
        "session.emptied",
        "The running bot has removed or replaced a profile while no browser held it, as the `RemoteAuth` of "
        "whatsapp-web.js does at each start. Reported once.",
        "the bot itself empties the profile of session {session} (RemoteAuth does so at each start); what is newer "
        "than the bot's own backup is lost by that, and no snapshot can help: use LocalAuth under scanonce",
        profile=PROFILE,
    ),
    warning(
        "session.remark",
        "A check before a start repaired something, or found something worth knowing. The bot starts.",
        lambda fields: f"session {fields['session']}: {fields['seen']}{clause(' {}', fields.get('remedy'))}",
        check=string("the check's name, such as `disk`"),
        seen=string("what was seen, and what was done about it"),
        remedy=string("what to do about it", optional=True),
    ),
    warning(
        "session.lost",
        "A session has snapshots but neither a profile nor a record: the folder may be a copy of another one.",
        "session {session} has snapshots, but no profile and no record here. Nothing was restored: this folder may be "
        "a copy, and a link that is used in two places is lost. If it is not a copy: scanonce stop, then "
        "scanonce snapshot restore {session}",
    ),
    warning(
        "session.restored",
        "A profile was replaced by a snapshot.",
        _restored,
        profile=PROFILE,
        problem=string("what was wrong with the profile"),
        snapshot=_SNAPSHOT,
        age_s=number("the snapshot's age in seconds"),
        moved_to=string("where the original is now, if there was one", optional=True),
    ),
    warning(
        "session.restore_failed",
        "A snapshot could not be restored; the next one is tried.",
        _restore_failed,
        snapshot=_SNAPSHOT,
        problem=string("what was found"),
    ),
    error(
        "session.not_recovered",
        "A linked session shows a QR code, and no snapshot is left to try.",
        "session {session} shows a QR code although it was linked, and cannot be recovered: {reason}",
        reason=REASON,
    ),
    info(
        "session.progress",
        "A check, a copy or a restore that the start of the bot waits for takes long; about once a second.",
        _progress,
        "passing",
        **_PROGRESS,
    ),
)

SNAPSHOTS: Final = (
    info(
        "snapshot.taken",
        "A snapshot was taken and verified.",
        lambda f: f"session {f['session']}: {f['snapshot']} taken in {f['took_ms'] / 1000:.2f} s",
        "detail",
        snapshot=string("its folder name"),
        live=boolean("whether the browser was running"),
        files=integer("files in it", optional=True),
        bytes=integer("bytes in it, shared ones included"),
        took_ms=integer("milliseconds"),
    ),
    debug(
        "snapshot.skipped",
        "No snapshot was taken.",
        "session {session}: no snapshot ({reason})",
        reason=REASON,
    ),
    error(
        "snapshot.failed",
        "A snapshot could not be taken. The one before is kept.",
        _snapshot_failed,
        reason=REASON,
        no_room=boolean("true if it was skipped because the disk has no room for it", optional=True),
    ),
    info(
        "snapshot.progress",
        "Verifying a snapshot takes long; the bot does not wait for it. About once a second.",
        _progress,
        "detail",
        **_PROGRESS,
    ),
)
