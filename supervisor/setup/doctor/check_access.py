"""Checks access to the project: who may read and write it, and whether git would publish the account."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import partial

from supervisor.session.profiles.exposure import Exposed, close
from supervisor.setup.doctor.finding import Finding, Fix, ok, problem, unknown, warning
from supervisor.setup.doctor.project import CheckedProject, user_name
from supervisor.system import files
from supervisor.system.errors import SessionError, explained
from supervisor.system.escape import printable

_PATIENCE = 5.0  # seconds for one git command
_SESSION_FOLDERS = ("sessions", ".wwebjs_auth", "tokens")
_SPECIAL = re.compile(r"([*?\[\]\\ ])")


class _GitError(Exception):
    """Git gave no answer; the message is its own, or says why there is none."""


def permissions(project: CheckedProject) -> Iterator[Finding]:
    """`privacy`, `owner`, `writable`."""
    exposed = project.store.exposed(project.profiles)
    for found in exposed:
        fix = Fix(partial(_close, found), locked=False)
        remedy = f"{printable(found.remedy)}; so does --fix."
        yield problem("privacy", f"{printable(found)}.", remedy, subject=str(found.path), fix=fix)
    if not exposed:
        yield ok("privacy", "Other users cannot read profiles, snapshots or the state file.")
    yield _owner(project)
    yield _writable(project)


def _close(found: Exposed) -> str:
    close(found)
    return f"Closed {printable(found.path)} to others (mode {found.private:o})."


def _owner(project: CheckedProject) -> Finding:
    if os.name == "nt":
        return ok("owner", "On Windows file ownership is not checked.")
    own = os.geteuid()
    if project.other_owner is not None:
        seen = f"The project belongs to {project.other_owner}, and you are {user_name(own)}."
        remedy = f"Run scanonce as {project.other_owner}: files of another user would get in the way later."
        return (warning if own == 0 else problem)("owner", seen, remedy)
    kept = [*(profile.folder for profile in project.profiles), project.cache, project.state_file]
    kept += [project.store.cache / name for name in ("supervisor.lock", "history.db")]
    for path in kept:
        if path.exists() and (owner := path.stat().st_uid) != own:
            seen = f"{printable(path)} belongs to {user_name(owner)}, and you are {user_name(own)}."
            return problem("owner", seen, f"As root, run chown -R {user_name(own)} {printable(path)}.")
    return ok("owner", f"All of the project's data belongs to {user_name(own)}.")


def _writable(project: CheckedProject) -> Finding:
    for folder in (project.root, project.cache, *(profile.folder.parent for profile in project.profiles)):
        if folder.exists() and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            seen = f"You may not read and write {printable(folder)}."
            return problem("writable", seen, "Run scanonce as the user who owns the bot, or change the permissions.")
    return ok("writable", "The project's folders are writable.")


def git(project: CheckedProject) -> Iterator[Finding]:
    """`gitignore` and `committed`, for each file and folder that holds an account."""
    if not any(os.path.lexists(folder / ".git") for folder in (project.root, *project.root.parents)):
        yield ok("gitignore", "The project is in no git work tree.")
        return
    if project.other_owner is not None:
        yield unknown("gitignore", f"git is not run, since the project belongs to {project.other_owner}.")
        return
    private = _private(project)
    try:
        yield _ignored(private, project)
        yield _committed(private, project)
    except _GitError as error:
        yield unknown("gitignore", f"git could not say what it ignores: {printable(error)}.")


def _private(project: CheckedProject) -> list[str]:
    """The paths that hold an account, relative to the project, folders with a slash at the end."""
    found = {profile.path for profile in project.profiles} or {project.root / "sessions" / "session-x"}
    folders = {path.parent if path.parent.name in _SESSION_FOLDERS else path for path in found} | {project.cache}
    inside = [path.relative_to(project.root).as_posix() for path in folders if path.is_relative_to(project.root)]
    names = [f"{name}/" for name in sorted(inside)]
    if project.state_file.is_relative_to(project.root):
        names.append(project.state_file.relative_to(project.root).as_posix())
    return names


def _ignored(private: Sequence[str], project: CheckedProject) -> Finding:
    # Ask about a file in each folder: git cannot know that a path that does not exist yet is a folder.
    asked = {f"{name}x" if name.endswith("/") else name: name for name in private}
    said = _git(project, ["check-ignore", "--no-index", "-z", "--stdin"], "\0".join(asked), expected=(0, 1))
    missing = [name for path, name in asked.items() if path not in said.split("\0")]
    if not missing:
        return ok("gitignore", f"git ignores {printable(', '.join(private))}.")
    seen = f"git does not ignore {printable(', '.join(missing))}: the account would be committed."
    remedy = "Add a line for each to .gitignore; so does --fix."
    return problem("gitignore", seen, remedy, fix=Fix(partial(_add, missing, project), locked=False))


def _committed(private: Sequence[str], project: CheckedProject) -> Finding:
    said = _git(project, ["ls-files", "-z", "--", *(f":(literal){name}" for name in private)])
    files = [name for name in said.split("\0") if name]
    if not files:
        return ok("committed", "No file of a session is committed.")
    folders = printable(" ".join(name for name in private if any(file.startswith(name) for file in files)))
    return problem(
        "committed",
        f"{len(files)} files of a session are committed, such as {printable(files[0])}: anyone with a clone has the "
        "account.",
        f"Run git rm -r --cached -- {folders}, and commit. If that was ever pushed, remove the linked device on the "
        "phone and scan again: the files stay in the history.",
    )


def _add(names: Sequence[str], project: CheckedProject) -> str:
    """Append to the project's .gitignore, whose last line may lack a line end."""
    path = project.root / ".gitignore"
    if path.is_symlink():
        raise SessionError(f"{printable(path)} is a symbolic link: add the lines yourself.")
    lines = "".join(f"{_pattern(name)}\n" for name in names)
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
    with explained("add lines to", path), os.fdopen(files.open_own(path, flags, 0o666), "r+b", buffering=0) as file:
        before = file.readall()
        start = "" if not before or before.endswith(b"\n") else "\n"
        files.write_all(file.fileno(), f"{start}{lines}".encode("utf-8", "surrogateescape"))
    return f"Added {printable(', '.join(map(_pattern, names)))} to .gitignore."


def _pattern(name: str) -> str:
    """A pattern that matches a path and nothing else. A slash in its middle already anchors it to this folder."""
    escaped = _SPECIAL.sub(r"\\\1", name)
    return f"/{escaped}" if name.startswith(("!", "#")) else escaped


def _git(project: CheckedProject, words: Sequence[str], given: str = "", expected: Sequence[int] = (0,)) -> str:
    program = shutil.which("git")
    if program is None:
        raise _GitError("it is not installed")
    # GIT_DIR and similar variables would select another repository; no hook of this repository may run.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            [program, "-c", "core.fsmonitor=false", *words],
            cwd=project.root,
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
