"""Who may read, and who may write, what belongs to the project."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from supervisor.session.profiles.permissions import Exposed, close
from supervisor.setup.doctor.finding import Finding, Fix, ok, problem, warning
from supervisor.setup.doctor.project import Place, user_name
from supervisor.system.escape import printable

NAMES = ("privacy", "owner", "writable")


def look(place: Place) -> Iterator[Finding]:
    """Privacy, ownership, and the right to write."""
    yield from _privacy(place)
    yield _owner(place)
    yield _writable(place)


def _privacy(place: Place) -> Iterator[Finding]:
    exposed = place.store.exposed(place.profiles)
    for found in exposed:
        fix = Fix(partial(_close, found), locked=False)
        remedy = f"{printable(found.remedy)}; so does --fix."
        yield problem("privacy", f"{printable(found)}.", remedy, subject=str(found.path), fix=fix)
    if not exposed:
        yield ok("privacy", "Profiles, snapshots and the state file are closed to other users.")


def _close(found: Exposed) -> str:
    close(found)
    return f"Closed {printable(found.path)} to others (mode {found.private:o})."


def _owner(place: Place) -> Finding:
    if os.name == "nt":
        return ok("owner", "Windows keeps the rights of files otherwise; they are not looked at.")
    own = os.geteuid()
    if place.stranger is not None:
        seen = f"The project belongs to {place.stranger}, and you are {user_name(own)}."
        remedy = f"Run scanonce as {place.stranger}: what another user writes there would be in the way later."
        return warning("owner", seen, remedy) if own == 0 else problem("owner", seen, remedy)
    kept = [*(profile.folder for profile in place.profiles), _cache(place), _state_file(place)]
    kept += [place.store.cache / name for name in ("supervisor.lock", "history.db")]
    for path in kept:
        if path.exists() and (owner := path.stat().st_uid) != own:
            seen = f"{printable(path)} belongs to {user_name(owner)}, and you are {user_name(own)}."
            return problem("owner", seen, f"chown -R {user_name(own)} {printable(path)}, as root.")
    return ok("owner", f"Everything that is kept here belongs to {user_name(own)}.")


def _writable(place: Place) -> Finding:
    for folder in (place.project, _cache(place), *(profile.folder.parent for profile in place.profiles)):
        if folder.exists() and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            seen = f"{printable(folder)} may not be read and written by you."
            return problem("writable", seen, "Run scanonce as the user to whom the bot belongs, or change the rights.")
    return ok("writable", "The project's folders can be written to.")


def _cache(place: Place) -> Path:
    return place.project / place.config.session.cache


def _state_file(place: Place) -> Path:
    return place.project / place.config.session.state_file
