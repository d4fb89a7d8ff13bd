"""One supervisor per profile, whichever project it is started in: a link or a configured path may lead to the same one.

The lock lies beside the profile, since that is the one place on which all who could open it agree; inside, a restore
would replace it. Like the project's it is the kernel's, and goes with its holder however that dies.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from functools import lru_cache
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from supervisor.log.logger import emit
from supervisor.session.names import safe_name
from supervisor.session.project_lock import ProjectBusyError, holder

LOCK_PREFIX: Final = ".scanonce-lock-"
HOLDER_PREFIX: Final = ".scanonce-holder-"


class ProfileBusyError(ProjectBusyError):
    """Another supervisor holds this profile; the message names it."""


class ProfileLocks:
    """The profiles that this supervisor holds, until `close`. A profile is named by its real path."""

    def __init__(self) -> None:
        self._held: dict[Path, FileLock] = {}

    def take(self, profile: Path, project: Path) -> None:
        """Hold a profile for `project`, if it is not held already. Raises `ProfileBusyError` if another holds it.

        One that cannot be locked, in a folder that may not be written to, is said to be so and used all the same.
        """
        # Without the folder there is no profile that anybody could open; it is locked once a browser has made it.
        if profile in self._held or not profile.parent.is_dir():
            return
        lock_file, note = files_of(profile)
        lock = FileLock(lock_file, timeout=0, mode=0o600)
        try:
            lock.acquire()
        except Timeout:
            raise ProfileBusyError(_busy(profile, note)) from None
        except OSError as error:
            emit("session.not_locked", profile=str(profile), problem=error.strerror or str(error))
            return
        self._held[profile] = lock
        with contextlib.suppress(OSError):  # a full disk: the lock holds without the note
            known = {"pid": os.getpid(), "started": time.time(), "project": str(project)}
            note.touch(mode=0o600)
            note.write_text(json.dumps(known))

    def close(self) -> None:
        """Let go of all of them."""
        while self._held:
            profile, lock = self._held.popitem()
            with contextlib.suppress(OSError):
                files_of(profile)[1].unlink()
            # The lock's file stays: somebody may have opened it just now, and would then hold one that nobody sees.
            lock.release()


@lru_cache(maxsize=64)  # or pathlib would intern both names anew at each start of a browser (see supervisor.allocator)
def files_of(profile: Path) -> tuple[Path, Path]:
    """The lock beside a profile, and the note that tells who holds it."""
    name = safe_name(profile.name)
    return profile.with_name(f"{LOCK_PREFIX}{name}"), profile.with_name(f"{HOLDER_PREFIX}{name}")


def _busy(profile: Path, note: Path) -> str:
    try:
        project = f", in {json.loads(note.read_text())['project']}"
    except (OSError, ValueError, KeyError, TypeError):
        project = ""
    return f"another scanonce runs on the profile {profile}: {holder(note)}{project}"
