"""`scanonce config`: the configuration in force, and the schema of `scanonce.toml`."""

from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from supervisor.cli import console
from supervisor.cli.options import AsJson, ConfigFile, Project, group
from supervisor.cli.text_files import place
from supervisor.config.effective import Setting, settings
from supervisor.config.modes import Mode
from supervisor.config.toml_writer import toml_value

app = group("The configuration: show, schema.")


@app.command("show")
def show(
    run: Annotated[bool, typer.Option("--run", help="As in scanonce run; otherwise as in scanonce dev.")] = False,
    changed: Annotated[bool, typer.Option("--changed", help="Only what the file sets.")] = False,
    project: Project = Path(),
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show every option with the value in force, as TOML.

    What the file sets is marked; secrets are hidden. Exit status 2 if the file has mistakes, which are listed.
    """
    mode = Mode.RUN if run else Mode.DEV
    with console.exits():
        found = [one for one in settings(project.resolve(), config, mode=mode) if one.given or not changed]
    if as_json:
        options = {f"{one.section}.{one.name}": {"value": one.value, "given": one.given} for one in found}
        console.print_json({"mode": str(mode), "options": options})
        return
    for section, options_of in groupby(found, key=lambda one: one.section):
        console.say(f"[{section}]")
        for one in options_of:
            typer.echo(_line(one))
        console.say()


@app.command("schema")
def schema(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it to a file instead.")
    ] = None,
) -> None:
    """Print the JSON schema of scanonce.toml, for editors.

    Editors with support for TOML use it if the file begins with "#:schema" and the path of the schema, as one that
    scanonce init has written does.
    """
    from supervisor.config.docgen import json_schema

    if output is None:
        typer.echo(json_schema(), nl=False)
        return
    with console.exits():
        place(output, json_schema())
    console.say(f"{output} written")


def _line(one: Setting) -> str:
    if one.value is None:
        return f"# {one.name} is not set"
    return f"{one.name} = {toml_value(one.value)}{'  # set in the file' if one.given else ''}"
