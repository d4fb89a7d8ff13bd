from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.watch.rules import NEVER_FOLDERS, WatchRules

ROOT = Path("/project")

names = st.sampled_from(["src", "lib", "sessions", "session-1", "tokens", ".git", "node_modules", "x.js", ".env", "a"])
relative = st.lists(names, min_size=1, max_size=5).map(lambda parts: "/".join(parts))


@pytest.mark.parametrize(
    "name", ["index.js", "a.mjs", "a.cjs", "a.ts", "a.tsx", "a.jsx", "a.json", "a.py", ".env", ".env.local", "A.JS"]
)
def test_watched_by_default(name: str) -> None:
    assert WatchRules(ROOT).wants(ROOT / "src" / name)


def test_a_project_may_lie_in_the_root_folder() -> None:
    assert WatchRules(Path("/")).wants(Path("/index.js"))
    assert not WatchRules(Path("/"), excluded=(Path("/sessions/session-1"),)).wants(Path("/sessions/session-1/x.js"))


def test_the_configuration_is_watched_where_it_lies() -> None:
    assert WatchRules(ROOT).wants(ROOT / "scanonce.toml")
    assert not WatchRules(ROOT).wants(ROOT / "src" / "scanonce.toml")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("node_modules/x/index.js", "node_modules holds installed packages"),
        ("src/node_modules/x.js", "node_modules holds installed packages"),
        (".git/x.json", ".git holds version control"),
        (".session-cache/backup-1/manifest.json", ".session-cache holds snapshots of the sessions"),
        (".wwebjs_auth/session/x.json", ".wwebjs_auth holds browser profiles"),
        (".wwebjs_cache/x.json", ".wwebjs_cache holds a cache"),
        ("sessions/session-971/Default/Preferences.json", "session-971 is a browser profile"),
        ("tokens/971/x.json", "971 is a browser profile"),
        (".cache/x.js", ".cache holds a cache"),
        ("logs/x.json", "logs holds logs"),
        (".vscode/settings.json", ".vscode is hidden"),
        ("bot.log", "bot.log is a temporary file or a log"),
        ("session-state.json", "session-state.json is written by the supervisor"),
        ("scanonce.schema.json", "scanonce.schema.json is read by editors only"),
        ("device-status.json", "device-status.json is written by the bot"),
        (".eslintrc.js", ".eslintrc.js is hidden"),
        (".env.swp", ".env.swp is a temporary file or a log"),
        (".env~", ".env~ is a temporary file or a log"),
        ("a.js~", "a.js~ is a temporary file or a log"),
        ("a.js___jb_tmp___", "a.js___jb_tmp___ is a temporary file or a log"),
        ("4913", "4913 is a temporary file or a log"),
        ("README.md", "its extension is not watched"),
        ("../other/x.js", "outside of the watched paths"),
    ],
)
def test_not_watched(path: str, reason: str) -> None:
    rules = WatchRules(ROOT)
    assert not rules.wants(ROOT / path)
    assert rules.why(ROOT / path) == f"not watched: {reason}"


def test_why_of_what_is_watched() -> None:
    rules = WatchRules(ROOT, paths=(Path("Makefile"), Path()))
    assert rules.why(ROOT / "a.js") == "watched: extension js"
    assert rules.why(Path("scanonce.toml")) == "watched: the configuration"
    assert rules.why(ROOT / ".env.test") == "watched: an environment file"
    assert rules.why(ROOT / "Makefile") == "watched: named by the user"


def test_tokens_and_sessions_of_other_kinds_are_source() -> None:
    rules = WatchRules(ROOT)
    assert rules.wants(ROOT / "src" / "tokens" / "lexer.js")
    assert rules.wants(ROOT / "src" / "sessions" / "store.js")


def test_own_extensions() -> None:
    rules = WatchRules(ROOT, ext=frozenset({"html", ".d.ts"}))
    assert rules.wants(ROOT / "a.html")
    assert rules.wants(ROOT / "a.d.ts")
    assert not rules.wants(ROOT / "a.ts")
    assert not rules.wants(ROOT / ".env")


def test_no_extensions_means_every_file() -> None:
    rules = WatchRules(ROOT, ext=frozenset())
    assert rules.wants(ROOT / "Makefile")
    assert rules.wants(ROOT / ".env")
    assert not rules.wants(ROOT / ".hidden")


@pytest.mark.parametrize(
    ("ignore", "ignored", "kept"),
    [
        ("data/", "data/a.js", "src/a.js"),
        ("data/", "src/data/a.js", "data.js"),
        ("./data/*.json", "data/a.json", "src/data/a.json"),
        ("/project/data.json", "data.json", "src/data.json"),
        ("*.test.js", "src/a.test.js", "src/a.js"),
        ("test/*", "test/a.js", "src/test/a.js"),
        ("**/fixtures/**", "a/fixtures/b/c.js", "a/fixture.js"),
    ],
)
def test_ignore_patterns(ignore: str, ignored: str, kept: str) -> None:
    rules = WatchRules(ROOT, ignore=(ignore,))
    assert not rules.wants(ROOT / ignored)
    assert rules.wants(ROOT / kept)


