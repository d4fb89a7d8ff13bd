"""A session without a browser: a folder of JSON files that is the account, as Baileys writes it.

`useMultiFileAuthState` (Baileys 7.0, `src/Utils/use-multi-file-auth-state.ts`) keeps `creds.json`, and for each key a
file `<type>-<id>.json` beside it. It writes them in place, so that a kill leaves a file empty or cut short, and takes
what it cannot read for missing: without its creds it silently begins a new account and writes over the old one. A
missing key it asks for, or makes, anew.

The keys are ratchets: a message advances them, and what was encrypted for a newer state cannot be read with an older
one. So no file that can be read is ever replaced by an older copy.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import time
from typing import TYPE_CHECKING, Any

from supervisor.session.names import parse_stamped
from supervisor.system import files as fsio
from supervisor.system.reading import parse_object, read_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

CREDS = "creds.json"
TORN_SUFFIX = ".scanonce-torn"

#: The key pairs and other fields without which Baileys cannot log in (`initAuthCreds`, `src/Utils/auth-utils.ts`).
_KEY_PAIRS = ("noiseKey", "signedIdentityKey")
_NEEDED = (*_KEY_PAIRS, "signedPreKey", "registrationId", "advSecretKey")
#: The names of its key files: `SignalDataTypeMap` in `src/Types/Auth.ts`, and what a JID makes of a session's.
_KEY_FILE = re.compile(
    r"(?:pre-key-\d+|session-[\w.@-]*\d[\w.@-]*|sender-key(?:-memory)?-.+|app-state-sync-(?:key|version)-.+"
    r"|lid-mapping-.+|device-list-.+|device-index-.+|tctoken-.+|identity-key-.+)\.json",
    re.ASCII,
)
#: Those of them that no other program is likely to write.
_OWN_KEYS = ("pre-key-", "app-state-sync-")
#: Of a project or of another program: a folder with such a file in it is not only an account.
_FOREIGN_SUFFIXES = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".py")
_FOREIGN_NAMES = frozenset({"package.json", "package-lock.json", "tsconfig.json"})
_LARGEST_CREDS = 1 << 20  # bytes; a kilobyte or two, and a list of processed messages
_NOT_SEARCHED = frozenset({"node_modules", "__pycache__", "venv"})
_DEPTH, _MOST_FOLDERS = 3, 2000
_READINGS, _PAUSE = 3, 0.02  # a running bot empties a file for less than a millisecond before it writes it
_JUST_NOW = 2.0  # seconds


def is_key_file(name: str) -> bool:
    """Whether a file of this name belongs to an account.

    >>> [is_key_file(name) for name in ("creds.json", "pre-key-7.json", "session-15551234567.0.json", "session.json")]
    [True, True, True, False]
    """
    return name == CREDS or _KEY_FILE.fullmatch(name) is not None


def is_auth_folder(folder: Path) -> bool:
    """Whether a folder is an account, or what is left of one, and nothing else.

    It holds creds, or torn ones, or without any the keys that only an account has; no folder, and no source file.
    """
    names = _names(folder)
    if names is None:
        return False
    if CREDS in names:
        return _read_creds(folder) is not None or _is_torn(folder / CREDS)
    return any(name.startswith(_OWN_KEYS) for name in names) and all(map(is_key_file, names))


def is_written_by_library(path: Path) -> bool:
    """Whether a file is part of an account, be that among other files or not complete yet.

    The first keys may come before the creds.
    """
    if not is_key_file(path.name):
        return False
    return _read_creds(path.parent) is not None or all(map(is_key_file, _names(path.parent) or [""]))


def place_of(path: Path, root: Path) -> Path:
    """What to leave out of watching for a file that `is_written_by_library`: its folder, if that holds nothing else."""
    folder = path.parent
    return folder if folder != root and not root.is_relative_to(folder) and _names(folder) is not None else path


def find(project: Path) -> Iterator[Path]:
    """The accounts in a project's folders, sorted by path; neither in its dependencies nor in our own copies."""
    pending, seen = [(project, 0)], 0
    found = []
    while pending and seen < _MOST_FOLDERS:
        folder, depth = pending.pop()
        seen += 1
        try:
            with os.scandir(folder) as entries:
                listed = list(entries)
        except OSError:
            continue
        names = {entry.name for entry in listed}
        if {"Default", "Local State"} & names:
            continue  # a Chromium profile
        if depth and any(map(is_key_file, names)) and is_auth_folder(folder):
            found.append(folder)
        elif depth < _DEPTH:
            pending += [(folder / entry.name, depth + 1) for entry in listed if _is_searched(entry)]
    yield from sorted(found)


def problems(folder: Path, files: Iterable[str], trusted: Iterable[str] = ()) -> list[str]:
    """One sentence per damage that only a copy mends, without a full stop. `files` are all there are in the folder.

    Raises `OSError` if the creds cannot be read.
    """
    if CREDS not in files:
        return [f"{CREDS} is missing"]
    if CREDS in trusted:
        return []
    try:
        creds = _parsed(folder / CREDS)
    except ValueError as error:
        return [f"{CREDS} {error}"]
    if not isinstance(creds, dict):
        return [f"{CREDS} is not a JSON object"]
    missing = [name for name in _NEEDED if creds.get(name) is None]
    if missing:
        return [f"{CREDS} lacks {', '.join(missing)}"]
    return [f"{CREDS}: {name} is not a pair of keys" for name in _KEY_PAIRS if not _is_key_pair(creds[name])]


