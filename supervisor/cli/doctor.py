"""`scanonce doctor`: problems of the project and the machine, and how to fix them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from supervisor.cli import console, json_documents
from supervisor.cli.console import Cell, counted
from supervisor.cli.options import AsJson, Command, ConfigFile, Project, group
from supervisor.setup.doctor.finding import Finding
from supervisor.setup.doctor.project import open_project
from supervisor.setup.doctor.runner import FixResult, apply_fixes, examine, has_problem

_ORDER = ("problem", "warning", "unknown", "ok")
_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red", "unknown": "yellow"}

app = group()


@app.command("doctor")
def doctor(
    command: Command = None,
    fix: Annotated[bool, typer.Option("--fix", help="Apply the safe fixes, and list them.")] = False,
    all_: Annotated[bool, typer.Option("--all", "-a", help="Also list what is in order.")] = False,
    project: Project = Path(),
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Look for problems and explain how to fix them. Changes nothing without --fix.

    Exit status 1 if there is a problem, else 0.
    """
    with console.exits():
        checked = open_project(project, config, command or ())
        findings = list(examine(checked))
        fixed = apply_fixes(findings, checked) if fix else []
        if fixed:
            checked = open_project(project, config, command or ())
            findings = list(examine(checked))
        failed = has_problem(findings)
        if as_json:
            console.print_json(json_documents.diagnosis(checked.root, findings, fixed, healthy=not failed))
        else:
            _print(findings, fixed, fix=fix, everything=all_)
    if failed:
        raise typer.Exit(console.FAILED)


def _print(findings: Sequence[Finding], fixed: Sequence[FixResult], *, fix: bool, everything: bool) -> None:
    if fixed:
        rows = [(one.name, Cell("done", "green") if one.done else Cell("not done", "red"), one.what) for one in fixed]
        console.table(("FIX", "", "WHAT WAS DONE"), rows)
        console.say()
    shown = [one for verdict in _ORDER for one in findings if str(one.verdict) == verdict]
    if not everything:
        shown = [one for one in shown if str(one.verdict) != "ok"]
    if shown:
        console.table(("LOOKED AT", "VERDICT", "WHAT WAS SEEN, AND WHAT TO DO"), [_row(one) for one in shown])
        console.say()
    if left_out := len(findings) - len(shown):
        console.say(f"{counted(left_out, 'check')} found nothing to report; --all lists them.")
    console.say(_summary(findings, fix=fix))


def _row(one: Finding) -> list[str | Cell]:
    name = f"{one.name} {one.subject}" if one.subject and not one.subject.startswith("/") else one.name
    return [name, Cell(str(one.verdict), _COLOURS[one.verdict]), f"{one.seen} {one.remedy}".strip()]


def _summary(findings: Sequence[Finding], *, fix: bool) -> str:
    verdicts = [str(one.verdict) for one in findings]
    problems, warnings = verdicts.count("problem"), verdicts.count("warning")
    if not problems:
        known = f"; {counted(warnings, 'thing')} worth knowing" if warnings else ""
        return f"Nothing needs doing{known}."
    fixable = sum(one.fix is not None and str(one.verdict) == "problem" for one in findings)
    share = "it" if problems == 1 else "all of them" if fixable == problems else f"{fixable} of them"
    hint = f"; scanonce doctor --fix does {share}" if fixable and not fix else ""
    names = dict.fromkeys(one.name for one in findings if str(one.verdict) == "problem")
    return f"{counted(problems, 'thing')} need{'s' if problems == 1 else ''} doing ({', '.join(names)}){hint}."
