"""What the doctor says of the bot's environment."""

from __future__ import annotations

import pytest

from supervisor.process.start_gate import StartGate, without_gate
from supervisor.setup.doctor import check_environment
from supervisor.setup.doctor.running_bot import RunningBot
from tests.unit.setup.doctor.conftest import Bot, only


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("PUPPETEER_EXECUTABLE_PATH", "/usr/bin/chromium", "/usr/bin/chromium"),
        ("CHROME_PATH", "/home/a@b/chrome", "/home/a@b/chrome"),
        ("https_proxy", "http://anna:secret1@proxy:3128", "http://***@proxy:3128"),
        ("HTTP_PROXY", "anna:sec/ret1@proxy:3128", "***@proxy:3128"),
        ("PUPPETEER_BROWSER_URL", "wss://chrome.example/?x=secret1", "wss://chrome.example/?***"),
        ("PUPPETEER_API_TOKEN", "secret1", "***"),
        ("NODE_OPTIONS", "--inspect --token=secret1 -r ./x.js", "--inspect --token=*** -r ./x.js"),
        ("NODE_OPTIONS", f"--title={'x' * 200}", f"--title={'x' * 111}…"),
    ],
)
def test_what_is_shown_of_a_variable(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, name: str, value: str, shown: str
) -> None:
    for other in ("NODE_EXTRA_CA_CERTS", "NODE_OPTIONS", "CHROME_PATH"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, value)
    seen = bot.one(check_environment.environment, "environment").seen
    assert f" {name}={shown}" in seen
    assert "secret1" not in seen
    assert "ret1" not in seen


class TestRunning:
    def seen(self, bot: Bot, monkeypatch: pytest.MonkeyPatch, **variables: str) -> tuple[str, str]:
        project = bot.project()
        monkeypatch.setattr(project, "supervisor", 1, raising=False)
        monkeypatch.setattr(project, "running", RunningBot(17, variables), raising=False)
        found = only(check_environment.environment(project), "environment")
        return str(found.verdict), found.seen

    def test_what_differs_in_this_terminal_is_named(self, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CHROME_PATH", "/another")
        monkeypatch.setenv("API_TOKEN", "of no interest")
        verdict, seen = self.seen(bot, monkeypatch, CHROME_PATH="/usr/bin/chromium", OTHER="of no interest")
        assert verdict == "ok"
        assert "The running bot (process 17) got CHROME_PATH=/usr/bin/chromium. This terminal differs in" in seen
        assert "CHROME_PATH" in seen.partition("differs in")[2]
        assert "no interest" not in seen

    def test_a_changed_configuration_is_not_in_force_yet(self, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
        bot.write({"scanonce.toml": '[bot]\nenv = { API_TOKEN = "secret1" }\n'})
        verdict, seen = self.seen(bot, monkeypatch, API_TOKEN="secret0")
        assert (verdict, "other values, or none: API_TOKEN." in seen, "secret" in seen) == ("warning", True, False)

    def test_a_bot_that_may_not_be_asked(self, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
        project = bot.project()
        monkeypatch.setattr(project, "supervisor", 1, raising=False)  # has started no bot
        assert only(check_environment.environment(project), "environment").verdict == "unknown"


@pytest.mark.parametrize("given", [{}, {"NODE_OPTIONS": "--inspect -r x"}, {"NODE_OPTIONS": ""}])
def test_the_wait_before_a_start_is_no_part_of_the_environment(given: dict[str, str]) -> None:
    gate = StartGate()
    try:
        assert without_gate(gate.environment({"A": "b", **given})) == {"A": "b", **given}
    finally:
        gate.close()
