"""Checks whether the user of a system service can reach the programs and the folder that it runs.

Programs are often installed in a home that other users may not enter: by pipx run as root, or by a version manager of
Node.js. The init system only reports that they cannot be started. Only permission bits are examined, so the result is
a warning and does not prevent the installation.
"""

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import supervisor
from supervisor.setup.service.init_system import Service


def obstacles(service: Service) -> Iterator[str]:
    """The obstacles for the service's user, one sentence each; none for a user service."""
    if sys.platform == "win32" or service.run_as is None:
        return
    import pwd

    try:
        user = pwd.getpwnam(service.run_as)
    except KeyError:
        yield f"there is no user {service.run_as} on this machine"
        return
    if user.pw_uid == 0:
        return
    if not Path(user.pw_dir).is_dir():
        yield (
            f"{service.run_as} has no home ({user.pw_dir} is not a folder), where scanonce keeps its sockets and logs, "
            "and Chromium its own files: create it, or name another user with --run-as"
        )
    groups = frozenset(os.getgrouplist(service.run_as, user.pw_gid))
    own = (Path(service.argv[0]), Path(sys.executable), Path(supervisor.__file__))
    bot = Path(service.argv[service.argv.index("--") + 1]) if "--" in service.argv else None
    for what, remedy, paths in (
        ("scanonce", "install it for all users, with pipx install --global for instance", own),
        ("the bot's program", "install it for all users, or name another user with --run-as", (bot,) if bot else ()),
        ("the bot's folder", "give that user access, or name another one with --run-as", (service.project,)),
    ):
        closed = next((folder for path in paths for folder in _closed(path, user.pw_uid, groups)), None)
        if closed is not None:
            yield f"{service.run_as} may not enter {closed}, on the way to {what}: {remedy}"


def _closed(path: Path, user: int, groups: frozenset[int]) -> Iterator[Path]:
    """The folders on the way to a path, and to the target of its links, that a user may not enter."""
    real = path.resolve()
    for folder in (*reversed(path.parents), *reversed(real.parents), *([real] if real.is_dir() else [])):
        try:
            found = folder.stat()
        except OSError:
            continue  # missing, which is reported elsewhere, or hidden from this user as well
        in_group = found.st_gid in groups
        bit = stat.S_IXUSR if found.st_uid == user else stat.S_IXGRP if in_group else stat.S_IXOTH
        if not found.st_mode & bit:
            yield folder
