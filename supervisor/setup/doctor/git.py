"""Whether git would publish the account: what is kept must be ignored, and must not have been committed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from supervisor.setup.doctor.finding import Finding, Fix, ok, problem, unknown
from supervisor.setup.doctor.project import Place
from supervisor.system.errors import SessionError
from supervisor.system.escape import printable

NAMES = ("gitignore", "committed")

_PATIENCE = 5.0  # seconds for one question to git
_USUAL = ("sessions", ".wwebjs_auth", "tokens")
_SPECIAL = re.compile(r"([*?\[\]\\ ])")


class _GitError(Exception):
    """Git gave no answer; the message is its own, or why there is none."""


def look(place: Place) -> Iterator[Finding]:
    """Ask git of each file and folder that holds an account."""
    if not _in_work_tree(place.project):
        yield ok("gitignore", "The project is in no git work tree.")
        return
    if place.stranger is not None:
        yield unknown("gitignore", f"git is not asked, since the project belongs to {place.stranger}.")
        return
    kept = _kept(place)
    try:
        yield _ignored(kept, place)
        yield _committed(kept, place)
    except _GitError as error:
        yield unknown("gitignore", f"git was asked what it ignores, and: {printable(error)}.")


def _in_work_tree(project: Path) -> bool:
    return any(os.path.lexists(folder / ".git") for folder in (project, *project.parents))


def _kept(place: Place) -> list[str]:
    """What holds an account, relative to the project, folders with a slash at the end."""
    session = place.config.session
    found = {profile.path for profile in place.profiles} or {place.project / "sessions" / "session-x"}
    folders = {path.parent if path.parent.name in _USUAL else path for path in found}
    folders.add(place.project / session.cache)
    inside = sorted(f"{_relative(path, place)}/" for path in folders if path.is_relative_to(place.project))
    state = place.project / session.state_file
    return [*inside, _relative(state, place)] if state.is_relative_to(place.project) else inside


def _relative(path: Path, place: Place) -> str:
    return path.relative_to(place.project).as_posix()


def _ignored(kept: Sequence[str], place: Place) -> Finding:
    # A file in each folder is asked for: of a folder that does not exist yet, git cannot know that it is one.
    asked = {f"{name}x" if name.endswith("/") else name: name for name in kept}
    said = _git(place, ["check-ignore", "--no-index", "-z", "--stdin"], "\0".join(asked), expected=(0, 1))
    missing = [name for path, name in asked.items() if path not in said.split("\0")]
    if not missing:
        return ok("gitignore", f"git ignores {printable(', '.join(kept))}.")
    seen = f"git does not ignore {printable(', '.join(missing))}: the account would be committed."
    remedy = "Add a line for each to .gitignore; so does --fix."
    return problem("gitignore", seen, remedy, fix=Fix(partial(_add, missing, place), locked=False))


def _committed(kept: Sequence[str], place: Place) -> Finding:
    said = _git(place, ["ls-files", "-z", "--", *(f":(literal){name}" for name in kept)])
    files = [name for name in said.split("\0") if name]
    if not files:
        return ok("committed", "git holds no file of a session.")
    seen = (
        f"git holds {len(files)} files of a session, such as {printable(files[0])}: whoever can clone has the account."
    )
    folders = printable(" ".join(name for name in kept if any(file.startswith(name) for file in files)))
    remedy = (
        f"git rm -r --cached -- {folders}, and commit. If that was ever pushed, remove the device on the phone "
        "and link anew: it stays in the history."
    )
    return problem("committed", seen, remedy)


def _add(names: Sequence[str], place: Place) -> str:
    """Append to the project's .gitignore, which may lack a line end at its end."""
    path = place.project / ".gitignore"
    if path.is_symlink():
        raise SessionError(f"{printable(path)} is a link: add the lines yourself.")
    before = path.read_bytes() if path.exists() else b""
    start = "" if not before or before.endswith(b"\n") else "\n"
    lines = "".join(f"{_pattern(name)}\n" for name in names)
    with path.open("ab") as file:
        file.write(f"{start}{lines}".encode("utf-8", "surrogateescape"))
    return f"Added {printable(', '.join(map(_pattern, names)))} to .gitignore."


def _pattern(name: str) -> str:
    """A path as a pattern that fits it and nothing else. With a slash in its midst it is taken from here anyway."""
    escaped = _SPECIAL.sub(r"\\\1", name)
    return f"/{escaped}" if name.startswith(("!", "#")) else escaped


def _git(place: Place, words: Sequence[str], given: str = "", expected: Sequence[int] = (0,)) -> str:
    program = shutil.which("git")
    if program is None:
        raise _GitError("it is not installed")
    # GIT_DIR and its like would ask another repository; no hook of this one's configuration is to run.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            [program, "-c", "core.fsmonitor=false", *words],
            cwd=place.project,
            env=environment,
            input=given.encode("utf-8", "surrogateescape"),
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _GitError(f"it gave no answer in {_PATIENCE:g} s") from None
    if done.returncode not in expected:
        first = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise _GitError(first or f"it ended with status {done.returncode}")
    return done.stdout.decode("utf-8", "surrogateescape")
