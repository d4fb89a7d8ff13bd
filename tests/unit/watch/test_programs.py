"""Programs that people save and change files with: one burst each, with the final content."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor.watch.git_lock import GitLocks
from tests.helpers.editors import PROGRAMS, needs, run
from tests.unit.watch.conftest import watching

#: Seconds; longer than a program pauses within one save, on a disk that takes its time.
QUIET = 0.25


@pytest.mark.parametrize("save", PROGRAMS)
async def test_one_save(project: Path, save: Callable[[Path], None]) -> None:
    file = project / "src" / "a.js"
    file.write_text("// one\n")
    async with watching(project, quiet=QUIET) as w:
        await asyncio.to_thread(save, file)
        assert await w.changed() == {"src/a.js"}
        assert file.read_text() == "// two\n"
        assert len(w.changes) == 1
        await w.nothing()


@pytest.mark.parametrize("save", PROGRAMS)
async def test_save_that_changes_nothing(project: Path, save: Callable[[Path], None]) -> None:
    file = project / "src" / "a.js"
    file.write_text("// two\n")
    async with watching(project, quiet=QUIET) as w:
        await w.read()
        await asyncio.to_thread(lambda: save(file))
        await w.nothing()
        assert len(w.changes) == 1  # what `nothing` did


@needs("git")
async def test_checkout_of_500_files(project: Path) -> None:
    run("git", "init", "-q", "-b", "main", cwd=project)
    many = [project / "src" / f"d{i % 20}" / f"f{i}.js" for i in range(500)]
    for file in many:
        file.parent.mkdir(exist_ok=True)
        file.write_text("// one\n")
    (project / ".gitignore").write_text("node_modules/\n")
    run("git", "add", ".", cwd=project)
    run("git", "commit", "-qm", "one", cwd=project)
    run("git", "checkout", "-qb", "other", cwd=project)
    for file in many[:300]:
        file.write_text("// two\n")
    for file in many[300:400]:
        file.unlink()
    for file in many[400:]:
        file.rename(project / "src" / file.name)
    run("git", "add", "-A", cwd=project)
    run("git", "commit", "-qm", "two", cwd=project)
    async with watching(project, quiet=QUIET) as w:
        await asyncio.to_thread(run, "git", "checkout", "-q", "main", cwd=project)
        found = await w.changed()
        assert found == {str(f.relative_to(project)) for f in [*many, *(project / "src" / f.name for f in many[400:])]}
        await asyncio.to_thread(run, "git", "status", cwd=project)
        await w.nothing()


@needs("git")
@pytest.mark.parametrize("kind", ["repository", "worktree"])
async def test_not_settled_while_git_is_at_work(project: Path, kind: str) -> None:
    if kind == "repository":
        (project / ".git").mkdir()
        lock = project / ".git" / "index.lock"
    else:
        (project.parent / "main" / "worktrees" / "bot").mkdir(parents=True)
        (project / ".git").write_text("gitdir: ../main/worktrees/bot\n")
        lock = project.parent / "main" / "worktrees" / "bot" / "index.lock"
    async with watching(project, quiet=QUIET) as w:
        lock.touch()
        (project / "src" / "a.js").write_text("// one\n")
        await w.told()
        asyncio.get_running_loop().call_later(4 * QUIET, lock.unlink)
        assert await w.settled() == {"src/a.js"}
        assert not lock.exists()
        lock.touch()  # one that stays does not hold anything up for ever
        (project / "src" / "a.js").write_text("// two\n")
        assert await w.changed() == {"src/a.js"}
        hour_ago = time.time() - 3600
        os.utime(lock, (hour_ago, hour_ago))  # and one that was left long ago, not at all
        assert not GitLocks([project]).held()


@needs("npm")
async def test_npm_install_restarts_for_the_two_files_it_leaves(project: Path) -> None:
    package = project.parent / "dependency"
    package.mkdir()
    (package / "package.json").write_text('{"name": "dependency", "version": "1.0.0"}')
    (package / "index.js").write_text("module.exports = 1\n")
    (project / "package.json").write_text('{"name": "bot", "version": "1.0.0"}')
    install = ["npm", "install", "--offline", "--no-audit", "--no-fund", "--install-links", str(package)]
    async with watching(project, quiet=QUIET) as w:
        await asyncio.to_thread(run, *install, cwd=project)
        assert await w.changed() == {"package.json", "package-lock.json"}
        assert (project / "node_modules" / "dependency" / "index.js").exists()