def test_negated_ignore_pattern_brings_back() -> None:
    rules = WatchRules(ROOT, ignore=("lib/*", "!lib/keep.js"))
    assert rules.wants(ROOT / "lib" / "keep.js")
    assert not rules.wants(ROOT / "lib" / "other.js")


def test_ignore_outside_of_the_project() -> None:
    rules = WatchRules(ROOT, paths=(Path("../shared"),), ignore=("/shared/gen", "*.test.js"))
    assert rules.wants(Path("/shared/x.js"))
    assert not rules.wants(Path("/shared/gen/x.js"))
    assert not rules.wants(Path("/shared/x.test.js"))


def test_watched_paths_are_all_there_is() -> None:
    rules = WatchRules(ROOT, paths=(Path("src"), Path("/elsewhere"), Path("config.yaml")))
    assert rules.wants(ROOT / "src" / "deep" / "x.js")
    assert rules.wants(Path("/elsewhere/x.js"))
    assert rules.wants(ROOT / "config.yaml")
    assert not rules.wants(ROOT / "index.js")
    assert not rules.wants(ROOT / "src2" / "x.js")
    assert not rules.enters(str(ROOT))


def test_named_path_is_meant_wherever_it_lies() -> None:
    rules = WatchRules(ROOT, paths=(Path("node_modules/mine"), Path(".config"), Path("logs/x.log")))
    assert rules.wants(ROOT / "node_modules" / "mine" / "x.js")
    assert rules.wants(ROOT / ".config" / "x.js")
    assert rules.wants(ROOT / "logs" / "x.log")
    assert not rules.wants(ROOT / "node_modules" / "other" / "x.js")
    assert not rules.wants(ROOT / "node_modules" / "mine" / "node_modules" / "x.js")


@pytest.mark.parametrize(
    ("glob", "wanted", "unwanted"),
    [
        ("src/*.js", ["src/a.js"], ["src/a.ts", "src/deep/a.js", "a.js"]),
        ("src/**/*.ts", ["src/a.ts", "src/b/c/a.ts"], ["src/a.js"]),
        ("*.yaml", ["a.yaml"], ["a.js", "src/a.yaml"]),
        ("src/*", ["src/a.js"], ["src/README.md", "src/b/a.js"]),
        ("src/[ab]/x.js", ["src/a/x.js"], ["src/c/x.js", "src/a/y.js"]),
    ],
)
def test_watched_patterns(glob: str, wanted: list[str], unwanted: list[str]) -> None:
    rules = WatchRules(ROOT, paths=(Path(glob),))
    assert [p for p in wanted + unwanted if rules.wants(ROOT / p)] == wanted


def test_pattern_goes_no_deeper_than_it_reaches() -> None:
    rules = WatchRules(ROOT, paths=(Path("src/*/x.js"),))
    assert rules.enters("/project/src")
    assert rules.enters("/project/src/a")
    assert not rules.enters("/project/src/a/b")


def test_file_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "[id].ts").touch()
    rules = WatchRules(tmp_path, paths=(Path("[id].ts"),))
    assert rules.wants(tmp_path / "[id].ts")
    assert not rules.wants(tmp_path / "i.ts")


def test_excluded_wins_over_everything(tmp_path: Path) -> None:
    real = tmp_path / "real"
    (real / "profile").mkdir(parents=True)
    (tmp_path / "link").symlink_to(real)
    root = tmp_path / "link"
    # Chromium's command line may carry the real path.
    rules = WatchRules(root, paths=(Path("profile"), Path()), excluded=(real / "profile",))
    assert not rules.wants(root / "profile" / "x.js")
    assert not rules.enters(str(root / "profile"))
    assert rules.wants(root / "x.js")
    assert not rules.excluding(Path("x.js")).wants(root / "x.js")


@given(path=relative, paths=st.lists(relative, max_size=2), ignore=st.lists(relative, max_size=2))
def test_a_file_counts_only_where_its_folder_is_entered(path: str, paths: list[str], ignore: list[str]) -> None:
    rules = WatchRules(ROOT, tuple(map(Path, paths)), ignore=tuple(ignore), gitignore=False)
    full = ROOT / path
    if rules.wants(full) and path not in paths:
        assert rules.enters(str(full.parent))
    if rules.enters(str(full)) and path not in paths:
        assert rules.enters(str(full.parent))


@given(path=relative, paths=st.lists(relative, max_size=2))
def test_nothing_below_a_folder_that_never_counts(path: str, paths: list[str]) -> None:
    rules = WatchRules(ROOT, tuple(map(Path, paths)), gitignore=False)
    named = [PurePosixPath(p) for p in paths]
    never = [p for p in PurePosixPath(path).parents if p.name in NEVER_FOLDERS]
    if never and not any(base.is_relative_to(folder) for base in named for folder in never):
        assert not rules.wants(ROOT / path)


@given(st.binary(min_size=1, max_size=12).filter(lambda raw: b"\0" not in raw and b"/" not in raw))
def test_any_name_can_be_asked_about(raw: bytes) -> None:
    rules = WatchRules(ROOT, ignore=("*.[!a]x", "src/"), ext=frozenset())
    path = ROOT / os.fsdecode(raw)
    assert rules.why(path).startswith("watched: " if rules.wants(path) else "not watched: ")
