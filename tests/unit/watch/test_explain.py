from __future__ import annotations

from pathlib import Path

from supervisor.watch.explain import explain
from supervisor.watch.rules import WatchRules


def test_what_is_watched_and_what_is_not(project: Path) -> None:
    (project / ".gitignore").write_text("dist/\n*.gen.js\n")
    (project / "dist").mkdir()
    (project / "README.md").touch()
    (project / "src" / "x.gen.js").touch()
    (project / "a.js~").touch()
    (project / "b.log").touch()
    rules = WatchRules(project, paths=(Path(), Path("later")), excluded=(project / "profile",))
    (project / "profile").mkdir()
    assert list(explain(rules).lines()) == [
        "watched: 4 files in 3 folders",
        "  3  extension js",
        "  1  an environment file",
        "folders, with their files that count:",
        "  ./  2",
        "  src/  1",
        "  src/lib/  1",
        "not looked into:",
        f"  dist/  {project}/.gitignore says dist/",
        "  node_modules/  node_modules holds installed packages",
        f"  profile/  {project}/profile is excluded: a browser profile, or written by the bot",
        "  later/  does not exist yet",
        "files that do not count:",
        "  2  a temporary file or a log",
        "  1  hidden",
        "  1  its extension is not watched",
        f"  1  {project}/.gitignore says *.gen.js",
    ]


def test_a_link_that_is_not_followed_is_told(project: Path) -> None:
    shared = project.parent / "shared"
    shared.mkdir()
    (project / "src" / "again").symlink_to(project / "src")
    (project / "src" / "up").symlink_to(project.parent)
    for name in ("one", "two"):
        (project / name).symlink_to(shared)
    found = explain(WatchRules(project))
    assert project / "one" in found.folders
    assert (
        found.left_out.items()
        >= {
            project / "src" / "again": f"leads to {project}/src, which holds this link",
            project / "src" / "up": f"leads to {project.parent}, which holds this link",
            project / "two": f"leads to {shared}, which is followed already",
        }.items()
    )


def test_of_no_folder_there_is_no_list(project: Path) -> None:
    assert list(explain(WatchRules(project, paths=(Path("later"),))).lines()) == [
        "watched: 0 files in 0 folders",
        "not looked into:",
        "  later/  does not exist yet",
    ]


def test_single_files_and_folders_elsewhere(project: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    rules = WatchRules(project, paths=(Path("index.js"), shared))
    assert list(explain(rules).lines()) == [
        "watched: 1 file in 2 folders",
        "  1  named by the user",
        "folders, with their files that count:",
        "  ./  1",
        f"  {shared}/  0",
    ]
