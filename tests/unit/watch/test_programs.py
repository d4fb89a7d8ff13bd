"""Programs that people save and change files with: one burst each, with the final content."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor.watch.git_lock import GitLocks
from tests.unit.watch.conftest import watching

#: Seconds; longer than a program pauses within one save, on a disk that takes its time.
QUIET = 0.25


def run(*argv: str, cwd: Path) -> None:
    environment = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@localhost",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@localhost",
    }
    subprocess.run(argv, cwd=cwd, env=environment, check=True, capture_output=True, timeout=30)


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def vim(*options: str) -> Callable[[Path], None]:
    def save(file: Path) -> None:
        commands = [f"+set {option}" for option in options]
        argv = ["vim", "-u", "NONE", "-es", "-N", *commands, "+set swapfile", "+%s/one/two/e", "+wq", file.name]
        run(*argv, cwd=file.parent)

    return save


def sed(file: Path) -> None:
    run("sed", "-i", "s/one/two/", file.name, cwd=file.parent)


def rsync(file: Path) -> None:
    source = file.parent.parent.parent / "elsewhere" / file.name
    source.parent.mkdir()
    source.write_text("// two\n")
    run("rsync", "-c", str(source), str(file), cwd=file.parent)


def rsync_in_place(file: Path) -> None:
    source = file.parent.parent.parent / "elsewhere" / file.name
    source.parent.mkdir()
    source.write_text("// two\n")
    run("rsync", "-c", "--inplace", str(source), str(file), cwd=file.parent)


def emacs(file: Path) -> None:
    script = '(progn (find-file "{}") (while (search-forward "one" nil t) (replace-match "two")) (save-buffer))'
    run("emacs", "-Q", "--batch", "--eval", script.format(file), cwd=file.parent)


def shell(file: Path) -> None:
    run("sh", "-c", f"echo '// two' > {file.name}", cwd=file.parent)


def node(file: Path) -> None:
    """Node's writeFileSync: in place, as VS Code and most generators do."""
    run("node", "-e", f"require('fs').writeFileSync('{file.name}', '// two\\n')", cwd=file.parent)


def jetbrains(file: Path) -> None:
    """The safe write of JetBrains' editors, step by step."""
    new, old = (file.with_name(f"{file.name}___jb_{kind}___") for kind in ("tmp", "old"))
    new.write_text("// two\n")
    file.rename(old)
    new.rename(file)
    old.unlink()


PROGRAMS = [
    pytest.param(vim("nobackup", "writebackup", "backupcopy=no"), marks=needs("vim"), id="vim, backup by renaming"),
    pytest.param(vim("backup", "backupcopy=yes"), marks=needs("vim"), id="vim, backup by copying"),
    pytest.param(vim("nowritebackup"), marks=needs("vim"), id="vim, no backup"),
    pytest.param(emacs, marks=needs("emacs"), id="emacs"),
    pytest.param(sed, marks=needs("sed"), id="sed -i"),
    pytest.param(rsync, marks=needs("rsync"), id="rsync"),
    pytest.param(rsync_in_place, marks=needs("rsync"), id="rsync --inplace"),
    pytest.param(node, marks=needs("node"), id="node"),
    pytest.param(shell, marks=needs("sh"), id="shell"),
    pytest.param(jetbrains, id="JetBrains"),
]


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
