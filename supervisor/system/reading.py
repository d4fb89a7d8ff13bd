"""Reading files that another program, another user or a failing disk may have changed.

Each read is bounded, waits for nothing, and takes bytes from regular files only. A file that is not what it should be
raises `DamagedFileError`, whatever is wrong with it, so that a caller has one answer to all of it.
"""

import errno
import json
import math
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, NoReturn

DOCUMENT_LIMIT: Final = 16 << 20
"""Bytes; a document of ours that is larger was not written by us."""

_GREATEST = 1 << 64  # an inode number or a count of bytes has no more than 64 bits
_LONGEST_PATH = 4096  # bytes (PATH_MAX of limits.h on Linux)
_LONGEST_NAME = 255  # bytes (NAME_MAX)
_FLAGS = (
    getattr(os, "O_NONBLOCK", 0)  # a FIFO would wait for a writer
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


class DamagedFileError(ValueError):
    """A file is not what it should be; the message is a clause that says why."""


def open_regular(path: Path | str, mode: Literal["rb", "r+b"] = "rb", *, follow: bool = False) -> BinaryIO:
    """Open a regular file without waiting. Raises `OSError`, also if it is anything else.

    `follow`: also through a symbolic link, which may be put only by the user where only the user's own files lie.
    """
    flags = _FLAGS if follow else _FLAGS | _NO_LINK
    try:
        file = open(path, mode, opener=lambda name, given: os.open(name, given | flags))  # noqa: SIM115
    except ValueError as error:  # a NUL or a lone surrogate in the path
        raise OSError(errno.EINVAL, "it has no name that a file can have", str(path)) from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a symbolic link", str(path)) from error
        if error.errno == errno.ENXIO:  # a socket, or a FIFO that was to be written to
            raise OSError(errno.EINVAL, "it is not a regular file", str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return file


def read_start(path: Path | str, size: int, *, follow: bool = False) -> bytes:
    """The first bytes of a regular file. Raises `OSError`."""
    with open_regular(path, follow=follow) as file:
        return file.read(size)


def read_file(path: Path | str, limit: int = DOCUMENT_LIMIT, *, follow: bool = False) -> bytes:
    """A whole regular file. Raises `OSError`, and `DamagedFileError` for one of another kind or larger than `limit`."""
    try:
        file = open_regular(path, follow=follow)
    except OSError as error:
        if error.errno in {errno.EINVAL, errno.ELOOP}:
            raise DamagedFileError(error.strerror) from error
        raise
    with file:
        if os.fstat(file.fileno()).st_size > limit:
            raise DamagedFileError("it is far too large")
        data = file.read(limit + 1)
    if len(data) > limit:  # it grew meanwhile, or its file system does not tell sizes
        raise DamagedFileError("it is far too large")
    return data


def read_text(path: Path | str, limit: int = DOCUMENT_LIMIT, *, follow: bool = False, errors: str = "strict") -> str:
    """A UTF-8 text, without a byte order mark. Raises `OSError` and `DamagedFileError` as `read_file`."""
    try:
        return read_file(path, limit, follow=follow).decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        raise DamagedFileError("it is not UTF-8") from error


def read_object(path: Path | str, limit: int = DOCUMENT_LIMIT, *, follow: bool = False) -> dict[str, Any]:
    """A JSON object in a file. Raises `OSError`, `DamagedFileError`."""
    return parse_object(read_file(path, limit, follow=follow))


def parse_object(data: bytes, *, strict: bool = True) -> dict[str, Any]:
    """A JSON object in UTF-8. Raises `DamagedFileError`, and nothing else, for anything that is none.

    If `strict`, as for what only we write: no key twice, no whole number of more than 64 bits, and no infinite one.
    """
    document = parse_json(data, strict=strict)
    if not isinstance(document, dict):
        raise DamagedFileError("it is not a JSON object")
    return document


def parse_json(data: bytes | str, *, strict: bool = False) -> Any:
    """A JSON value. Raises `DamagedFileError`; `strict` as for `parse_object`."""
    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
        if not strict:
            return json.loads(text)
        return json.loads(
            text, object_pairs_hook=_once, parse_int=_integer, parse_float=_finite, parse_constant=_refuse
        )
    except RecursionError:
        raise DamagedFileError("it is nested too deeply") from None
    except DamagedFileError:
        raise
    except ValueError as error:
        raise DamagedFileError("it is not JSON") from error


def is_text(text: str) -> bool:
    """Whether a text stands for bytes: it holds no lone surrogate, but for bytes of a name that are not UTF-8."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def is_a_path(text: object) -> bool:
    """Whether a value is a path that a file or folder can have, and is neither a root nor `..`."""
    if not isinstance(text, str) or "\0" in text or not is_text(text):
        return False
    raw = os.fsencode(text)
    if len(raw) >= _LONGEST_PATH or max(map(len, raw.split(os.fsencode(os.sep)))) > _LONGEST_NAME:
        return False
    return Path(text).name not in {"", ".."}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise DamagedFileError("it has a key twice in one object")
    return found


def _integer(text: str) -> int:
    number = int(text)
    if abs(number) >= _GREATEST:
        raise DamagedFileError("a number in it is too large")
    return number


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise DamagedFileError("a number in it is too large")
    return number


def _refuse(text: str) -> NoReturn:
    raise DamagedFileError(f"{text} is no number")
