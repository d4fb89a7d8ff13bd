"""Starting the bot's leader: what with, and what may be wrong with that."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from supervisor.process.handle import open_handle
from supervisor.process.helper import end_family
from supervisor.process.reaper import Reaper
from supervisor.process.start_gate import StartGate
from supervisor.process.stdio import ChildStdio
from supervisor.process.table import ENVIRONMENT_MARK
from supervisor.system.inode import Inode, inode_of

#: What a shell answers for a command that it cannot find or may not run (POSIX, "Exit Status for Commands").
NOT_FOUND, NOT_EXECUTABLE = 127, 126


class CommandError(Exception):
    """The bot's command cannot be run. `code` is the exit status that a shell would give."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def resolve_command(command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> list[str]:
    """The command with its program's full path, as the bot's own PATH and folder find it.

    Raises CommandError when there is no such program or it may not be executed, before anything else is touched.
    """
    if not command or not command[0]:
        raise CommandError("no command to run: write it after --, e.g. scanonce dev -- node index.js", 2)
    program = command[0]
    looked_up = str(directory / program) if os.path.dirname(program) else program  # noqa: PTH120 - "./bot" must differ
    found = shutil.which(looked_up, path=environment.get("PATH", os.defpath))
    if found is not None:
        return [found, *command[1:]]
    if Path(looked_up).is_dir():
        raise CommandError(f"{program} is a folder, not a program", NOT_EXECUTABLE)
    if Path(looked_up).exists():
        raise CommandError(f"{program} may not be executed: try chmod +x, or name its interpreter", NOT_EXECUTABLE)
    raise CommandError(f"{program} was not found: is it installed, and on the PATH?", NOT_FOUND)


@dataclass(frozen=True, slots=True)
class SpawnSpec:
    """What a leader is started with: two that are equal start the same. `umask` is the leader's, -1 for our own."""

    command: Sequence[str]
    directory: Path
    environment: Mapping[str, str]
    umask: int = -1


@dataclass(frozen=True, slots=True)
class SpawnedProcess:
    """A leader that has been started, and what connects it with us. Nothing reads its output yet."""

    popen: subprocess.Popen[bytes]
    stdio: ChildStdio
    gate: StartGate | None
    """Where it waits, or has waited, if it is a node that was told to."""

    def close(self) -> None:
        """Let go of its streams."""
        self.stdio.close()
        if self.gate is not None:
            self.gate.close()


def spawn(what: SpawnSpec, *, gated: bool = False) -> SpawnedProcess:
    """Start a leader; `held` is for a node that is to wait before its program until its `hold` lets it go.

    Raises CommandError if it cannot be run.
    """
    stdio = ChildStdio()
    gate = None
    try:
        gate = StartGate() if gated else None
        popen = subprocess.Popen(
            what.command,
            cwd=what.directory,
            env=dict(what.environment) if gate is None else gate.environment(what.environment),
            stdin=stdio.child_stdin,
            stdout=stdio.child_stdout,
            stderr=stdio.child_stderr,
            start_new_session=sys.platform != "win32",
            umask=what.umask,
            pass_fds=() if gate is None else (gate.descriptor,),
        )
    except (OSError, ValueError) as error:
        stdio.close()
        if gate is not None:
            gate.close()
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        raise CommandError(_why_not(what.command[0], error), code) from error
    stdio.let_go()
    if gate is not None:
        gate.inherited()
    return SpawnedProcess(popen, stdio, gate)


def _why_not(program: str, error: OSError | ValueError) -> str:
    """Why a program that was found could not be started, in a sentence that names what is at fault."""
    if not isinstance(error, OSError):  # a NUL byte, or an = in the name of a variable
        return f"{program} could not be started: {error}"
    if error.filename not in {None, program}:
        return f"{program} could not be started in {error.filename}: {error.strerror}"
    if isinstance(error, FileNotFoundError) and Path(program).exists():
        return f"{program} could not be started: the interpreter that its first line names was not found"
    return f"{program} could not be started: {error.strerror}"


class PrestartedProcess:
    """A node that is started at once, and waits before the first line of its program until it is taken or dropped.

    Its pid is in `apart` for that long. It is a child of a thread of its own: the kernel can be asked for one thread's
    children only (`reap.childless`), so the proof that nothing of the last bot lives stays what it is. When that thread
    ends, its child becomes one like any other.
    """

    def __init__(self, what: SpawnSpec, apart: set[int], reaper: Reaper) -> None:
        self._what = what
        self._apart = apart
        self._reaper = reaper
        self._spawned: SpawnedProcess | None = None
        self._stands_on: list[Inode | None] = []
        self._started, self._over = threading.Event(), threading.Event()
        self._parent = threading.Thread(target=self._be_parent, name="ahead", daemon=True)
        self._parent.start()
        # Whoever looks at our descendants next must know already that this one is none of the bot's.
        self._started.wait()

    @property
    def mark(self) -> str:
        """The mark of the run that it is for."""
        return self._what.environment[ENVIRONMENT_MARK]

    def take(self, what: SpawnSpec) -> SpawnedProcess | None:
        """The leader, which goes on now; None if it is not the one that is wanted, or has ended."""
        if what != self._what or self._stands_on != _stands_on(what) or not self._alive():
            self.drop()
            return None
        spawned = self._let_go_of()
        assert spawned is not None
        assert spawned.gate is not None
        spawned.gate.open()
        return spawned

    def drop(self) -> None:
        """End it, unless it was taken. Safe to call twice."""
        if (spawned := self._let_go_of()) is not None:
            end_family(spawned.popen)
            spawned.close()
            self._reaper.release(spawned.popen.pid)

    def _be_parent(self) -> None:
        try:
            self._stands_on = _stands_on(self._what)  # before: what is replaced meanwhile is then seen to have been
            self._spawned = spawned = spawn(self._what, gated=True)
            self._reaper.claim(spawned.popen.pid)
            self._apart.add(spawned.popen.pid)
        except (CommandError, OSError):
            return  # it is started once more when its time has come, and that is told
        finally:
            self._started.set()
        self._over.wait()

    def _alive(self) -> bool:
        """Asked without taking its status: until that is done its number is nobody else's."""
        handle = open_handle(self._spawned.popen.pid) if self._spawned is not None else None
        if handle is None:
            return False
        with contextlib.closing(handle):
            return handle.alive

    def _let_go_of(self) -> SpawnedProcess | None:
        spawned, self._spawned = self._spawned, None
        if spawned is not None:
            self._apart.discard(spawned.popen.pid)
        self._over.set()
        self._parent.join()
        return spawned


def _stands_on(what: SpawnSpec) -> list[Inode | None]:
    """Which folder and which program it is: one that was removed and made again is another, whatever it is called.

    A process keeps both from being freed, so that as long as it lives no other can be given their numbers.
    """
    return [inode_of(what.directory), inode_of(what.command[0])]
