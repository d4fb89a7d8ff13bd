"""Paths that another process was given: where they lead, and under which name we find that.

A path of another process begins at its own folder and root: it may be relative, the folder may be gone, and in a
container, a chroot or a mount namespace the same name is another file. Taken as it stands it may lead to a file of ours
that the process has nothing to do with. So on Linux it is opened through the process's own root or folder
(proc_pid_root(5), proc_pid_cwd(5)), and the kernel's name for what was opened counts only if it leads us there as well.
"""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

_OCTAL = re.compile(r"\\([0-7]{3})")


def path_of(pid: int, given: str) -> Path | None:
    """Return, with links resolved, our path for the one that a process was `given`; it need not exist.

    None if it cannot be known, as for a relative one of a process that is exiting, or if no path of ours leads there:
    the folder was removed, or only that process has it mounted.
    """
    if sys.platform != "linux":
        return _path_by_folder(pid, given)
    absolute = given.startswith("/")
    door = f"/proc/{pid}/root" if absolute else f"/proc/{pid}/cwd"
    parts = given.strip("/").split("/")
    for existing in range(len(parts), -1, -1):
        try:
            there = os.open("/".join([door, *parts[:existing]]), os.O_PATH | os.O_CLOEXEC)
        except OSError:  # a browser that has just been started makes its profile's folder
            continue
        try:
            name = _our_name(pid, there)
        finally:
            os.close(there)
        missing = parts[existing:]
        if name is None or ".." in missing:
            return None
        return Path(name, *missing).resolve() if missing else Path(name)
    # It is exiting, or of another user. An absolute path is then taken to be one of ours.
    return Path(given).resolve() if absolute else None


def _path_by_folder(pid: int, given: str) -> Path | None:
    folder = ""
    if not os.path.isabs(given):  # noqa: PTH117
        try:
            folder = psutil.Process(pid).cwd()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return None
    path = Path(folder, given)
    return path.resolve() if path.is_absolute() else None


def _our_name(pid: int, there: int) -> str | None:
    """Our path to what a descriptor refers to; `pid` is the process through whose root or folder it was opened."""
    name = os.readlink(f"/proc/self/fd/{there}")  # noqa: PTH115 - a Path would be resolved no better
    if _leads(name, there):
        return name
    return next((path for path in _names_in_our_mounts(pid, there, name) if _leads(path, there)), None)


def _leads(path: str, there: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(there))  # noqa: PTH116
    except OSError:
        return False


class _Mount(NamedTuple):
    """A line of mountinfo: the mount's number, the device, its folder in the file system, and where it is mounted."""

    number: str
    device: str
    root: str
    point: str


def _names_in_our_mounts(pid: int, there: int, name: str) -> Iterator[str]:
    """Possible names of ours for a file that the process has by another mount, as in a container, under `name`."""
    try:
        info = Path(f"/proc/self/fdinfo/{there}").read_text().split()
        number = info[info.index("mnt_id:") + 1]
        mount = next((mount for mount in _mounts(str(pid)) if mount.number == number), None)
        if mount is None or (inside := _below(name, mount.point)) is None:
            return
        within = Path(mount.root, inside)  # the file's place in its file system
        for ours in _mounts("self"):
            if ours.device == mount.device and (rest := _below(str(within), ours.root)) is not None:
                yield str(Path(ours.point, rest))
    except (OSError, ValueError):
        return


def _mounts(pid: str) -> Iterator[_Mount]:
    """The mounts that a process sees (proc_pid_mountinfo(5))."""
    for line in Path(f"/proc/{pid}/mountinfo").read_text(errors="surrogateescape").splitlines():
        number, _parent, *fields = (_OCTAL.sub(lambda code: chr(int(code[1], 8)), word) for word in line.split(" ")[:5])
        yield _Mount(number, *fields)


def _below(path: str, folder: str) -> str | None:
    """The rest of a path within a folder, None if it is elsewhere."""
    path, folder = os.path.normpath(path), os.path.normpath(folder)
    if path == folder:
        return ""
    prefix = folder.rstrip("/") + "/"
    return path.removeprefix(prefix) if path.startswith(prefix) else None
