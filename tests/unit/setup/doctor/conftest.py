"""A bot's folder, and what surrounds it: no test looks at the programs, the home or the sockets of this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from supervisor.setup.doctor.finding import Finding
from supervisor.setup.doctor.project import CheckedProject, open_project
from supervisor.setup.doctor.runner import CheckFunction


class Bot:
    """A bot's folder, a folder of fake programs that is the whole PATH, and a home."""

    def __init__(self, root: Path) -> None:
        self.folder, self.programs, self.home = root / "bot", root / "programs", root / "home"
        for folder in (self.folder, self.programs, self.home):
            folder.mkdir()

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def program(self, name: str, script: str = "echo v20.11.1", *, folder: Path | None = None) -> Path:
        """A shell script; whatever it needs itself it gets from the usual places."""
        path = (folder or self.programs) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
        path.chmod(0o755)
        return path

    def package(self, name: str, version: str = "1.0.0", **more: str) -> Path:
        folder = self.folder / "node_modules" / name
        folder.mkdir(parents=True)
        extra = "".join(f', "{key}": {value}' for key, value in more.items())
        (folder / "package.json").write_text(f'{{"version": "{version}"{extra}}}')
        return folder

    def project(self, *command: str) -> CheckedProject:
        return open_project(self.folder, None, command)

    def look(self, check: CheckFunction, *command: str) -> list[Finding]:
        return list(check(self.project(*command)))

    def one(self, check: CheckFunction, name: str, *command: str) -> Finding:
        """The only finding of that name, with a remedy if there is something to do."""
        return only(self.look(check, *command), name)


def only(findings: Iterable[Finding], name: str) -> Finding:
    (found,) = [finding for finding in findings if finding.name == name]
    assert found.verdict in {"ok", "unknown"} or found.remedy
    assert found.seen.isprintable()
    return found


@pytest.fixture
def bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bot]:
    made = Bot(tmp_path)
    for name in ("PUPPETEER_EXECUTABLE_PATH", "PUPPETEER_CACHE_DIR", "PLAYWRIGHT_BROWSERS_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(made.programs))
    monkeypatch.setenv("HOME", str(made.home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(made.home / ".cache"))
    with tempfile.TemporaryDirectory(prefix="scanonce-") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        yield made