def torn(folder: Path, files: Iterable[str], trusted: Iterable[str] = ()) -> list[str]:
    """The key files that are no JSON, as a kill in the midst of a write leaves them. Raises `OSError`."""
    found = []
    for path in sorted({path for path in files if path != CREDS and is_key_file(path)}.difference(trusted)):
        try:
            _parsed(folder / path)
        except ValueError:
            found.append(path)
    return found


def set_aside(folder: Path, paths: Iterable[str]) -> None:
    """Rename files that are no JSON, so that no library meets them; what is kept of each is its last such state."""
    for path in paths:
        os.replace(folder / path, folder / f"{path}{TORN_SUFFIX}")  # noqa: PTH105


def keep_newer(damaged: Path, copy: Path) -> int:
    """Make an older copy of a damaged account newer: all of its keys, and what else can be read, replace the copy's.

    A key that is not there any more was used up, and a torn one is made anew. Returns the number of files taken over;
    0, and the copy as it was, if there are no keys. Raises `OSError`.
    """
    with os.scandir(damaged) as entries:
        names = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
    left_out = {*torn(damaged, names), *(name for name in names if name.endswith(TORN_SUFFIX))}
    if problems(damaged, names):
        left_out.add(CREDS)
    kept = [name for name in names if name not in left_out]
    if not any(map(is_key_file, kept)):
        return 0
    for path in copy.iterdir():
        if path.name != CREDS and is_key_file(path.name):
            path.unlink()
    for name in kept:
        (copy / name).unlink(missing_ok=True)
        fsio.copy_file(damaged / name, copy / name, mtime_ns=(damaged / name).lstat().st_mtime_ns)
        fsio.sync_file(copy / name)
    return len(kept)


def is_linked(folder: Path) -> bool | None:
    """Whether the account is linked with a phone; None if its creds cannot be read.

    Baileys sets `me` when the phone has scanned the code, but also when it asks for a pairing code; then `account` or
    `registered` tells that the code was entered.
    """
    creds = _read_creds(folder)
    if creds is None:
        return None
    me = creds.get("me")
    asked = creds.get("pairingCode") is not None and not creds.get("account") and not creds.get("registered")
    return isinstance(me, dict) and bool(me.get("id")) and not asked


def _read_creds(folder: Path) -> dict[str, Any] | None:
    """The creds in a folder, if they are those of an account."""
    try:
        path = folder / CREDS
        creds = parse_object(read_file(path, _LARGEST_CREDS), strict=False)
    except (OSError, ValueError):
        return None
    return creds if all(isinstance(creds.get(name), dict) for name in _KEY_PAIRS) else None


def _parsed(path: Path) -> object:
    """The value in a JSON file, read again if its writer may be at work. Raises `ValueError` and `OSError`."""
    data = b""
    for reading in range(_READINGS):
        data = read_file(path)
        try:
            value: object = json.loads(data.decode("utf-8"))
        except (ValueError, RecursionError):
            if reading + 1 == _READINGS or time.time() - path.stat().st_mtime > _JUST_NOW:
                break
            time.sleep(_PAUSE)
        else:
            return value
    raise ValueError("is empty" if not data.strip(b"\0 \r\n") else "is cut short, or no JSON")


def _is_key_pair(value: object) -> bool:
    return isinstance(value, dict) and all(len(_bytes(value.get(half))) >= 32 for half in ("private", "public"))


def _bytes(value: Any) -> bytes:
    """The bytes of a `BufferJSON` value (`src/Utils/generics.ts`), in any of the forms that its versions write."""
    try:
        if isinstance(value, dict) and (value.get("type") == "Buffer" or value.get("buffer") is True):
            value = value.get("data") or value.get("value")
        if isinstance(value, dict):  # an `Uint8Array` without the replacer: {"0": 12, "1": 99, ...}
            value = list(value.values())
        return base64.b64decode(value, validate=True) if isinstance(value, str) else bytes(value)
    except (TypeError, ValueError, binascii.Error):
        return b""


def _is_torn(path: Path) -> bool:
    """Whether a file is no JSON. One of another program, which is, is none of ours."""
    try:
        _parsed(path)
    except ValueError:
        return True
    except OSError:
        return False
    return False


def _names(folder: Path) -> list[str] | None:
    """The names in a folder; None if something lies there that belongs to no account."""
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
            return [entry.name for entry in found] if all(map(_may_lie_there, found)) else None
    except OSError:
        return None


def _may_lie_there(entry: os.DirEntry[str]) -> bool:
    if not entry.is_file(follow_symlinks=False):
        return False
    return entry.name not in _FOREIGN_NAMES and not entry.name.endswith(_FOREIGN_SUFFIXES)


def _is_searched(entry: os.DirEntry[str]) -> bool:
    name = entry.name
    if name in _NOT_SEARCHED or name.startswith((".git", ".venv", ".scanonce", ".session-cache")):
        return False
    return parse_stamped(name) is None and entry.is_dir(follow_symlinks=False)
