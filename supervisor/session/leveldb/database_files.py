"""Opening files that others may have replaced by something else."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Literal

_FLAGS = (
    getattr(os, "O_NOFOLLOW", 0)  # a link may lead out of the profile
    | getattr(os, "O_NONBLOCK", 0)  # a FIFO would wait for a writer
)


def open_regular(path: Path | str, mode: Literal["rb", "r+b"] = "rb") -> BinaryIO:
    """Open a regular file, following no link and without waiting; `OSError` if it is anything else."""
    try:
        file = open(path, mode, opener=_open)  # noqa: SIM115 - the caller closes it
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a symbolic link", str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return file


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | _FLAGS)
