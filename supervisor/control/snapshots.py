"""A snapshot on request, of a bot that this supervisor runs or keeps down: never while a restart has the profile."""

from __future__ import annotations

from supervisor.bot import worth
from supervisor.bot.observer import Live
from supervisor.control import schemas
from supervisor.http1.connection import Refusal
from supervisor.session.profiles.profile import Profile
from supervisor.supervise.snapshot_queue import Taken
from supervisor.supervise.supervisor import Supervisor
from supervisor.system.errors import ProfileInUseError, SessionError
from supervisor.system.escape import printable


async def take(supervisor: Supervisor, session: str | None) -> schemas.Taken:
    """Take a snapshot of a session. Raises `Refusal`."""
    profile, live = await _choose(supervisor, session)
    state = supervisor.sessions.store.state.get(profile.id)
    try:
        if live is not None:
            linked = worth.linked_now(profile, live.state.status, state)
            taken = await supervisor.care.copies.take(profile, live.browser, linked=linked, version=live.version)
            remarks = worth.too_fresh(state, supervisor.setting.config)
        else:
            linked, remarks = worth.linked_when_last_seen(profile, state), []
            _refuse_if_running(supervisor, profile)
            taken = await supervisor.care.copies.take(profile, None, linked=linked, version=None)
    except (worth.NotLinkedError, ProfileInUseError) as error:
        raise Refusal(409, str(error)) from None
    except SessionError as error:
        raise Refusal(500, str(error)) from None
    return _shown(taken, remarks)


async def _choose(supervisor: Supervisor, session: str | None) -> tuple[Profile, Live | None]:
    """The session that is meant, and its browser if it is open."""
    sessions, run = supervisor.sessions, supervisor.current_run
    profiles = {profile.id: profile for profile in await supervisor.care.profiles()}
    open_now = {}
    for live in run.observer.live.values() if run is not None else ():
        profile = sessions.store.profile_at(live.profile)
        profiles[profile.id], open_now[profile.id] = profile, live
    if session is None and len(profiles) == 1:
        session = next(iter(profiles))
    if not profiles:
        raise Refusal(404 if session else 409, "There is no session yet: the bot has not opened a browser.")
    known = ", ".join(map(printable, sorted(profiles)))
    if session is None:
        raise Refusal(409, f"Say which session is meant; there are {known}.")
    if session not in profiles:
        raise Refusal(404, f"There is no session {printable(session)}; known: {known}.")
    return profiles[session], open_now.get(session)


def _refuse_if_running(supervisor: Supervisor, profile: Profile) -> None:
    """A bot that runs may open the profile at any moment, and then a copy would be of something that changes."""
    if supervisor.current_run is not None:
        raise Refusal(
            409, f"The browser of session {printable(profile.id)} is not open. Try again when the bot has opened it."
        )


def _shown(taken: Taken, remarks: list[str]) -> schemas.Taken:
    one = taken.snapshot
    return schemas.Taken(
        snapshot=schemas.Snapshot(
            session=one.session_id,
            name=one.name,
            path=str(one.path),
            created_at=one.created_at,
            linked=one.linked,
            live=one.live,
            verified=one.verified,
            problems=list(one.problems),
            browser_version=one.browser_version,
            bytes=one.bytes,
            own_bytes=one.own_bytes,
            base=one.base,
        ),
        new=taken.new,
        pause_ms=None if taken.pause is None else round(taken.pause * 1000, 1),
        remarks=remarks,
    )
