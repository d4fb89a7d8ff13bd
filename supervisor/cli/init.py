"""`scanonce init`: a scanonce.toml from what nodemon, npm and pm2 know of the bot."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from supervisor.cli import console
from supervisor.cli.console import UNUSABLE
from supervisor.cli.options import AsJson, Project, group

if TYPE_CHECKING:
    from supervisor.setup.migrate.discover import Migration

_NAME = "scanonce.toml"


app = group()


@app.command("init")
def init(
    project: Project = Path(),
    app: Annotated[
        str | None, typer.Option("--app", metavar="NAME", help="Of pm2's applications, the one with this name.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the file, and write nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", "-f", help=f"Replace a {_NAME}; the old one becomes {_NAME}.bak.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a scanonce.toml from what nodemon, npm and pm2 were told.

    That is in nodemon.json, package.json and pm2's ecosystem file. An ecosystem.config.js is a program: node runs it,
    as pm2 does, for 10 s at most.
    """
    from supervisor.setup.migrate.discover import NoSuchAppError, discover  # what only this command needs

    with console.exits():
        folder = project.resolve()
        if not folder.is_dir():
            console.complain(f"{folder} is not a directory; expected the bot's folder")
            raise typer.Exit(UNUSABLE)
        file = folder / _NAME
        if os.path.lexists(file) and not (force or dry_run):
            console.complain(
                f"{file} is there already. Add --force to replace it, or --dry-run to see what it would be."
            )
            raise typer.Exit(UNUSABLE)
        try:
            found = discover(folder, app)
        except NoSuchAppError as error:
            console.complain(f"--app: {error}. Nothing was written.")
            raise typer.Exit(UNUSABLE) from None
        if not dry_run:
            _write(file, found.text)
        if as_json:
            console.print_json(_document(found, file, written=not dry_run))
        else:
            _tell(found, file, written=not dry_run)


def _write(file: Path, text: str) -> None:
    """Put the file in place whole; one that is there is kept under another name."""
    descriptor, temporary = tempfile.mkstemp(prefix=".scanonce-", dir=file.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        # Like any other file of the project: mkstemp makes it private.
        Path(temporary).chmod(0o666 & ~_umask())
        if os.path.lexists(file):
            file.replace(file.with_name(f"{_NAME}.bak"))
        Path(temporary).replace(file)
    except BaseException:  # a Ctrl+C as well must leave nothing behind
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _scripts(found: Migration) -> dict[str, str]:
    """The lines for `package.json`."""
    command = "" if found.command else " -- node index.js"
    more = f" {' '.join(found.flags)}" if found.flags else ""
    return {"dev": f"scanonce dev{command}", "start": f"scanonce run{more}{command}"}


def _document(found: Migration, file: Path, *, written: bool) -> dict[str, Any]:
    return {
        "file": str(file),
        "written": written,
        "read": list(found.read),
        "command": found.command,
        "taken": [
            {
                "from": one.source,
                "name": one.name,
                "value": one.value,
                "key": one.key,
                "becomes": one.becomes,
                "note": one.note,
            }
            for one in found.taken
        ],
        "left": [{"from": one.source, "name": one.name, "why": one.why} for one in found.left],
        "remarks": list(found.remarks),
        "scripts": _scripts(found),
        "text": found.text,
    }


def _tell(found: Migration, file: Path, *, written: bool) -> None:
    """The file goes to standard output if it is not written, so that it can be piped; the rest beside it."""
    from supervisor.config.toml_writer import toml_value
    from supervisor.setup.migrate.draft import shown

    if not written:
        typer.echo(found.text, nl=False)
    else:
        console.say(f"{file} written")
    tell = console.say if written else console.complain
    if not found.read and not found.left:
        tell("nothing to take over: there is no nodemon.json, package.json or ecosystem file here")
    for one in found.taken:
        note = f" ({one.note})" if one.note else ""
        becomes = f"{one.key} = {shown(toml_value(one.becomes))}"
        tell(f"  {one.source}, {one.name}: {shown(one.value)} -> {becomes}{note}")
    if found.left:
        tell("not taken over:")
    for left in found.left:
        tell(f"  {left.source}, {left.name}: {left.why}")
    for remark in found.remarks:
        tell(remark)
    if found.command is None:
        tell("the bot's command is not known: write it into the file, or after --")
    lines = ", ".join(f"{json.dumps(name)}: {json.dumps(line)}" for name, line in _scripts(found).items())
    tell(f'for package.json: "scripts": {{ {lines} }}')
