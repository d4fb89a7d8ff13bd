"""Reads `package.json`. It may hold anything: unexpected values are left out and reported."""

import errno
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supervisor.system.reading import parse_object, read_file

_LARGEST = 4 << 20  # bytes; the largest package.json files are lists of some hundred kilobytes


@dataclass(frozen=True, slots=True)
class Package:
    """The contents of a package.json. `trouble` says what is wrong with it, in a clause."""

    path: Path
    exists: bool = False
    trouble: str | None = None
    version: str | None = None
    scripts: Mapping[str, str] = field(default_factory=dict)
    dependencies: Mapping[str, str] = field(default_factory=dict)
    """Without `devDependencies`: those that the bot needs to run."""
    node: str | None = None
    """The versions of Node.js that it requires (`engines.node`)."""


def read_package(folder: Path) -> Package:
    """The package.json in a folder."""
    path = folder / "package.json"
    try:
        data = read_file(path, _LARGEST, follow=True)
        document = parse_object(data, strict=False)
    except (FileNotFoundError, NotADirectoryError):
        return Package(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return Package(path)
        return Package(path, exists=True, trouble=f"cannot be read: {(error.strerror or str(error)).lower()}")
    except ValueError as error:
        return Package(path, exists=True, trouble=f"cannot be parsed: {error}")
    odd = [name for name in ("scripts", "dependencies", "engines") if not isinstance(document.get(name, {}), dict)]
    version = document.get("version")
    return Package(
        path,
        exists=True,
        trouble=f"has a value that is not an object under {' and '.join(odd)}" if odd else None,
        version=version if isinstance(version, str) else None,
        scripts=_strings(document, "scripts"),
        dependencies=_strings(document, "dependencies"),
        node=_strings(document, "engines").get("node"),
    )


def installed_package(name: str, folder: Path) -> Package | None:
    """A package as Node.js would find it from a folder, going up; `None` if it is not installed."""
    found = (read_package(modules / name) for modules in node_modules(folder))
    return next((package for package in found if package.exists), None)


def node_modules(folder: Path) -> Iterator[Path]:
    """The folders in which Node.js looks for packages, nearest first."""
    return (parent / "node_modules" for parent in (folder, *folder.parents))


def _strings(document: Mapping[str, Any], name: str) -> dict[str, str]:
    found = document.get(name)
    return {key: value for key, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}
