"""The limits on watching files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from supervisor.setup.doctor import check_inotify
from tests.unit.setup.doctor.conftest import Bot


class TestInotify:
    @pytest.fixture
    def kernel(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = tmp_path / "inotify"
        folder.mkdir()
        (folder / "max_user_watches").write_text("100000000\n")
        (folder / "max_user_instances").write_text("100000\n")
        monkeypatch.setattr(check_inotify, "_LIMITS", folder)
        return folder

    def test_enough(self, bot: Bot, kernel: Path) -> None:
        bot.write({"a/b/c.js": "", "node_modules/x/index.js": ""})
        found = bot.one(check_inotify.inotify, "inotify")
        assert (found.verdict, "takes 3 of the 100000000" in found.seen) == ("ok", True)

    @pytest.mark.parametrize("name", ["max_user_watches", "max_user_instances"])
    def test_too_few(self, bot: Bot, kernel: Path, name: str) -> None:
        (kernel / name).write_text("0")
        found = bot.one(check_inotify.inotify, "inotify")
        assert (found.verdict, f"sysctl fs.inotify.{name}=" in found.remedy) == ("problem", True)

    def test_not_to_be_read(self, bot: Bot, kernel: Path) -> None:
        (kernel / "max_user_watches").write_text("?")
        assert bot.one(check_inotify.inotify, "inotify").verdict == "unknown"

    def test_those_in_use_are_counted(self, bot: Bot, kernel: Path) -> None:
        from supervisor.watch.inotify import InotifySource

        source = InotifySource()
        try:
            source.add(str(bot.folder))
            seen = bot.one(check_inotify.inotify, "inotify").seen
        finally:
            source.close()
        used = re.search(r"(\d+) are in use, and (\d+) of", seen)
        assert used is not None
        assert int(used[1]) >= 1
        assert int(used[2]) >= 1
