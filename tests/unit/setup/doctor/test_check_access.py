"""Who may read and write what is kept, and whether git would publish it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.setup.doctor import check_access, check_leftovers
from supervisor.setup.doctor.runner import apply_fixes
from tests.helpers.shell import make_session
from tests.unit.setup.doctor.conftest import Bot, only


class TestPermissions:
    @pytest.fixture
    def open_bot(self, bot: Bot) -> Iterator[Bot]:
        """A bot in a folder to which anybody can go; the one that pytest gives is closed to others."""
        with tempfile.TemporaryDirectory(prefix="scanonce-", dir="/tmp") as place:
            Path(place).chmod(0o755)
            bot.folder = Path(place)
            yield bot

    def test_what_others_can_read_is_closed(self, open_bot: Bot) -> None:
        profile = make_session(open_bot.folder).path
        cache, state = open_bot.folder / ".session-cache", open_bot.folder / "session-state.json"
        for folder in (profile.parent, profile, profile / "Default", cache):
            folder.chmod(0o755)
        state.chmod(0o644)
        project = open_bot.project()
        found = [one for one in check_access.permissions(project) if one.name == "privacy"]
        assert [(one.verdict, one.subject) for one in found] == [("problem", str(p)) for p in (profile, cache, state)]
        assert "mode 0755" in found[0].seen
        assert found[0].remedy == f"chmod 700 {profile}; so does --fix."
        assert all(one.done for one in apply_fixes(found, project))
        assert [path.stat().st_mode & 0o777 for path in (profile, cache, state)] == [0o700, 0o700, 0o600]
        assert open_bot.one(check_access.permissions, "privacy").verdict == "ok"

    def test_as_chromium_leaves_it_no_more_than_names_can_be_seen(self, open_bot: Bot) -> None:
        profile = make_session(open_bot.folder).path
        for folder in (profile.parent, profile):
            folder.chmod(0o755)  # by whatsapp-web.js
        (profile / "Default").chmod(0o700)  # by Chromium
        assert open_bot.one(check_access.permissions, "privacy").verdict == "ok"

    def test_behind_a_closed_folder_nothing_is_open(self, open_bot: Bot) -> None:
        profile = make_session(open_bot.folder).path
        profile.chmod(0o755)
        open_bot.folder.chmod(0o700)
        assert open_bot.one(check_access.permissions, "privacy").verdict == "ok"

    def test_what_has_been_changed_since_the_look_is_left_alone(self, open_bot: Bot) -> None:
        cache = open_bot.folder / ".session-cache"
        cache.mkdir(mode=0o755)
        project = open_bot.project()
        found = [one for one in check_access.permissions(project) if one.name == "privacy"]
        cache.chmod(0o711)
        apply_fixes(found, project)
        assert cache.stat().st_mode & 0o777 == 0o711
        cache.rmdir()
        cache.symlink_to(open_bot.programs)
        before = open_bot.programs.stat().st_mode
        (refused,) = apply_fixes(found, project)
        assert not refused.done
        assert open_bot.programs.stat().st_mode == before

    def test_somebody_elses_project(self, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
        assert bot.one(check_access.permissions, "owner").verdict == "ok"
        own = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: own + 1)
        project = bot.project()
        found = only(check_access.permissions(project), "owner")
        assert found.verdict == "problem"
        (bot.folder / ".session-cache").mkdir()
        make_session(bot.folder).path.joinpath("SingletonLock").symlink_to("other-1")
        project = bot.project()
        fixes = apply_fixes(check_leftovers.leftovers(project), project)
        assert fixes
        assert not any(one.done for one in fixes)

    def test_a_cache_of_another_user(self, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
        cache = bot.folder / ".session-cache"
        cache.mkdir()
        project = bot.project()
        assert project.other_owner is None
        monkeypatch.setattr(os, "geteuid", lambda: cache.stat().st_uid + 1)
        found = only(check_access.permissions(project), "owner")
        assert (found.verdict, "chown" in found.remedy) == ("problem", True)

    def test_a_folder_that_may_not_be_written_to(self, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
        assert bot.one(check_access.permissions, "writable").verdict == "ok"
        monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != bot.folder)  # root may write everywhere
        assert bot.one(check_access.permissions, "writable").verdict == "problem"


class TestGit:
    @pytest.fixture
    def repository(self, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> Bot:
        program = shutil.which("git", path=os.defpath)
        assert program, "git is needed"
        (bot.programs / "git").symlink_to(program)
        for name in [name for name in os.environ if name.startswith("GIT_")]:
            monkeypatch.delenv(name)
        self.git(bot, "init", "-q")
        return bot

    def git(self, bot: Bot, *words: str) -> None:
        subprocess.run(["git", *words], cwd=bot.folder, check=True)

    def test_outside_of_git_there_is_nothing_to_ignore(self, bot: Bot) -> None:
        assert [(one.name, one.verdict) for one in bot.look(check_access.git)] == [("gitignore", "ok")]

    def test_what_is_not_ignored_is_added(self, repository: Bot) -> None:
        repository.write({".gitignore": "node_modules/"})  # without a line end
        make_session(repository.folder)
        (repository.folder / "sessions/session-97150/x y").mkdir()
        project = repository.project()
        found = only(check_access.git(project), "gitignore")
        assert (found.verdict, "sessions/" in found.seen) == ("problem", True)
        assert [one.done for one in apply_fixes([found], project)] == [True]
        lines = ["node_modules/", ".session-cache/", "sessions/", "session-state.json"]
        assert (repository.folder / ".gitignore").read_text().splitlines() == lines
        assert repository.one(check_access.git, "gitignore").verdict == "ok"

    def test_odd_names_become_patterns_that_fit(self, repository: Bot) -> None:
        repository.write({"scanonce.toml": '[session]\nprofiles = ["#a [b]*/x!", "!c"]\ncache = "my cache"\n'})
        project = repository.project()
        assert apply_fixes([only(check_access.git(project), "gitignore")], project)[0].done
        assert repository.one(check_access.git, "gitignore").verdict == "ok"

    def test_a_gitignore_that_is_a_link_is_left_alone(self, repository: Bot) -> None:
        target = repository.home / "elsewhere"
        target.write_text("")
        (repository.folder / ".gitignore").symlink_to(target)
        project = repository.project()
        assert not apply_fixes([only(check_access.git(project), "gitignore")], project)[0].done
        assert target.read_text() == ""

    def test_what_is_committed_already(self, repository: Bot) -> None:
        make_session(repository.folder)
        assert repository.one(check_access.git, "committed").verdict == "ok"
        self.git(repository, "add", "sessions")
        found = repository.one(check_access.git, "committed")
        assert (found.verdict, "git rm -r --cached -- sessions/" in found.remedy) == ("problem", True)

    def test_without_git_or_in_a_broken_repository_it_says_why(self, repository: Bot) -> None:
        shutil.rmtree(repository.folder / ".git")
        (repository.folder / ".git").write_text("gitdir: /nowhere")
        found = repository.one(check_access.git, "gitignore")
        assert (found.verdict, "not a git repository" in found.seen) == ("unknown", True)
        (repository.programs / "git").unlink()
        assert "not installed" in repository.one(check_access.git, "gitignore").seen
