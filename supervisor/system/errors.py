"""The base of our errors, the errors of work on a session's files, and `OSError` explained."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from supervisor.system.escape import printable
from supervisor.system.folders import unpinned

_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space and try again",
    errno.EDQUOT: "the disk quota is used up: free some space and try again",
    errno.EFBIG: "the file-size limit was reached: raise it (ulimit -f) and try again",
    errno.EACCES: "permission denied: make the folder readable and writable for this user",
    errno.EPERM: "not permitted: make the folder readable and writable for this user",
    errno.EROFS: "the file system is read-only: mount it writable and try again",
    errno.EIO: "the disk reported an I/O error: check its health before going on",
    errno.EISDIR: "a folder is in its place: move it away and try again",
    errno.ENOTDIR: "a file is in the place of a folder: move it away and try again",
    errno.EMFILE: "too many open files: raise the limit (ulimit -n) and try again",
}


class ScanonceError(Exception):
    """An expected failure. The message is for the user: what was being done, where, what was seen, what to do next."""


class SessionError(ScanonceError):
    """An operation on a session's files failed; the live profile and the last good snapshot are as before."""


class NoRoomError(SessionError):
    """There is no room on the disk, or no quota left, for what was to be written."""


class SnapshotDamagedError(SessionError):
    """A snapshot is not what was written; another one may be."""


class NothingToKeepError(SessionError):
    """A profile holds nothing that would be worth a snapshot."""


class ProfileInUseError(SessionError):
    """The profile is held by a running browser, or the project by a running supervisor."""


@contextmanager
def explained(doing: str, path: Path) -> Iterator[None]:
    """Turn an `OSError` inside the block into a `SessionError` that says what was being done to `path`."""
    try:
        yield
    except OSError as error:
        seen = _REMEDIES.get(error.errno or 0) or (error.strerror or type(error).__name__).lower()
        elsewhere = error.filename and os.fsdecode(error.filename) != str(path)
        where = f" (at {printable(unpinned(os.fsdecode(error.filename)))})" if elsewhere else ""
        kind = NoRoomError if error.errno in {errno.ENOSPC, errno.EDQUOT} else SessionError
        raise kind(f"Could not {doing} {printable(path)}: {seen}{where}.") from error
