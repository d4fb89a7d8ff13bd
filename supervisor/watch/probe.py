"""Checks whether file events arrive, and the explanation of a limit that is reached.

There are two checks, since each misses cases. On a file system of another machine (a network drive, a folder shared
into a container or virtual machine) edits made there raise no events here, although our own writes do. In some
sandboxes not even a file that we write ourselves raises an event.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from supervisor.config.sections.watch import WatchConfig
from supervisor.system import files
from supervisor.watch.rules import is_below
from supervisor.watch.source import Source, WatchLimitError

#: Types of file systems, as in /proc/self/mountinfo, whose files other machines change: network drives; 9p (WSL's view
#: of Windows drives, QEMU); shared folders of Docker Desktop, VirtualBox, VMware, Parallels; sshfs.
# fmt: off
REMOTE_TYPES = frozenset({
    "9p", "afs", "ceph", "cifs", "coda", "drvfs", "fakeowner", "fuse.glusterfs", "fuse.grpcfuse", "fuse.osxfs",
    "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "fuse.vmhgfs-fuse", "glusterfs", "lustre", "nfs", "nfs4", "osxfs",
    "prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs",
})
# fmt: on

_MOUNTS = Path("/proc/self/mountinfo")
_PROBE_NAME = ".scanonce-probe-{pid}"


def remote_type(path: str, mounts: str | None = None) -> str | None:
    """The type of the file system of `path` if other machines may change it; None if not, or if unknown.

    `mounts` is the text of a mountinfo file, see proc(5).
    """
    if mounts is None:
        try:
            mounts = _MOUNTS.read_text("utf-8", "surrogateescape")
        except OSError:  # not Linux
            return None
    best, kind = "", None
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        # Spaces and the like in mount points are written as octal escapes.
        point = fields.split(" ")[4].encode("utf-8", "surrogateescape").decode("unicode_escape")
        point = os.fsdecode(point.encode("latin-1"))
        # Of several mounts on one point the last one is visible.
        if len(point) >= len(best) and is_below(path, point):
            best, kind = point, rest.split(" ")[0]
    return kind if kind in REMOTE_TYPES else None


def reason_to_poll(project: Path, config: WatchConfig) -> str | None:
    """The reason to poll the files of a project, as far as it is known without watching; None if events will do."""
    if config.poll is True:
        return "watch.poll is true"
    if config.poll is False:
        return None
    folder = next((path for path in config.paths if (project / path).is_dir()), Path())
    kind = remote_type(os.path.abspath(project / folder))  # noqa: PTH100  as the watcher sees it, links kept
    return f"{project / folder} is on {kind}" if kind else None


async def events_arrive(source: Source, folder: str, *, within: float) -> bool | None:
    """Whether writing a hidden file into `folder` causes a hint within `within` seconds; None if that is impossible.

    Drops all other hints of `source` meanwhile.
    """
    probe = Path(folder, _PROBE_NAME.format(pid=os.getpid()))
    woken = asyncio.Event()
    source.add(folder)
    if not _written(probe):
        return None
    try:
        async with asyncio.timeout(within):
            while True:
                source.listen(woken.set)
                await woken.wait()
                woken.clear()
                if any(hint.name == probe.name for hint in source.read()):
                    return True
    except TimeoutError:
        return False
    finally:
        _remove(probe)


def _written(probe: Path) -> bool:
    try:
        files.rewrite(probe, b"")
    except OSError:
        return False
    return True


def _remove(probe: Path) -> None:
    with suppress(OSError):  # the folder is read-only or gone by now
        files.unlink(probe)


def explain_limit(error: WatchLimitError, folders: Iterable[str], base: str) -> str:
    """Explain which limit of inotify is reached, its value, the folder that uses most of it, and the remedy."""
    paths = list(folders)
    top = Path(base)
    heads = Counter(path.relative_to(top).parts[:1] for path in map(Path, paths) if top in path.parents)
    largest = ""
    if heads:
        name, count = heads.most_common(1)[0]
        largest = f"; the largest folder is {top.joinpath(*name)} with {count}"
    return (
        f"the limit {error.sysctl} = {_sysctl(error.sysctl)} is used up, and {len(paths)} folders are to be watched"
        f"{largest}. Leave folders out ([watch] ignore), or raise it: sudo sysctl {error.sysctl}="
        f"{_suggested(error.sysctl, len(paths))}"
    )


def _sysctl(name: str) -> str:
    try:
        return Path("/proc/sys", *name.split(".")).read_text("ascii").strip()
    except OSError:
        return "unknown"


def _suggested(name: str, needed: int) -> int:
    """A power of two, at least twice what is needed."""
    present = _sysctl(name)
    wanted = 2 * max(int(present) if present.isdecimal() else 0, needed)
    return 1 << (wanted - 1).bit_length()
