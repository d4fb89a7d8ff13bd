"""The bot's `package.json`, whoever wrote it: what is not as it should be is left out and told, never trusted."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supervisor.system.documents import parse_object

_LARGEST = 4 << 20  # bytes; the largest package.json files are lists of some hundred kilobytes


@dataclass(frozen=True, slots=True)
class Package:
    """What a package.json says. `trouble` tells what is wrong with it, in a clause."""

    path: Path
    exists: bool = False
    trouble: str | None = None
    version: str | None = None
    scripts: Mapping[str, str] = field(default_factory=dict)
    dependencies: Mapping[str, str] = field(default_factory=dict)
    """Those without which the bot does not run."""
    node: str | None = None
    """Which versions of Node.js it asks for (`engines`)."""


def read_package(folder: Path) -> Package:
    """The package.json in a folder."""
    path = folder / "package.json"
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return Package(path)
    except ValueError:  # a NUL byte in the name of a package
        return Package(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return Package(path)
        return Package(path, exists=True, trouble=f"cannot be read: {(error.strerror or str(error)).lower()}")
    if len(data) > _LARGEST:
        return Package(path, exists=True, trouble=f"is larger than {_LARGEST >> 20} MB")
    try:
        document = parse_object(data.removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        return Package(path, exists=True, trouble=f"cannot be understood: {error}")
    odd = [name for name in ("scripts", "dependencies", "engines") if not isinstance(document.get(name, {}), dict)]
    version, node = document.get("version"), _texts(document, "engines").get("node")
    return Package(
        path,
        exists=True,
        trouble=f"has something else than an object under {' and '.join(odd)}" if odd else None,
        version=version if isinstance(version, str) else None,
        scripts=_texts(document, "scripts"),
        dependencies=_texts(document, "dependencies"),
        node=node,
    )


def installed(name: str, folder: Path) -> Package | None:
    """A package as Node.js would find it from a folder, going up; `None` if it is not installed."""
    for modules in modules_of(folder):
        found = read_package(modules / name)
        if found.exists:
            return found
    return None


def modules_of(folder: Path) -> Iterator[Path]:
    """The folders in which Node.js looks for packages, nearest first."""
    for place in (folder, *folder.parents):
        yield place / "node_modules"


def _texts(document: Mapping[str, Any], name: str) -> dict[str, str]:
    found = document.get(name)
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)}
