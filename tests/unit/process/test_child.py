"""The leader is started as a shell would start it, and its exit status is taken as it is."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from supervisor.process.child import Child
from supervisor.process.handle import Handle
from supervisor.process.reaper import Reaper
from supervisor.process.spawn import CommandError, SpawnSpec, resolve_command
from tests.helpers.waiting import DEADLINE
from tests.unit.process.conftest import descriptors, python

#: Writes down whether it leads a session, what it has open, and which signals it blocks and ignores.
REPORT = """
import os
masks = [int(line.split()[1], 16) for line in open('/proc/self/status') if line.startswith(('SigBlk', 'SigIgn'))]
fds = sorted(int(fd) for fd in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + fd))
open('report', 'w').write(f'{os.getsid(0) == os.getpid()} {fds} {masks}')
"""


#: One for all of them: it takes the status of whoever is not known to it as another's.
REAPER = Reaper()


def start(command: list[str], directory: Path, environment: dict[str, str] | None = None) -> Child:
    environment = dict(os.environ) if environment is None else environment
    return Child.spawn(SpawnSpec(command, directory, environment), reaper=REAPER)


async def ends(child: Child) -> int:
    async with asyncio.timeout(DEADLINE):
        code = await child.wait()
    child.release()
    return code


def refused(command: list[str], directory: Path, path: str = os.defpath) -> tuple[int, str]:
    with pytest.raises(CommandError) as caught:
        start(resolve_command(command, directory, {"PATH": path}), directory)
    return caught.value.code, str(caught.value)


def ignored_here() -> int:
    """What this Python ignores: SIGPIPE and SIGXFSZ as every Python does, and what it was itself started with."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in status if line.startswith("SigIgn"))


async def test_all_256_exit_statuses_are_taken_as_they_are(tmp_path: Path) -> None:
    for first in range(0, 256, 32):
        codes = range(first, first + 32)
        children = [start(["/bin/sh", "-c", f"exit {code}"], tmp_path) for code in codes]
        assert await asyncio.gather(*map(ends, children)) == list(codes)


async def test_the_exit_status_is_taken_with_every_kind_of_handle(handle_type: type[Handle], tmp_path: Path) -> None:
    assert await ends(start(["/bin/sh", "-c", "exit 42"], tmp_path)) == 42
    assert await ends(start(["/bin/sh", "-c", "kill -KILL $$"], tmp_path)) == -signal.SIGKILL


async def test_the_leader_leads_a_session_and_holds_nothing_of_ours(tmp_path: Path) -> None:
    stray = os.dup(0)
    os.set_inheritable(stray, True)
    assert await ends(start(python(REPORT), tmp_path)) == 0
    os.close(stray)
    assert (tmp_path / "report").read_text() == f"True [0, 1, 2] [0, {ignored_here()}]"


async def test_the_leader_gets_the_environment_and_the_folder(tmp_path: Path) -> None:
    child = start(["/bin/sh", "-c", 'test "$PWD" = "$HERE"'], tmp_path, {"HERE": str(tmp_path), "PATH": os.defpath})
    assert await ends(child) == 0


def test_no_command_at_all_is_bad_usage(tmp_path: Path) -> None:
    for command in ([], [""]):
        code, message = refused(command, tmp_path)
        assert code == 2
        assert "--" in message


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    code, message = refused(["no-such-program"], tmp_path)
    assert code == 127
    assert message.startswith("no-such-program was not found")
    assert refused(["./bot"], tmp_path)[0] == 127


def test_a_program_that_may_not_be_executed(tmp_path: Path) -> None:
    (tmp_path / "bot").write_text("#!/bin/sh\n")
    code, message = refused(["./bot"], tmp_path)
    assert code == 126
    assert "chmod +x" in message


def test_a_folder_in_place_of_a_program(tmp_path: Path) -> None:
    (tmp_path / "bot").mkdir()
    assert refused(["./bot"], tmp_path) == (126, "./bot is a folder, not a program")


def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "bot").write_text("console.log(1)\n")
    (tmp_path / "bot").chmod(0o755)
    code, message = refused(["./bot"], tmp_path)
    assert code == 126
    assert "Exec format error" in message


def test_an_interpreter_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "bot").write_text("#!/no/such/node\n")
    (tmp_path / "bot").chmod(0o755)
    code, message = refused(["./bot"], tmp_path)
    assert code == 127
    assert "first line" in message, "the script is there, what its first line names is not"


def test_a_working_folder_that_is_not_there_is_what_the_message_names(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        start(["/bin/true"], tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in str(caught.value)


def test_a_program_is_looked_for_where_the_bot_would_look(tmp_path: Path) -> None:
    here = tmp_path / "bot"
    here.write_text("#!/bin/sh\n")
    here.chmod(0o755)
    assert resolve_command(["bot", "x"], Path("/"), {"PATH": str(tmp_path)}) == [str(here), "x"]
    assert resolve_command(["./bot"], tmp_path, {"PATH": ""}) == [str(here)]


@pytest.mark.parametrize("name", ["./nothing", "./plain"])
def test_a_command_that_cannot_be_run_leaves_no_descriptor_behind(tmp_path: Path, name: str) -> None:
    (tmp_path / "plain").write_text("")
    before = descriptors()
    with pytest.raises(CommandError):
        start([name], tmp_path)
    assert descriptors() == before


@pytest.mark.parametrize("environment", [{"A=B": "1"}, {"A": "1\0"}])
def test_an_environment_that_no_system_takes_is_said_to_be(tmp_path: Path, environment: dict[str, str]) -> None:
    with pytest.raises(CommandError) as caught:
        start(["/bin/true"], tmp_path, environment)
    assert caught.value.code == 126
