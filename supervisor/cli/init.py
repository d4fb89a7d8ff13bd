"""`scanonce init`: a scanonce.toml from the settings of nodemon, npm and pm2."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from supervisor.cli import console
from supervisor.cli.json_documents import fields
from supervisor.cli.options import AsJson, Project, group
from supervisor.cli.text_files import place
from supervisor.config.docgen import SCHEMA_NAME, json_schema
from supervisor.config.toml_writer import toml_value
from supervisor.setup.migrate.discover import ENTRIES, Migration, NoSuchAppError, discover
from supervisor.setup.migrate.draft import shown

_NAME = "scanonce.toml"

app = group()


@app.command("init")
def init(
    project: Project = Path(),
    app: Annotated[
        str | None, typer.Option("--app", metavar="NAME", help="Use pm2's application of this name.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the file, and write nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", "-f", help=f"Replace a {_NAME}; the old one becomes {_NAME}.bak.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a scanonce.toml from the settings of nodemon, npm and pm2.

    They are read from nodemon.json, package.json and pm2's ecosystem file. An ecosystem.config.js is a program: node
    runs it, as pm2 does, for 10 s at most.
    """
    with console.exits():
        folder = project.resolve()
        if not folder.is_dir():
            console.fail(f"{folder} is not a directory; expected the bot's folder")
        file = folder / _NAME
        if os.path.lexists(file) and not (force or dry_run):
            console.fail(f"{file} exists already. Add --force to replace it, or --dry-run to see the new one.")
        try:
            found = discover(folder, app)
        except NoSuchAppError as error:
            console.fail(f"--app: {error}. Nothing was written.")
        if not (found.has_bot or force or dry_run):
            console.fail(_no_bot(folder))
        if not dry_run:
            private, backup = "bot.env" in found.draft.values, file.with_name(f"{_NAME}.bak")
            place(file, found.text, private=private, backup=backup)
            place(folder / SCHEMA_NAME, json_schema())
        if as_json:
            console.print_json(_document(found, file, written=not dry_run))
        else:
            _tell(found, file, written=not dry_run)


def _no_bot(folder: Path) -> str:
    return (
        f"there is no bot in {folder}: no package.json, no nodemon.json, no ecosystem file of pm2, and no script such "
        f"as {', '.join(ENTRIES[:4])} or bot.py. Run scanonce init in the bot's folder, or name it with -C FOLDER. "
        "--force writes a file all the same; scanonce demo --keep makes an offline bot to try."
    )


def _scripts(found: Migration) -> dict[str, str]:
    """The scripts for `package.json`."""
    more = f" {' '.join(found.draft.run_flags)}" if found.draft.run_flags else ""
    return {"dev": "scanonce dev", "start": f"scanonce run{more}"}


def _document(found: Migration, file: Path, *, written: bool) -> dict[str, Any]:
    return {
        "file": file,
        "written": written,
        "read": found.draft.read,
        "command": found.command,
        "taken": [
            {"from": one.source, **fields(one, "name", "value", "key", "becomes", "note")} for one in found.draft.taken
        ],
        "left": [{"from": one.source, "name": one.name, "why": one.why} for one in found.draft.left],
        "remarks": found.draft.remarks,
        "scripts": _scripts(found),
        "text": found.text,
    }


def _tell(found: Migration, file: Path, *, written: bool) -> None:
    """Print the report; a file that is not written goes to standard output, and the report to standard error."""
    if not written:
        typer.echo(found.text, nl=False)
    else:
        console.say(f"{file} written, and {SCHEMA_NAME} beside it, by which editors complete and check it")
    tell = console.say if written else console.complain
    if not found.draft.read and not found.draft.left:
        tell("nothing to take over: there is no nodemon.json, package.json or ecosystem file here")
    for one in found.draft.taken:
        note = f" ({one.note})" if one.note else ""
        becomes = f"{one.key} = {shown(toml_value(one.becomes))}"
        tell(f"  {one.source}, {one.name}: {shown(one.value)} -> {becomes}{note}")
    if found.draft.left:
        tell("not taken over:")
    for left in found.draft.left:
        tell(f"  {left.source}, {left.name}: {left.why}")
    for remark in found.draft.remarks:
        tell(remark)
    if found.command is None:
        several = f"which of {', '.join(found.scripts[:8])} is the bot?" if found.scripts else "no script is here"
        tell(f"the bot's command is not known ({several}): write it into the file, or after --")
    lines = ", ".join(f"{json.dumps(name)}: {json.dumps(line)}" for name, line in _scripts(found).items())
    tell(f'for package.json: "scripts": {{ {lines} }}')
