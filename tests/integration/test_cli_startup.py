"""A command imports what it needs: its modules are listed here, since a time would depend on the machine."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor import __version__
from supervisor.cli.app import COMMANDS, load
from tests.helpers.command import Project
from tests.helpers.shell import PATIENCE, invoke_anywhere

#: Ends as `scanonce` does, then lists every module that is neither Python's own nor was there from the start.
_PROGRAM = """
import sys
before = set(sys.modules)
from supervisor.cli.main import main
import atexit
atexit.register(lambda: print(*sys.modules.keys() - before, file=sys.stderr))
main()
"""

#: typer, and what it imports in one or another of its versions.
TYPER = {"annotated_doc", "click", "shellingham", "typer", "typing_extensions"}

#: Modules of Python that take long to import.
_HEAVY = {"asyncio", "concurrent.futures", "ctypes", "email", "http", "sqlite3", "ssl", "tomllib", "xml"}


def imported(folder: Path, *words: str, status: int = 0) -> tuple[set[str], set[str], set[str]]:
    """What a command imports: the packages of `supervisor`, those of others, and heavy modules of Python."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *words], cwd=folder, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == status, done.stderr
    names = set(done.stderr.splitlines()[-1].split())
    ours = {".".join(name.split(".")[1:2]) for name in names if name.startswith("supervisor.")}
    packages = {name.partition(".")[0] for name in names if not name.startswith("_")}
    return ours, packages - sys.stdlib_module_names - {"supervisor"}, names & _HEAVY


def test_the_version_needs_nothing(tmp_path: Path) -> None:
    assert imported(tmp_path, "--version") == ({"cli"}, set(), set())
    assert imported(tmp_path, "-V") == ({"cli"}, set(), set())


def test_the_help_needs_no_command(tmp_path: Path) -> None:
    ours, others, heavy = imported(tmp_path, "--help")
    assert (ours, heavy) == ({"cli", "system"}, set())
    assert others <= TYPER


async def test_the_status_needs_no_models_and_no_event_loop(project: Project) -> None:
    running = await project.start("run")
    await running.until("restart.done")
    ours, others, heavy = await asyncio.to_thread(imported, project.folder, "status")
    assert ours == {"cli", "config", "control", "http1", "session", "supervise", "system", "timing"}
    assert others <= TYPER | {"google_crc32c", "h11", "platformdirs"}
    assert heavy == {"tomllib"}, "only to look whether the file sets anything that matters"
    assert await running.stop() == 143


def test_the_status_of_a_stopped_bot_only_looks_for_its_processes_too(tmp_path: Path) -> None:
    ours, others, heavy = imported(tmp_path, "status", status=1)
    assert ours == {"bot", "browser", "cli", "config", "control", "http1", "process", "session", "system", "timing"}
    assert others <= TYPER | {"google_crc32c", "h11", "platformdirs", "psutil"}
    assert heavy <= {"ctypes", "sqlite3"}


def test_a_list_of_sessions_needs_the_configuration_and_the_files_but_no_supervisor(tmp_path: Path) -> None:
    ours, others, heavy = imported(tmp_path, "session", "list")
    assert ours == {"admin", "browser", "cli", "config", "process", "session", "system", "timing"}
    assert {"rich", "structlog", "watchfiles", "websockets"}.isdisjoint(others)
    assert {"asyncio", "http", "ssl"}.isdisjoint(heavy)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_repeats_the_first_sentence_of_their_help(name: str) -> None:
    assert load(name).get_short_help_str(1000) == COMMANDS[name][1]
    ended = invoke_anywhere(name, "--help")
    assert (ended.status, f" {name} [OPTIONS]" in ended.out) == (0, True)


def test_a_mistyped_command_is_answered_with_one_that_exists() -> None:
    ended = invoke_anywhere("statu")
    assert (ended.status, "Did you mean 'status'" in ended.err) == (2, True)


def test_the_package_can_be_run_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "supervisor", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"scanonce {__version__}\n"
