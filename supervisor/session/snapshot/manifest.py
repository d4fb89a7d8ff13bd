"""The manifest inside a snapshot: JSON lines, described in docs/snapshot-format.md."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from supervisor.session.names import MANIFEST
from supervisor.session.profiles.scan import FileStat, Skipped, stays_inside
from supervisor.system import clock
from supervisor.system.documents import parse_object

T = TypeVar("T")

FORMAT = 1
_LONGEST_HEADER = 16 << 20  # bytes; a header line longer than this is no header of ours


class ManifestError(ValueError):
    """The manifest is missing, damaged, or of a later format."""


class FileRecord(NamedTuple):
    """One file of a snapshot: its CRC32C, and what the original in the live profile looked like."""

    source: FileStat
    crc32c: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a snapshot's manifest says about the whole."""

    session_id: str
    profile: str
    """Where the profile was: relative to the project if it lay inside, else absolute."""
    created_at: datetime
    """Aware, UTC."""
    linked: bool | None
    live: bool
    """Taken of a frozen running browser: whole, but its localStorage may be minutes old."""
    browser_version: str | None
    verified: bool
    problems: tuple[str, ...]
    sequences: dict[str, int]
    """Per LevelDB folder, the last sequence number in it."""
    bytes: int
    """In all files."""
    own_bytes: int
    """In the files that are not shared with `base`."""
    base: str | None
    """The folder name of the snapshot that the other files are shared with."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A whole manifest."""

    header: Header
    files: dict[str, FileRecord]
    folders: list[str]
    links: dict[str, str] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)


def encode(manifest: Manifest) -> bytes:
    """The manifest as the bytes of its file."""
    header = manifest.header
    lines = [
        _line(
            {
                "format": FORMAT,
                "id": header.session_id,
                "profile": header.profile,
                "createdAt": clock.iso(header.created_at),
                "linked": header.linked,
                "live": header.live,
                "browserVersion": header.browser_version,
                "verified": header.verified,
                "problems": list(header.problems),
                "sequences": header.sequences,
                "bytes": header.bytes,
                "ownBytes": header.own_bytes,
                "base": header.base,
            }
        )
    ]
    lines += [_line({"folder": path}) for path in manifest.folders]
    lines += [_line({"link": path, "to": target}) for path, target in manifest.links.items()]
    lines += [_line({"skipped": path, "reason": reason}) for path, reason in manifest.skipped]
    lines += [
        _line(
            {
                "file": path,
                "size": source.size,
                "mtime": source.mtime_ns,
                "ctime": source.ctime_ns,
                "inode": source.inode,
                "crc32c": f"{crc32c:08x}",
            }
        )
        for path, (source, crc32c) in manifest.files.items()
    ]
    body = "".join(lines).encode("ascii")
    return body + _line({"end": hashlib.sha256(body).hexdigest()}).encode("ascii")


def read_header(folder: Path) -> Header:
    """The header alone, without a look at the rest. Raises `ManifestError`, `OSError`."""
    try:
        with (folder / MANIFEST).open("rb") as file:
            return _header(_object(file.readline(_LONGEST_HEADER)))
    except FileNotFoundError:
        raise ManifestError("it is missing") from None


def read(folder: Path) -> Manifest:
    """The whole manifest, its own checksum verified. Raises `ManifestError`, `OSError`."""
    try:
        return decode((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise ManifestError("it is missing") from None


def decode(data: bytes) -> Manifest:
    """Parse the bytes of a manifest. Raises `ManifestError` for anything that `encode` would not write."""
    lines = data.splitlines(keepends=True)
    if len(lines) < 2:
        raise ManifestError("it is cut short")
    body_size = len(data) - len(lines[-1])
    if _object(lines[-1]).get("end") != hashlib.sha256(memoryview(data)[:body_size]).hexdigest():
        raise ManifestError("its checksum is wrong or missing")
    manifest = Manifest(_header(_object(lines[0])), {}, [])
    try:
        for line in lines[1:-1]:
            _add(manifest, _object(line))
    except (KeyError, TypeError, ValueError) as error:
        raise ManifestError(f"a line of it makes no sense: {error}") from error
    return manifest


def _add(manifest: Manifest, item: dict[str, Any]) -> None:
    if "file" in item:
        source = FileStat(int(item["size"]), int(item["mtime"]), int(item["ctime"]), int(item["inode"]))
        manifest.files[_inside(item["file"])] = FileRecord(source, int(item["crc32c"], 16))
    elif "folder" in item:
        manifest.folders.append(_inside(item["folder"]))
    elif "link" in item:
        path = _inside(item["link"])
        if not stays_inside(path, item["to"]):
            raise ManifestError(f"the link {path!r} leads out of the profile")
        manifest.links[path] = item["to"]
    else:
        manifest.skipped.append(Skipped(str(item["skipped"]), str(item["reason"])))


def _inside(path: str) -> str:
    """`path`, if it stays inside the profile: a manifest is read back from a disk that others may write to."""
    leads_out = "\0" in path or not {"", ".", ".."}.isdisjoint(path.split("/"))
    if leads_out or (os.name == "nt" and not {"\\", ":"}.isdisjoint(path)):
        raise ManifestError(f"the path {path!r} leads out of the profile")
    return path


def _header(item: dict[str, Any]) -> Header:
    if item.get("format") != FORMAT:
        raise ManifestError(f"its format is {item.get('format')!r}; this version reads {FORMAT}")
    try:
        return Header(
            session_id=str(item["id"]),
            profile=str(item["profile"]),
            created_at=clock.parse(item["createdAt"]),
            linked=_optional(item["linked"], bool),
            live=bool(item["live"]),
            browser_version=_optional(item["browserVersion"], str),
            verified=bool(item["verified"]),
            problems=tuple(map(str, item["problems"])),
            sequences={str(path): int(number) for path, number in item["sequences"].items()},
            bytes=int(item["bytes"]),
            own_bytes=int(item["ownBytes"]),
            base=_optional(item["base"], str),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ManifestError(f"its header makes no sense: {error}") from error


def _optional(value: object, kind: type[T]) -> T | None:
    if value is None or isinstance(value, kind):
        return value
    raise TypeError(f"{value!r} is no {kind.__name__}")


def _object(line: bytes) -> dict[str, Any]:
    try:
        return parse_object(line)
    except ValueError as error:
        raise ManifestError(f"a line of it makes no sense: {error}") from error


def _line(item: dict[str, Any]) -> str:
    return json.dumps(item, separators=(",", ":")) + "\n"
