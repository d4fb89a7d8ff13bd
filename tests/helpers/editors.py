"""Programs that people save and change files with."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


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
