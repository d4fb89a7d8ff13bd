"""The names of what we keep: one place that builds and parses them.

Ids come from folder names that others chose, so they are never used as file names as they are: `safe_name` maps each
id to a name of its own, and the manifest inside a snapshot holds the id itself.
"""

import hashlib
import re
from typing import NamedTuple

CACHE = ".session-cache"
STATE_FILE = "session-state.json"
STATE_COPY = "state-copy.json"
STATE_ELSEWHERE = "state.json"
LOCK_FILE = "supervisor.lock"
STATE_LOCK = "state.lock"
MANIFEST = ".scanonce-manifest.jsonl"

STAGING_PREFIX = ".staging-"
TRASH_PREFIX = ".trash-"
JOURNAL_PREFIX = "restore-"
STOP_PREFIX = "stop-"
NEW_PREFIX = ".scanonce-new-"
QUARANTINE_PREFIX = "quarantine-"
HIDDEN_QUARANTINE_PREFIX = ".scanonce-quarantine-"

_LONGEST_NAME = 120  # bytes; leaves room for our prefixes and the number within the 255 that file systems allow
_KEPT = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.@+=")
_STAMPED = re.compile(
    r"(?:backup|quarantine|\.scanonce-quarantine)-(?P<name>.+)-(?P<stamp>0|[1-9][0-9]{0,17})\Z", re.DOTALL
)


class Stamped(NamedTuple):
    """A parsed `backup-<name>-<epoch ms>` or `quarantine-<name>-<epoch ms>`."""

    name: str
    stamp: int


def safe_name(session_id: str) -> str:
    """A file name for an id: one path component, ASCII, and different for different ids.

    Bytes other than letters, digits and ``-_.@+=`` are percent-encoded, and so is a first dot; a very long name is cut
    and ends in a digest of the whole.

    >>> safe_name("971505760056"), safe_name("../etc"), safe_name("a%b")
    ('971505760056', '%2E.%2Fetc', 'a%25b')
    """
    raw = session_id.encode("utf-8", "surrogateescape")
    name = "".join(chr(byte) if byte in _KEPT else f"%{byte:02X}" for byte in raw)
    if not name or name.startswith("."):
        name = f"%2E{name[1:]}" if name else "%"
    if len(name) > _LONGEST_NAME:
        digest = hashlib.sha256(raw).hexdigest()[:16]
        name = f"{name[: _LONGEST_NAME - 17]}~{digest}"
    return name


def id_of(name: str) -> str:
    """The id behind a safe name; for one that was cut, the name itself (the manifest knows better).

    >>> id_of(safe_name("../etc"))
    '../etc'
    """
    if name == "%":
        return ""
    if "~" in name:
        return name
    raw = re.sub(rb"%([0-9A-F]{2})", lambda match: bytes([int(match[1], 16)]), name.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")


def snapshot_name(session_id: str, stamp: int) -> str:
    """The folder of a snapshot taken at `stamp` (milliseconds since the epoch)."""
    return f"backup-{safe_name(session_id)}-{stamp}"


def quarantine_name(session_id: str, stamp: int) -> str:
    """The folder a replaced profile is moved to."""
    return f"{QUARANTINE_PREFIX}{safe_name(session_id)}-{stamp}"


def parse_stamped(folder: str) -> Stamped | None:
    """Name and number of a snapshot's or quarantined profile's folder, `None` for any other folder.

    The number is what follows the last dash, so an id that is a prefix of another, or ends in digits, parses right:

    >>> parse_stamped("backup-97150-1-1700000000000")
    Stamped(name='97150-1', stamp=1700000000000)
    """
    match = _STAMPED.match(folder)
    return Stamped(match["name"], int(match["stamp"])) if match else None
