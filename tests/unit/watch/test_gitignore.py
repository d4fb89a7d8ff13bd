"""`.gitignore` means here what it means to git."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor.watch.rules import WatchRules

NAMES = ("a", "b", "lib", "x.js", "y.js")

GIT_ENV = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


def git(root: Path, *args: str, stdin: str = "") -> str:
    done = subprocess.run(
        ["git", *args], cwd=root, input=stdin, env=GIT_ENV, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def ignored_by_git(root: Path, paths: list[str]) -> set[str]:
    return set(filter(None, git(root, "check-ignore", "-z", "--stdin", stdin="\0".join(paths)).split("\0")))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Three levels of folders a, b, lib with x.js and y.js in each."""
    git(tmp_path, "init", "-q")
    folders = [tmp_path]
    for _ in range(3):
        folders += [folder / name for folder in folders for name in NAMES[:3]]
    for folder in set(folders):
        folder.mkdir(parents=True, exist_ok=True)
        for name in NAMES[3:]:
            (folder / name).touch()
    return tmp_path


segment = st.sampled_from([*NAMES, "*", "**", "*.js", "?", "[ab]", "[!a]", "l*b", "x.*"])
pattern = st.builds(
    lambda bang, lead, segments, tail: bang + lead + "/".join(segments) + tail,
    st.sampled_from(["", "", "", "!"]),
    st.sampled_from(["", "", "/"]),
    st.lists(segment, min_size=1, max_size=3),
    st.sampled_from(["", "", "/", " ", "\r"]),
)
ignore_file = st.lists(st.one_of(pattern, st.sampled_from(["", "# a", "\\#", "[z-", "/", "!"])), max_size=5)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.dictionaries(st.sampled_from(["", "a", "a/b", "lib"]), ignore_file, max_size=3))
def test_agrees_with_git(repository: Path, files: dict[str, list[str]]) -> None:
    for old in repository.rglob(".gitignore"):
        old.unlink()
    for folder, lines in files.items():
        (repository / folder / ".gitignore").write_text("\n".join(lines) + "\n")
    rules = WatchRules(repository, ext=frozenset({"js"}))
    paths = [str(path.relative_to(repository)) for path in repository.rglob("*.js")]
    ours = {path for path in paths if not rules.wants(repository / path)}
    assert ours == ignored_by_git(repository, paths)


def test_files_above_the_project_count_up_to_the_top_of_the_repository(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.js\n")
    top = tmp_path / "top"
    (top / "packages" / "bot").mkdir(parents=True)
    git(top, "init", "-q")
    (top / ".gitignore").write_text("/packages/bot/gen.js\n")
    (top / "packages" / ".gitignore").write_text("*.ts\n")
    bot = top / "packages" / "bot"
    rules = WatchRules(bot)
    assert [name for name in ("gen.js", "x.js", "x.ts") if rules.wants(bot / name)] == ["x.js"]


def test_ignored_folder_that_the_user_names_is_watched(tmp_path: Path) -> None:
    dist = tmp_path / "build" / "dist"
    dist.mkdir(parents=True)
    (tmp_path / ".gitignore").write_text("build/\n*.gen.js\n")
    (dist / ".gitignore").write_text("inner.js\n")
    rules = WatchRules(tmp_path, paths=(Path("build/dist"),))
    assert rules.wants(dist / "x.js")
    assert not rules.wants(dist / "inner.js")
    assert not WatchRules(tmp_path).wants(dist / "x.js")


def test_environment_files_and_the_configuration_count_although_ignored(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text(".env*\nscanonce.toml\nconfig.json\n")
    rules = WatchRules(tmp_path)
    assert rules.wants(tmp_path / ".env")
    assert rules.wants(tmp_path / ".env.local")
    assert rules.wants(tmp_path / "scanonce.toml")
    assert not rules.wants(tmp_path / "config.json")
    assert WatchRules(tmp_path, gitignore=False).wants(tmp_path / "config.json")


def test_unreadable_malformed_and_odd_files_are_survived(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes(b"\xef\xbb\xbfbom.js\r\n\xff\xfe*\n[\n***/\x00\nlast.js")
    (tmp_path / "sub" / ".gitignore").mkdir(parents=True)
    rules = WatchRules(tmp_path)
    assert not rules.wants(tmp_path / "bom.js")
    assert not rules.wants(tmp_path / "last.js")
    assert rules.wants(tmp_path / "sub" / "x.js")


def test_git_is_there() -> None:
    assert shutil.which("git"), "the comparison with git needs git"
