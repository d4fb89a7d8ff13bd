"""Putting a service's files in place and taking them away, with the commands that belong to it."""

from __future__ import annotations

import codecs
import os
import subprocess
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from supervisor.setup.service.base import MARK, File, Label, Manager, Service, ServiceError, Steps

Change = Literal["written", "unchanged", "removed", "absent"]
Run = Callable[[Sequence[str], Collection[int]], str | None]
"""Runs a command; returns why it failed, or None, also for the exit statuses that mean: there was nothing to do."""

_PATIENCE = 600.0  # seconds; a service that is stopped or started takes as long as its bot


@dataclass(frozen=True, slots=True)
class Ran:
    """A command. `failed` says why; a command that has not been run, `ran` false, is for the user."""

    argv: Sequence[str]
    ran: bool
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done: to which files, by which commands, and what is left to do."""

    files: Sequence[tuple[Path, Change]]
    commands: Sequence[Ran]

    @property
    def failed(self) -> bool:
        """Whether a command that was run has failed."""
        return any(one.failed is not None for one in self.commands)


def install(manager: Manager, service: Service, *, start: bool = True, run: Run | None = None) -> Outcome:
    """Write the service's files, then load and start it. Doing it again changes nothing.

    With `start` false, or where the init system does not run, the commands are returned and not run. Raises
    ServiceError if a file of that name is somebody else's, and OSError; nothing is written then.
    """
    files = manager.files(service)
    before = {path: _text(path, files[0].encoding) for path in manager.paths(service)}
    old = before[files[0].path]
    done: list[tuple[Path, Change]] = []
    for file in files:
        if before.pop(file.path) == file.text:
            file.path.chmod(file.mode)
            done.append((file.path, "unchanged"))
        else:
            _write(file)
            done.append((file.path, "written"))
    done += [_remove(path) for path, text in before.items() if text is not None]  # variables that are none any more
    steps = manager.installing(service, changed=old is not None and any(change != "unchanged" for _, change in done))
    ran = _run_all(steps.after, steps, run or _run, really=start and manager.present())
    return Outcome(done, [*ran, *(Ran(argv, ran=False) for argv in steps.by_hand)])


def uninstall(manager: Manager, label: Label, *, run: Run | None = None) -> Outcome:
    """Stop the service and remove its files; with nothing to remove nothing is done.

    Raises ServiceError for a file that is somebody else's, and if the service cannot be stopped: the files stay then.
    """
    paths = manager.paths(label)
    there = [path for path in paths if _text(path) is not None]
    if not there:
        return Outcome([(path, "absent") for path in paths], [])
    steps = manager.removing(label)
    really = manager.present()
    before = _run_all(steps.before, steps, run or _run, really=really)
    if (failed := next((one for one in before if one.failed is not None), None)) is not None:
        raise ServiceError(f"{' '.join(failed.argv)}: {failed.failed}. The service's files were left in place.")
    removed = [_remove(path) for path in there]
    after = _run_all(steps.after, steps, run or _run, really=really)
    return Outcome(removed, [*before, *after])


def _remove(path: Path) -> tuple[Path, Change]:
    path.unlink()
    return path, "removed"


def _run_all(commands: Sequence[Sequence[str]], steps: Steps, run: Run, *, really: bool) -> list[Ran]:
    """Run them in order, up to the first that fails; what is not run is left to the user."""
    done: list[Ran] = []
    for argv in commands:
        stopped = not really or any(one.failed is not None for one in done)
        needless = steps.needless.get(argv, ())
        done.append(Ran(argv, ran=False) if stopped else Ran(argv, ran=True, failed=run(argv, needless)))
    return done


def _run(argv: Sequence[str], needless: Collection[int]) -> str | None:
    try:
        ended = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if ended.returncode == 0 or ended.returncode in needless:
        return None
    return (ended.stderr or ended.stdout).strip() or f"exit status {ended.returncode}"


def _text(path: Path, encoding: str | None = None) -> str | None:
    """What stands in a file that is ours; None if there is none. Raises ServiceError if it is not."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    # A byte order mark tells UTF-16, in which Windows wants its tasks.
    encoding = encoding or ("utf-16" if raw.startswith(codecs.BOM_UTF16) else "utf-8")
    text = raw.decode(encoding, errors="replace")
    if path.is_symlink() or MARK not in text:
        raise ServiceError(f"{path} was not written by scanonce, and is left as it is; choose another name with --name")
    return text


def _write(file: File) -> None:
    """Put a file in place whole, never readable by more than it may be."""
    file.path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".scanonce-", dir=file.path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(file.text.encode(file.encoding))
        Path(temporary).chmod(file.mode)
        Path(temporary).replace(file.path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
