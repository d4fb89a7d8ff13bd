"""The commands that come and go, as a shell runs them; and a process shaped like a browser for them to meet."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pty
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from typer.testing import CliRunner

from supervisor.cli.app import app
from supervisor.session.profiles.profile import Profile
from supervisor.session.snapshot.catalog import Snapshot
from supervisor.session.store import SessionStore
from tests.helpers import build

SCANONCE = Path(sysconfig.get_path("scripts")) / "scanonce"
PATIENCE = 60.0
"""Seconds that a command may take; a busy machine takes ten times what a quiet one does."""

_BROWSER = """
import subprocess, sys
child = sys.argv[1:2] == ["--type=renderer"] or subprocess.Popen(
    [sys.orig_argv[0], sys.argv[0], "--type=renderer"], stdin=subprocess.PIPE)
print("up", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The document on standard output."""
        return json.loads(self.out)


def invoke(folder: Path, *words: str) -> Ended:
    """A command in this process: the same code but for its start, which takes most of the time."""
    return invoke_anywhere(*words, "-C", str(folder))


def invoke_anywhere(*words: str) -> Ended:
    """The same without a folder."""
    result = CliRunner().invoke(app, list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(result.exit_code, result.stdout, result.stderr)


def run(folder: Path, *words: str, env: Mapping[str, str] | None = None, weak: bool = False) -> Ended:
    """The real command; `weak` without the rights that root has over other users' files."""
    done = subprocess.run(
        [SCANONCE, *words],
        cwd=folder,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        preexec_fn=_drop_rights if weak else None,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


def run_on_terminal(folder: Path, *words: str, answer: str = "", env: Mapping[str, str] | None = None) -> Ended:
    """The real command on a terminal of its own, which gets `answer` and takes what it prints, both streams."""
    ours, theirs = pty.openpty()
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, ours)
        process = subprocess.Popen(
            [SCANONCE, *words],
            cwd=folder,
            env={**os.environ, "TERM": "xterm-256color", **(env or {})},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        os.write(ours, answer.encode())
        said = b"".join(iter(lambda: _read(ours), b""))
        return Ended(process.wait(PATIENCE), said.decode(), "")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # EIO: nobody has the other end open any more
        return b""


def _drop_rights() -> None:
    """Let modes count for root too: CAP_DAC_OVERRIDE (1) and CAP_DAC_READ_SEARCH (2) go with the next exec."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (1, 2):
        if os.geteuid() == 0 and libc.prctl(24, capability, 0, 0, 0) != 0:  # PR_CAPBSET_DROP
            raise OSError(ctypes.get_errno(), "prctl")


@contextlib.contextmanager
def browser_on(profile: Path, folder: Path) -> Iterator[psutil.Process]:
    """A process with a child, whose command line is that of a browser on `profile`; its program goes into `folder`."""
    program, script = folder / "chromium", folder / "browser.py"
    if not script.exists():
        program.symlink_to(Path(sys.executable).resolve())  # a script's interpreter would not be taken for a browser
        script.write_text(_BROWSER)
    process = subprocess.Popen(
        [program, script, f"--user-data-dir={profile}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:  # whose end closes the input, upon which both exit
        assert process.stdout is not None
        for _ in range(2):
            assert process.stdout.readline() == b"up\n"
        try:
            yield psutil.Process(process.pid)
        finally:
            for member in family(psutil.Process(process.pid)):
                member.resume()


def family(main: psutil.Process) -> list[psutil.Process]:
    return [main, *main.children(recursive=True)]


def make_session(folder: Path, session_id: str = "97150", *, linked: bool | None = True) -> Profile:
    """A sound profile in the usual place, and a note of whether it is linked."""
    profile = Profile.at(folder / "sessions" / f"session-{session_id}")
    build.profile(profile.path)
    if linked is not None:
        SessionStore(folder).state.update(profile.id, is_linked=linked, profile=f"sessions/session-{session_id}")
    return profile


def take(folder: Path, profile: Profile, *, linked: bool | None = True, live: bool = False) -> Snapshot:
    """Publish a snapshot of a profile of the project in `folder`."""
    return build.take(SessionStore(folder), profile, linked=linked, live=live)


def until(met: Callable[[], bool], process: subprocess.Popen[bytes]) -> bool:
    """Whether that came true before the process ended; looked at without a pause, for it may last a moment only."""
    while process.poll() is None:
        if met():
            return True
    return False
