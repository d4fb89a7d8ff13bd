"""Installs and removes a service: its files, and the commands of the init system that go with them."""

import codecs
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from supervisor.setup.service.init_system import MARK, InitSystem, Service, ServiceError, ServiceFile, ServiceId, Steps
from supervisor.setup.service.launchd import Launchd
from supervisor.setup.service.systemd import Systemd
from supervisor.setup.service.windows import TaskScheduler
from supervisor.system.files import replace_file
from supervisor.system.reading import DamagedFileError, read_file

INIT_SYSTEMS: Final[Mapping[str, Callable[[], InitSystem]]] = {
    "systemd": Systemd,
    "launchd": Launchd,
    "windows": TaskScheduler,
}
_OF_PLATFORM: Final = {"darwin": "launchd", "win32": "windows"}
_PATIENCE = 600.0  # seconds; stopping or starting a service takes as long as its bot does

FileChange = Literal["written", "unchanged", "removed", "absent"]
RunCommand = Callable[[Sequence[str], Collection[int]], str | None]
"""Runs a command; returns why it failed, or None, also for the given statuses that mean that nothing was to do."""


@dataclass(frozen=True, slots=True)
class InstallCommand:
    """A command. If `ran` is false, it was not run and is left to the user. `failed` says why it failed."""

    argv: Sequence[str]
    ran: bool
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class InstallResult:
    """The files that were changed, the commands that were run, and those that are left to the user."""

    files: Sequence[tuple[Path, FileChange]]
    commands: Sequence[InstallCommand]

    @property
    def failed(self) -> bool:
        """Whether a command that was run has failed."""
        return any(one.failed is not None for one in self.commands)


def find_init_system(kind: str | None = None) -> InitSystem:
    """An init system by its name, or this machine's. Raises ServiceError for an unknown name."""
    name = kind or _OF_PLATFORM.get(sys.platform, "systemd")
    if name not in INIT_SYSTEMS:
        raise ServiceError(f"unknown init system {name}: expected {', '.join(INIT_SYSTEMS)}")
    return INIT_SYSTEMS[name]()


def install(
    init_system: InitSystem, service: Service, *, start: bool = True, run: RunCommand | None = None
) -> InstallResult:
    """Write the service's files, then load and start it. Doing it again changes nothing.

    If `start` is false or the init system does not run, the commands are returned and not run. Raises ServiceError if
    scanonce did not write an existing file of that name, and OSError; nothing is written then.
    """
    files = init_system.files(service)
    before = {path: _text(path, files[0].encoding) for path in init_system.paths(service)}
    old = before[files[0].path]
    done: list[tuple[Path, FileChange]] = []
    for file in files:
        if before.pop(file.path) == file.text:
            file.path.chmod(file.mode)
            done.append((file.path, "unchanged"))
        else:
            _write(file)
            done.append((file.path, "written"))
    done += [_remove(path) for path, text in before.items() if text is not None]  # a file of variables, now unused
    changed = old is not None and any(change != "unchanged" for _, change in done)
    steps = init_system.installing(service, changed=changed)
    ran = _run_all(steps.after, steps, run or _run, really=start and init_system.present())
    return InstallResult(done, [*ran, *(InstallCommand(argv, ran=False) for argv in steps.by_hand)])


def uninstall(init_system: InitSystem, service: ServiceId, *, run: RunCommand | None = None) -> InstallResult:
    """Stop the service and remove its files; do nothing if there are none.

    Raises ServiceError, and leaves the files, if scanonce did not write one of them or the service cannot be stopped.
    """
    paths = init_system.paths(service)
    there = [path for path in paths if _text(path) is not None]
    if not there:
        return InstallResult([(path, "absent") for path in paths], [])
    steps = init_system.removing(service)
    really = init_system.present()
    before = _run_all(steps.before, steps, run or _run, really=really)
    if (failed := next((one for one in before if one.failed is not None), None)) is not None:
        raise ServiceError(f"{' '.join(failed.argv)}: {failed.failed}. The service's files were left in place.")
    removed = [_remove(path) for path in there]
    after = _run_all(steps.after, steps, run or _run, really=really)
    return InstallResult(removed, [*before, *after])


def _remove(path: Path) -> tuple[Path, FileChange]:
    path.unlink()
    return path, "removed"


def _run_all(commands: Sequence[Sequence[str]], steps: Steps, run: RunCommand, *, really: bool) -> list[InstallCommand]:
    """Run commands in order, up to the first that fails; the others are left to the user."""
    done: list[InstallCommand] = []
    for argv in commands:
        if not really or any(one.failed is not None for one in done):
            done.append(InstallCommand(argv, ran=False))
        else:
            done.append(InstallCommand(argv, ran=True, failed=run(argv, steps.needless.get(argv, ()))))
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
    """The text of a file; None if it does not exist. Raises ServiceError if scanonce did not write it."""
    try:
        raw = read_file(path, follow=True)
    except FileNotFoundError:
        return None
    except DamagedFileError as error:
        raise ServiceError(f"{path} is left as it is: {error}; choose another name with --name") from None
    # A byte order mark means UTF-16, in which Windows reads tasks.
    encoding = encoding or ("utf-16" if raw.startswith(codecs.BOM_UTF16) else "utf-8")
    text = raw.decode(encoding, errors="replace")
    if path.is_symlink() or MARK not in text:
        raise ServiceError(f"{path} was not written by scanonce and is not changed; choose another name with --name")
    return text


def _write(file: ServiceFile) -> None:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file.path, file.text.encode(file.encoding), durable=False)  # readable by its owner only, until chmod
    file.path.chmod(file.mode)
