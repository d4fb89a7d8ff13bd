"""Whether the user of a system service can reach what it is to run; the init system only says that it could not.

Programs are often installed into a home that others may not enter: by pipx run as root, or by a version manager of
Node.js. Only permission bits are looked at, so this is told and keeps nobody from installing the service.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import supervisor
from supervisor.setup.service.base import Service


def obstacles(service: Service) -> Iterator[str]:
    """What stands in the way of the service's user, a sentence each; nothing for a service of one's own."""
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
            f"{service.run_as} has no home ({user.pw_dir} is no folder), where scanonce has its sockets and logs and "
            "Chromium files of its own: make one, or name another user with --run-as"
        )
    groups = frozenset(os.getgrouplist(service.run_as, user.pw_gid))
    own = (Path(service.argv[0]), Path(sys.executable), Path(supervisor.__file__))
    bot = Path(service.argv[service.argv.index("--") + 1]) if "--" in service.argv else None
    for what, remedy, paths in (
        ("scanonce", "install it where everybody may, with pipx install --global for instance", own),
        ("the bot's program", "install that for everybody, or name another user with --run-as", (bot,) if bot else ()),
        ("the bot's folder", "let that user enter it, or name another one with --run-as", (service.project,)),
    ):
        closed = next((folder for path in paths for folder in _closed(path, user.pw_uid, groups)), None)
        if closed is not None:
            yield f"{service.run_as} may not enter {closed}, on the way to {what}: {remedy}"


def _closed(path: Path, user: int, groups: frozenset[int]) -> Iterator[Path]:
    """The folders on the way to a path, and on the way to what it links to, that a user may not enter."""
    real = path.resolve()
    for folder in (*reversed(path.parents), *reversed(real.parents), *([real] if real.is_dir() else [])):
        try:
            found = folder.stat()
        except OSError:
            continue  # it is not there, which is found out elsewhere, or hidden from us as well
        bits = found.st_mode
        mine = (
            bits & stat.S_IXUSR
            if found.st_uid == user
            else bits & stat.S_IXGRP
            if found.st_gid in groups
            else bits & stat.S_IXOTH
        )
        if not mine:
            yield folder
