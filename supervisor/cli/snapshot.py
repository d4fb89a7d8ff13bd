"""`scanonce snapshot`: list, take, verify, restore and prune the copies of linked sessions."""

from pathlib import Path
from typing import Annotated

import typer

from supervisor.admin import operations
from supervisor.admin.operations import Plan
from supervisor.cli import console, json_documents
from supervisor.cli.console import Cell
from supervisor.cli.options import AsJson, ConfigFile, Project, Session, Yes, group
from supervisor.cli.selection import inventory_of, print_snapshots
from supervisor.session.snapshot.catalog import Snapshot
from supervisor.session.snapshot.retention import Pruned
from supervisor.supervise.snapshot_queue import TakenSnapshot

Verdict = tuple[Snapshot, list[str] | None]
OfSession = Annotated[
    str | None, typer.Argument(metavar="ID", help="The session's id, or a part of it; all sessions if left out.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]

app = group("Copies of linked sessions: list, take, verify, restore, prune.")


@app.command("list")
def list_snapshots(
    session: OfSession = None, project: Project = Path(), config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """List the snapshots, newest first."""
    with inventory_of(project, config) as inventory:
        found = inventory.snapshots(session)
        console.tell(inventory.remarks())
        if as_json:
            console.print_json({"snapshots": json_documents.snapshots(found)})
        elif found:
            print_snapshots(found)
        else:
            console.say("There are no snapshots yet.")


@app.command("take")
def take(
    session: Session = None, project: Project = Path(), config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Take a snapshot of a session, also while its bot runs.

    A running bot is suspended for some milliseconds. Exit status 1 if the snapshot is not sound.
    """
    with inventory_of(project, config) as inventory:
        profile = inventory.select(session)
        with console.progress(f"Taking a snapshot of {profile.id}", as_json=as_json) as progress:
            result = operations.take_through(inventory, profile) or operations.take(
                inventory.store, profile, inventory.config, progress
            )
        console.tell(inventory.remarks())
        if as_json:
            console.print_json(json_documents.taken(result))
        else:
            _print_taken(result)
        if not result.snapshot.verified:
            raise typer.Exit(console.FAILED)


@app.command("verify")
def verify(
    session: OfSession = None,
    name: Annotated[
        str | None,
        typer.Option("--snapshot", "-s", metavar="NAME", help="Only this snapshot: its name, or a part of it."),
    ] = None,
    project: Project = Path(),
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Read every byte of the snapshots again. A snapshot that is no longer sound is marked as damaged.

    Exit status 1 if one of them is not sound.
    """
    with inventory_of(project, config) as inventory:
        chosen = inventory.snapshots(session, name)
        verdicts: list[Verdict] = []
        for number, one in enumerate(chosen, 1):
            doing = f"Verifying {one.name} ({number} of {len(chosen)})"
            with console.progress(doing, as_json=as_json) as progress:
                verdicts.append((one, operations.verify(inventory.store, one, progress)))
        console.tell(inventory.remarks())
        if as_json:
            console.print_json({"snapshots": [json_documents.verified(one, problems) for one, problems in verdicts]})
        elif verdicts:
            console.table(("SNAPSHOT", "VERDICT", "WHAT WAS SEEN"), [_verdict(*one) for one in verdicts])
        else:
            console.say("There are no snapshots yet.")
        if any(problems for _, problems in verdicts):
            raise typer.Exit(console.FAILED)


@app.command("restore")
def restore(
    session: Session = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--snapshot",
            "-s",
            metavar="NAME",
            help="The snapshot to restore: its name, or a part of it.",
            show_default="the best sound one",
        ),
    ] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    project: Project = Path(),
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Replace a session's profile with a snapshot.

    The profile that was there is moved to quarantine. The bot must be stopped.
    """
    with inventory_of(project, config) as inventory:
        profile = inventory.select(session)
        plan = operations.plan_restore(inventory.store, profile, name, dry_run=dry_run)
        if not as_json:
            _print_plan(plan)
        elif dry_run:
            console.print_json(json_documents.plan(plan))
        if dry_run:
            return
        console.confirm("Restore it?", yes=yes)
        with console.progress(f"Restoring {plan.snapshots[0].name}", as_json=as_json) as progress:
            result = operations.restore(inventory.store, plan, progress)
        console.tell([*inventory.remarks(), *result.remarks])
        if as_json:
            console.print_json(json_documents.restored(result))
            return
        console.say(f"Restored {result.restored.snapshot.name}. The next start of the bot uses it.")
        if result.restored.quarantine is not None:
            console.say(f"The profile that was there is now {result.restored.quarantine}.")


@app.command("prune")
def prune(
    dry_run: DryRun = False, project: Project = Path(), config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Remove the snapshots that the configuration does not keep.

    Profiles in quarantine are removed as well. The last good snapshot of each session always stays.
    """
    with inventory_of(project, config) as inventory:
        result = operations.prune(inventory.store, dry_run=dry_run)
        console.tell([*inventory.remarks(), *result.problems])
        if as_json:
            console.print_json(json_documents.pruned(result, dry_run=dry_run))
        else:
            _print_pruned(result, dry_run=dry_run)
        if result.problems:
            raise typer.Exit(console.UNUSABLE)


def _verdict(one: Snapshot, problems: list[str] | None) -> list[str | Cell]:
    if problems is None:
        return [one.name, "gone", "It was pruned meanwhile."]
    if not problems:
        return [one.name, Cell("sound", "green"), f"{console.size(one.bytes)} read."]
    return [one.name, Cell("damaged", "red"), " ".join(problems)]


def _print_taken(result: TakenSnapshot) -> None:
    one = result.snapshot
    if result.new:
        console.say(f"Taken: {one.name}, {console.size(one.bytes)}, of which {console.size(one.own_bytes)} are new.")
    else:
        console.say(f"Nothing has changed since {one.name}, taken {console.ago(one.created_at)}: it stands.")
    if result.pause is not None:
        console.say(f"The bot stood still for {result.pause * 1000:.0f} ms.")
    console.tell(result.remarks)
    for problem in one.problems:
        console.complain(f"It is not sound: {problem}")


def _print_plan(plan: Plan) -> None:
    first, *others = plan.snapshots
    kind = "while its bot ran" if first.live else "while its bot was stopped"
    if first.plain:
        kind = "by another program"
    console.say(f"Session   {plan.profile.id}")
    console.say(f"Snapshot  {first.name}, taken {console.when(first.created_at)} {kind}, {console.size(first.bytes)}")
    console.say(f"Linked    {console.yes_no(first.linked)}")
    if not first.verified:
        console.say(f"Verdict   {'; '.join(first.problems) or 'not verified'}")
    if others:
        console.say(f"If that proves damaged, {len(others)} more would be tried, the best first.")
    what = "goes to quarantine; nothing is deleted" if plan.replaces else "does not exist now"
    console.say(f"Profile   {plan.profile.path} {what}.")
    console.tell(plan.remarks)


def _print_pruned(result: Pruned, *, dry_run: bool) -> None:
    for one in result.snapshots:
        console.say(f"{one.name}  taken {console.when(one.created_at)}")
    for path in result.quarantined:
        console.say(path.name)
    count = len(result.snapshots) + len(result.quarantined)
    if not count:
        console.say("There is nothing to remove.")
    else:
        verb = "Would remove" if dry_run else "Removed"
        console.say(f"{verb} {count}, {console.size(result.bytes)} of snapshots among them.")
