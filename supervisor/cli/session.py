"""`scanonce session`: list, describe and check the project's sessions, and clear one."""

from pathlib import Path
from typing import Annotated

import typer

from supervisor.admin.inspection import Inspection, inspect
from supervisor.admin.inventory import Inventory, Overview
from supervisor.admin.occupants import occupant, refuse_in_use
from supervisor.cli import console, json_documents
from supervisor.cli.console import Cell
from supervisor.cli.options import AsJson, ConfigFile, Project, Session, Yes, group
from supervisor.cli.selection import inventory_of, print_snapshots

_HEADINGS = ("SESSION", "LINKED", "LAST STATE", "LAST SEEN", "SNAPSHOTS", "NEWEST", "SIZE", "IN USE", "PROFILE")
_COLOURS = {"ok": "green", "mended": "green", "warning": "yellow", "blocked": "red", "damaged": "red"}

app = group("The sessions: list, info, check, clear.")


@app.command("list")
def list_sessions(project: Project = Path(), config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the sessions of the project."""
    with inventory_of(project, config) as inventory:
        found = inventory.overviews()
        console.tell(inventory.remarks())
        if as_json:
            console.print_json({"sessions": [json_documents.session(seen) for seen in found]})
        elif found:
            console.table(_HEADINGS, [_row(seen, inventory) for seen in found])
        else:
            console.say(f"There is no session in {inventory.store.project} yet.")


@app.command("info")
def info(
    session: Session = None, project: Project = Path(), config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Show everything that is known of a session."""
    with inventory_of(project, config) as inventory:
        seen = inventory.overview(inventory.select(session))
        can_restore = inventory.can_restore(seen)
        console.tell(inventory.remarks())
        if as_json:
            console.print_json(json_documents.session_in_full(seen, can_restore=can_restore))
            return
        console.table(("SESSION", seen.profile.id), _facts(seen, inventory, can_restore=can_restore))
        if seen.snapshots:
            console.say()
            print_snapshots(seen.snapshots)
        if seen.quarantined:
            console.say()
            rows = [(one.path.name, console.when(json_documents.quarantined_at(one))) for one in seen.quarantined]
            console.table(("IN QUARANTINE", "SINCE"), rows)


@app.command("check")
def check(
    session: Session = None,
    deep: Annotated[bool, typer.Option("--deep", help="Read every block of the databases.")] = False,
    project: Project = Path(),
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Check whether a bot may be started on a session's profile. Changes nothing.

    Exit status 0 if it may, 1 if not.
    """
    with inventory_of(project, config) as inventory:
        profile = inventory.select(session)
        with console.progress(f"Checking {profile.id}", as_json=as_json) as progress:
            holder = occupant(profile, inventory.store)
            found = inspect(inventory.store, profile, holder=holder, deep=deep, progress=progress)
        console.tell(inventory.remarks())
        if as_json:
            console.print_json(json_documents.check(found, deep=deep))
        else:
            _print_check(found)
        if not found.report.may_start:
            raise typer.Exit(console.FAILED)


@app.command("clear")
def clear(
    session: Session = None,
    yes: Yes = False,
    project: Project = Path(),
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make the next start ask for a new link.

    The profile is moved to quarantine; the snapshots stay.
    """
    from supervisor.admin import operations  # loads what takes live snapshots, too, which no list needs

    with inventory_of(project, config) as inventory:
        profile = inventory.select(session)
        refuse_in_use(profile, inventory.store)
        console.confirm(f"Move {profile.path} to quarantine, so that the next start asks for a new link?", yes=yes)
        moved = operations.clear(inventory.store, profile)
        console.tell(inventory.remarks())
        if as_json:
            console.print_json({"session": profile.id, "moved_to": str(moved) if moved else None})
        elif moved is None:
            console.say(f"Session {profile.id} had no profile; it counts as not linked now.")
        else:
            console.say(f"The profile of session {profile.id} is now {moved}.")
            console.say("The next start asks for a new link; until then `scanonce snapshot restore` undoes this.")


def _row(seen: Overview, inventory: Inventory) -> list[str]:
    newest = seen.snapshots[0].created_at if seen.snapshots else None
    return [
        seen.profile.id,
        console.yes_no(seen.state.is_linked),
        seen.state.last_state or "",
        console.ago(seen.state.last_seen),
        str(len(seen.snapshots)),
        console.ago(newest),
        console.size(seen.size) if seen.exists else "none",
        f"process {seen.occupant.pid}" if seen.occupant else "",
        inventory.shown(seen.profile),
    ]


def _facts(seen: Overview, inventory: Inventory, *, can_restore: bool) -> list[tuple[str, str]]:
    state = seen.state
    newest = seen.snapshots[0] if seen.snapshots else None
    facts = [
        ("profile", inventory.shown(seen.profile)),
        ("kind", "" if seen.profile.kind.has_browser else seen.profile.kind.name),
        ("exists", f"yes, {console.size(seen.size)}" if seen.exists else "no"),
        ("in use", f"by {seen.occupant.who}" if seen.occupant else "no"),
        ("can restore", "yes" if can_restore else _no_restore(seen)),
        ("linked", _linked(seen)),
        ("linked since", "" if state.is_linked is False else console.when(state.linked_at)),
        ("linked by", "" if state.is_linked is False else state.auth_method or ""),
        ("last state", state.last_state or ""),
        ("created", console.when(seen.created_at)),
        ("last seen", console.when(state.last_seen)),
        ("last snapshot", f"{newest.name}, {console.ago(newest.created_at)}" if newest else "none"),
        ("recovery", _recovery(seen, inventory.config.session.recovery_attempts)),
    ]
    return [(name, fact) for name, fact in facts if fact]


def _linked(seen: Overview) -> str:
    state = seen.state
    if state.is_linked is not False:
        return console.yes_no(state.is_linked)
    if state.logged_out:
        return "no, the phone has ended the link"
    moved = seen.quarantined and not seen.exists and state.last_state is None
    return "no, its profile was moved to quarantine" if moved else "no"


def _no_restore(seen: Overview) -> str:
    """Why the next start would not find its session, and what a person could do about it."""
    sound = [snapshot for snapshot in seen.snapshots if snapshot.good]
    if not sound or seen.state.is_linked is not False:
        plain = next((snapshot for snapshot in seen.snapshots if snapshot.plain), None)
        if sound or plain is None or seen.state.logged_out:
            return "no"
        return f"perhaps, from the plain copy {plain.name}: scanonce snapshot restore checks and uses it"
    if seen.state.logged_out:
        return "no, the next start asks for a new link"
    kept = console.counted(len(sound), "sound snapshot")
    return f"not by itself, the next start asks for a new link; scanonce snapshot restore uses one of {kept}"


def _recovery(seen: Overview, allowed: int) -> str:
    recovery = seen.state.recovery
    if not recovery.attempts:
        return "no attempts"
    tried = f"{recovery.attempts} of {allowed} attempts, the last {console.ago(recovery.last_attempt)}"
    return f"{tried}; the next one {console.ago(recovery.cooldown_until)}" if seen.cooling else tried


def _print_check(found: Inspection) -> None:
    report = found.report
    rows = [
        (one.name, Cell(str(one.outcome), _COLOURS[one.outcome]), f"{one.seen} {one.remedy}".strip())
        for one in report.checks
    ]
    console.table(("CHECK", "VERDICT", "WHAT WAS SEEN, AND WHAT TO DO"), rows)
    console.say()
    if report.may_start:
        console.say(f"A bot may start on session {report.profile.id}.")
    elif found.holder is not None and not report.damage:
        console.say(f"Session {report.profile.id} is in use; as far as can be seen meanwhile, it is sound.")
    else:
        console.say(f"No bot should start on session {report.profile.id} as it is.")
