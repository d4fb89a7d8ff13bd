"""Commands of the user's that run when something happens to the bot."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.helpers.command import Project
from tests.helpers.waiting import eventually

#: Writes down what it was called for.
_NOTE = "env | grep ^SCANONCE_ | sort >> said.txt; echo told the world"


def said(project: Project) -> list[str]:
    """The variables that the hooks have got so far."""
    file = project.folder / "said.txt"
    return file.read_text().splitlines() if file.exists() else []


def number_in(file: Path) -> int:
    """The number that a file holds; 0 while it does not."""
    return int((file.read_text() if file.exists() else "") or 0)


async def test_each_readiness_runs_its_command_in_the_bots_folder(project: Project) -> None:
    project.configure(f"[hooks]\non_ready = ['sh', '-c', '{_NOTE}']\n")
    running = await project.start("dev")
    printed = await running.until("hook.output")
    assert printed["text"] == "told the world"
    first = said(project)
    assert {"SCANONCE_HOOK=on_ready", f"SCANONCE_PROJECT={project.folder}"} <= set(first)
    project.touch("index.js")
    await running.until("restart.requested")
    await running.until("hook.output")
    assert len(said(project)) == 2 * len(first)
    assert any(line.startswith("SCANONCE_SECONDS=") for line in first)
    await running.stop()
    project.is_left_alone()


async def test_commands_may_be_given_on_the_command_line(project: Project) -> None:
    running = await project.start("run", options=["--on-ready", f"sh -c '{_NOTE}'"])
    await running.until("hook.output")
    assert "SCANONCE_HOOK=on_ready" in said(project)


async def test_a_session_that_needs_a_link_and_a_crash_have_theirs(project: Project) -> None:
    project.configure(
        f"[hooks]\non_needs_link = ['sh', '-c', '{_NOTE}']\non_crash = ['sh', '-c', '{_NOTE}']\n", quick=False
    )
    (project.profile("971") / "Default").mkdir(parents=True)
    (project.profile("971") / "page").write_text("UNPAIRED")
    browser = f"browser={project.profile('971')},devtools"
    running = await project.start("dev", browser, f"until={project.folder / 'go'}", "exit=3")
    await running.until("hook.output", hook="on_needs_link")
    assert {"SCANONCE_HOOK=on_needs_link", "SCANONCE_SESSION=971"} <= set(said(project))
    (project.profile("971") / "page").write_text("CONNECTED")  # one that waits for a scan may give up
    await running.until("session.linked")
    project.touch("go")
    await running.until("hook.output", hook="on_crash")
    assert {"SCANONCE_HOOK=on_crash", "SCANONCE_EXIT_CODE=3"} <= set(said(project))


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("sh -c 'echo why; exit 7'", "exit code 7"),
        ("./nothing-here", "No such file"),
        ("sleep 1000", "killed after 0.2 s"),
    ],
)
async def test_a_command_that_fails_is_reported_and_the_bot_goes_on(
    project: Project, command: str, problem: str
) -> None:
    project.configure(f'[hooks]\non_ready = "{command}"\ntimeout = "200ms"\n')
    running = await project.start("run")
    failed = await running.until("hook.failed")
    assert failed["hook"] == "on_ready"
    assert problem in failed["problem"]
    await eventually(lambda: project.living("bot"))


async def test_a_command_that_runs_at_the_end_is_ended_with_the_supervisor(project: Project) -> None:
    project.configure("[hooks]\non_ready = ['sh', '-c', 'echo $$ > pid; exec sleep 1000']\n")
    running = await project.start("run")
    await eventually(lambda: number_in(project.folder / "pid"))
    number = number_in(project.folder / "pid")
    await running.stop()
    assert not psutil.pid_exists(number)
    project.is_left_alone()
