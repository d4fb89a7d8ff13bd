"""The configuration and the state file."""

from __future__ import annotations

import pytest

from supervisor.config.issues import ConfigError
from supervisor.setup.doctor import check_configuration, check_sessions
from tests.helpers import build
from tests.unit.setup.doctor.conftest import Bot, only


class TestConfiguration:
    def test_every_mistake_is_told_and_the_rest_is_looked_at(self, bot: Bot) -> None:
        bot.write({"scanonce.toml": "[stop]\ngrace = 5\nodrer = 1\n"})
        found = [one for one in bot.look(check_configuration.configuration) if one.name == "configuration"]
        assert [one.verdict for one in found] == ["problem", "problem"]
        assert "scanonce.toml:2: stop.grace" in found[0].seen
        assert found[1].seen.endswith("did you mean stop.order?")
        assert bot.project().config.stop.order == "browser-first"

    def test_a_sound_one_and_none(self, bot: Bot) -> None:
        assert bot.one(check_configuration.configuration, "configuration").verdict == "ok"
        bot.write({"scanonce.toml": '[stop]\ngrace = "5s"\n'})
        assert bot.one(check_configuration.configuration, "configuration").verdict == "ok"

    def test_a_project_that_is_no_folder(self, bot: Bot) -> None:
        bot.folder.rmdir()
        with pytest.raises(ConfigError):
            bot.project()

    def test_a_state_file_that_makes_no_sense_is_left_as_it_is(self, bot: Bot) -> None:
        assert bot.one(check_configuration.configuration, "state-file").verdict == "ok"
        damaged = '{\n  "writtenBy": "scanonce", no'
        bot.write({"session-state.json": damaged})
        build.profile(bot.folder / "sessions/session-1")
        project = bot.project()
        assert only(check_configuration.configuration(project), "state-file").verdict == "problem"
        assert [profile.id for profile in project.profiles] == ["1"]
        assert list(check_sessions.sessions(project))
        assert sorted(path.name for path in bot.folder.iterdir()) == ["session-state.json", "sessions"]
        assert (bot.folder / "session-state.json").read_text() == damaged

    @pytest.mark.parametrize("contents", [None, "{}", '{"timestamp": 1, "version": "1.0", "accounts": {}}'])
    def test_a_state_file_of_another_program_is_named_and_hides_nothing_else(
        self, bot: Bot, contents: str | None
    ) -> None:
        if contents is None:
            (bot.folder / "session-state.json").mkdir()
        else:
            bot.write({"session-state.json": contents})
        build.profile(bot.folder / "sessions/session-1")
        project = bot.project()
        found = only(check_configuration.configuration(project), "state-file")
        assert found.verdict == "warning"
        assert "is left alone and not believed" in found.seen
        assert [profile.id for profile in project.profiles] == ["1"]
        assert list(check_sessions.sessions(project))
