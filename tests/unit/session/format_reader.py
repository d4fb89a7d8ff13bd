"""Another reader of snapshots, written from docs/snapshot-format.md and nothing else: it imports nothing of ours."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class FormatError(Exception):
    """The snapshot is not what the page describes."""


@dataclass(frozen=True)
class Read:
    """A snapshot whose every line and byte was found as the page says."""

    folder: Path
    header: dict[str, Any]
    lines: list[dict[str, Any]]

    def paths(self, key: str) -> list[str]:
        return [line[key] for line in self.lines if next(iter(line)) == key]


def crc32c(data: bytes) -> int:
    """With the Castagnoli polynomial, bit by bit through a table."""
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_TABLE = [_entry(byte) for byte in range(256)]


def folder_name(session_id: str) -> str:
    """`<name>` of the page's "Name and number"."""
    kept = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.@+="
    raw = session_id.encode("utf-8", "surrogateescape")
    name = "".join(
        chr(byte) if byte in kept and not (at == 0 and byte == ord(".")) else f"%{byte:02X}"
        for at, byte in enumerate(raw)
    )
    if not name:
        return "%"
    return name if len(name) <= 120 else f"{name[:103]}~{hashlib.sha256(raw).hexdigest()[:16]}"


def snapshots(cache: Path, session_id: str) -> list[Path]:
    """The published snapshots of a session, newest first."""
    pattern = re.compile(re.escape(f"backup-{folder_name(session_id)}-") + r"(0|[1-9][0-9]*)")
    found = {int(match[1]): path for path in cache.iterdir() if (match := pattern.fullmatch(path.name))}
    return [found[number] for number in sorted(found, reverse=True)]


def read(folder: Path) -> Read:
    """Read a snapshot and compare every byte of it. Raises `FormatError`."""
    data = (folder / ".scanonce-manifest.jsonl").read_bytes()
    if not data.endswith(b"\n"):
        raise FormatError("the last line has no end")
    lines = data[:-1].split(b"\n")
    header, *items, last = (json.loads(line.decode("ascii")) for line in lines)
    body = data[: -len(lines[-1]) - 1]
    if last != {"end": hashlib.sha256(body).hexdigest()}:
        raise FormatError("the last line does not match")
    if header["format"] != 1:
        raise FormatError("another format")
    found = Read(folder, header, items)
    made = {""}
    for path in found.paths("folder"):
        if _checked(path).rpartition("/")[0] not in made:
            raise FormatError(f"{path!r} comes before its parent")
        made.add(path)
    for line in items:
        if "link" in line and os.fsdecode((folder / _checked(line["link"])).readlink()) != line["to"]:
            raise FormatError(f"{line} is another link")
        if "file" in line:
            _compare(folder / _checked(line["file"]), line)
    _compare_names(found)
    return found


def _compare(path: Path, line: dict[str, Any]) -> None:
    contents, status = path.read_bytes(), path.lstat()
    if (len(contents), status.st_mtime_ns, f"{crc32c(contents):08x}") != (line["size"], line["mtime"], line["crc32c"]):
        raise FormatError(f"{line} is not what was written")
    if status.st_mode & 0o777 != 0o600:
        raise FormatError(f"{path} is not private")


def _compare_names(found: Read) -> None:
    there = {path.relative_to(found.folder).as_posix() for path in found.folder.rglob("*")}
    named = {path for key in ("folder", "link", "file") for path in found.paths(key)}
    if there != named | {".scanonce-manifest.jsonl"}:
        raise FormatError(f"the folder and the manifest differ in {there ^ named}")


def _checked(path: str) -> str:
    if "\0" in path or not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise FormatError(f"{path!r} leads out")
    return path


def restore(found: Read, live: Path) -> None:
    """Make a profile of a snapshot: copies, never links."""
    live.mkdir(mode=0o700)
    for path in found.paths("folder"):
        (live / path).mkdir(mode=0o700)
    for path in found.paths("file"):
        shutil.copy2(found.folder / path, live / path)
    for line in found.lines:
        if "link" in line:
            os.symlink(line["to"], live / line["link"])  # noqa: PTH211 - names that are not UTF-8 stay as they are
