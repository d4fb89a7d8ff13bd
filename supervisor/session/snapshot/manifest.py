"""The manifest inside a snapshot: JSON lines, described in docs/snapshot-format.md."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from supervisor.session.names import MANIFEST
from supervisor.session.profiles.scan import FileStat, Skipped, stays_inside
from supervisor.system import clock
from supervisor.system.reading import DamagedFileError, is_text, open_regular, parse_object, read_file

FORMAT = 1
_LONGEST_HEADER = 16 << 20  # bytes; a header line longer than this is no header of ours
_LARGEST = 64 << 20  # bytes; some 400,000 files, a thousand times what a profile holds


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
        with open_regular(folder / MANIFEST) as file:
            return _header(_object(file.readline(_LONGEST_HEADER)))
    except FileNotFoundError:
        raise ManifestError("it is missing") from None


def read(folder: Path) -> Manifest:
    """The whole manifest, its own checksum verified. Raises `ManifestError`, `OSError`."""
    try:
        return decode(read_file(folder / MANIFEST, _LARGEST))
    except FileNotFoundError:
        raise ManifestError("it is missing") from None
    except DamagedFileError as error:
        raise ManifestError(str(error)) from error


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
            _add(manifest, _line_of(_object(line)))
    except ValidationError as error:
        raise ManifestError(f"a line of it makes no sense: {_reason(error)}") from error
    return manifest


def _add(manifest: Manifest, line: "_FileLine | _FolderLine | _LinkLine | _SkippedLine") -> None:
    match line:
        case _FileLine():
            source = FileStat(line.size, line.mtime, line.ctime, line.inode)
            manifest.files[line.file] = FileRecord(source, int(line.crc32c, 16))
        case _FolderLine():
            manifest.folders.append(line.folder)
        case _LinkLine():
            if not stays_inside(line.link, line.to):
                raise ManifestError(f"the link {line.link!r} leads out of the profile")
            manifest.links[line.link] = line.to
        case _SkippedLine():
            manifest.skipped.append(Skipped(line.skipped, line.reason))


def _inside(path: str) -> str:
    """`path`, if it stays inside the profile: a manifest is read back from a disk that others may write to."""
    leads_out = "\0" in path or not {"", ".", ".."}.isdisjoint(path.split("/"))
    if leads_out or (os.name == "nt" and not {"\\", ":"}.isdisjoint(path)):
        raise ManifestError(f"the path {path!r} leads out of the profile")
    return path


def _text(text: str) -> str:
    if not is_text(text):
        raise ManifestError(f"{text!a:.100} is no text")
    return text


def _moment(text: object) -> datetime:
    if not isinstance(text, str):
        raise ManifestError(f"{text!r:.100} is no time")
    return clock.parse(text)


_Text = Annotated[str, AfterValidator(_text)]
_Inside = Annotated[_Text, AfterValidator(_inside)]
_Number = Annotated[int, Field(ge=0, lt=1 << 64)]
_Time = Annotated[int, Field(gt=-(1 << 63), lt=1 << 63)]  # nanoseconds since the epoch


class _Line(BaseModel):
    model_config = ConfigDict(strict=True)


class _HeaderLine(_Line):
    format: Literal[1]
    id: _Text
    profile: _Text
    createdAt: Annotated[datetime, BeforeValidator(_moment)]  # noqa: N815 - as in the file
    linked: bool | None
    live: bool
    browserVersion: _Text | None  # noqa: N815
    verified: bool
    problems: list[_Text]
    sequences: dict[_Text, _Number]
    bytes: _Number
    ownBytes: _Number  # noqa: N815
    base: _Text | None


class _FileLine(_Line):
    file: _Inside
    size: _Number
    mtime: _Time
    ctime: _Time
    inode: _Number
    crc32c: Annotated[str, Field(pattern="^[0-9a-f]{8}$")]


class _FolderLine(_Line):
    folder: _Inside


class _LinkLine(_Line):
    link: _Inside
    to: _Text


class _SkippedLine(_Line):
    skipped: _Text
    reason: _Text


def _line_of(item: dict[str, Any]) -> _FileLine | _FolderLine | _LinkLine | _SkippedLine:
    if "file" in item:
        return _FileLine.model_validate(item)
    if "folder" in item:
        return _FolderLine.model_validate(item)
    return _LinkLine.model_validate(item) if "link" in item else _SkippedLine.model_validate(item)


def _header(item: dict[str, Any]) -> Header:
    if item.get("format") != FORMAT:
        raise ManifestError(f"its format is {item.get('format')!r:.100}; this version reads {FORMAT}")
    try:
        line = _HeaderLine.model_validate(item)
    except ValidationError as error:
        raise ManifestError(f"its header makes no sense: {_reason(error)}") from error
    return Header(
        session_id=line.id,
        profile=line.profile,
        created_at=line.createdAt,
        linked=line.linked,
        live=line.live,
        browser_version=line.browserVersion,
        verified=line.verified,
        problems=tuple(line.problems),
        sequences=line.sequences,
        bytes=line.bytes,
        own_bytes=line.ownBytes,
        base=line.base,
    )


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _object(line: bytes) -> dict[str, Any]:
    try:
        return parse_object(line)
    except ValueError as error:
        raise ManifestError(f"a line of it makes no sense: {error}") from error


def _line(item: dict[str, Any]) -> str:
    return json.dumps(item, separators=(",", ":")) + "\n"
