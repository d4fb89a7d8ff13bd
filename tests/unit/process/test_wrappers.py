"""The bot is found behind whatever starts it for the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from supervisor.process.table import ProcessEntry
from supervisor.process.wrappers import runner_name, speakers, unwrap

if TYPE_CHECKING:
    from supervisor.process.handle import Handle


def entry(pid: int, parent: int, *argv: str) -> ProcessEntry:
    handle: Handle = None  # type: ignore[assignment]
    return ProcessEntry(handle, pid, parent, 0.0, argv)


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (("npm run dev",), "npm"),  # npm sets its title
        (("npm run dev", "", ""), "npm"),
        (("npm start",), "npm"),
        (("node", "/usr/bin/npm", "run", "dev"), "npm"),
        (("node", "/usr/lib/node_modules/npm/bin/npm-cli.js", "run", "dev"), "npm"),
        (("node", "/usr/share/yarn/bin/yarn.js", "dev"), "yarn"),
        (("node", "/home/u/.nvm/versions/node/v20/bin/pnpm", "dev"), "pnpm"),
        (("/usr/bin/node", "/usr/lib/node_modules/corepack/dist/pnpm.cjs", "dev"), "pnpm"),
        (("node", "/usr/bin/npx", "ts-node", "index.ts"), "npx"),
        (("sh", "-c", "node index.js"), "sh"),
        (("/bin/bash", "-c", "node index.js"), "bash"),
        (("dash", "-e", "-c", "node index.js"), "dash"),
    ],
)
def test_what_only_runs_another_program_is_known(argv: tuple[str, ...], name: str) -> None:
    assert runner_name(entry(1, 0, *argv)) == name


@pytest.mark.parametrize(
    "argv",
    [
        ("node", "index.js"),
        ("node", "/srv/npm-bot/index.js"),
        ("node", "/srv/npm/index.js"),
        ("sh", "start.sh"),  # a program of the user's own, with traps of its own perhaps
        ("python3", "bot.py", "-c", "x"),
        ("bun", "index.ts"),
        (),
        ("",),
    ],
)
def test_a_program_proper_is_not_taken_for_a_wrapper(argv: tuple[str, ...]) -> None:
    assert runner_name(entry(1, 0, *argv)) is None


def test_the_bot_is_found_behind_npm_and_its_shell() -> None:
    tree = [entry(10, 1, "npm run dev"), entry(11, 10, "sh", "-c", "node index.js"), entry(12, 11, "node", "index.js")]
    assert unwrap(10, tree) == (12, ["npm", "sh"])


def test_a_bot_that_is_started_directly_is_the_leader() -> None:
    assert unwrap(10, [entry(10, 1, "node", "index.js"), entry(11, 10, "ffmpeg")]) == (10, [])


def test_a_wrapper_with_several_children_or_none_is_taken_for_the_bot() -> None:
    shell = entry(10, 1, "sh", "-c", "node a.js & node b.js")
    assert unwrap(10, [shell]) == (10, [])
    assert unwrap(10, [shell, entry(11, 10, "node", "a.js"), entry(12, 10, "node", "b.js")]) == (10, [])


def test_the_order_in_which_processes_are_listed_does_not_matter() -> None:
    tree = [entry(12, 11, "node", "index.js"), entry(11, 10, "sh", "-c", "x"), entry(10, 1, "yarn dev")]
    assert unwrap(10, tree)[0] == 12


def test_a_leader_that_is_gone_is_not_made_up() -> None:
    assert unwrap(10, [entry(11, 1, "node")]) == (10, [])


NODE = ("node", "index.js", "--port", "80")


@pytest.mark.parametrize(
    "launcher",
    [
        ("/bin/sh", "/usr/bin/xvfb-run", "-a", *NODE),
        ("timeout", "1h", *NODE),
        ("dbus-run-session", "--", "/usr/local/bin/node", *NODE[1:]),
        ("node", "/app/node_modules/.bin/cross-env", "A=b", *NODE),
    ],
)
def test_the_bot_is_found_behind_what_is_given_its_command_line(launcher: tuple[str, ...]) -> None:
    server = entry(11, 10, "Xvfb", ":99", "-screen", "0", "1280x1024x24")
    alone = [entry(10, 1, *launcher), server]
    assert unwrap(10, alone) == (10, [])
    assert unwrap(10, [*alone, entry(12, 10, *NODE)]) == (12, [])
    behind_npm = [entry(8, 1, "npm start"), entry(9, 8, "sh", "-c", "x"), entry(10, 9, *launcher), server]
    assert unwrap(8, [*behind_npm, entry(12, 10, *NODE)]) == (12, ["npm", "sh"])


@pytest.mark.parametrize(
    ("bot", "child"),
    [
        (("node", "/srv/index.js"), ("node", "/srv/index.js")),  # a worker of node's cluster
        (("node", "index.js", "data.json"), ("convert", "data.json")),
        (("node", "index.js", "--port", "80"), ("redis-server", "--port", "80")),
        (("node", "index.js"), ("node", "worker.js")),
    ],
)
def test_a_bot_is_no_launcher_of_what_it_uses(bot: tuple[str, ...], child: tuple[str, ...]) -> None:
    assert unwrap(10, [entry(10, 1, *bot), entry(11, 10, *child)]) == (10, [])


def heard(*tree: ProcessEntry, browsers: tuple[int, ...] = ()) -> set[int]:
    """The pids of those who speak for a bot whose leader is 10."""
    return speakers(10, tree, browsers)


def test_the_bot_and_what_started_it_speak_for_it_and_what_it_uses_does_not() -> None:
    bot = [entry(10, 1, "npm start"), entry(11, 10, "sh", "-c", "node index.js"), entry(12, 11, "node", "index.js")]
    database = entry(13, 12, "redis-server", "*:6379")
    assert heard(*bot, database) == {10, 11, 12}
    assert heard(entry(10, 1, "node", "index.js"), entry(11, 10, "python3", "-c", "x")) == {10}


def test_a_display_server_does_not_speak_for_the_bot_beside_it() -> None:
    launcher = entry(10, 1, "/bin/sh", "/usr/bin/xvfb-run", "-a", "node", "index.js")
    display = entry(11, 10, "Xvfb", ":99", "-auth", "/tmp/x")
    assert heard(launcher, display) == {10}
    assert heard(launcher, display, entry(12, 10, "node", "index.js")) == {10, 12}


@pytest.mark.parametrize(
    ("launcher", "bot"),
    [
        (("node", "/app/.bin/tsx", "index.ts", "-v"), ("node", "--import", "file:///x/loader.mjs", "index.ts", "-v")),
        (("node", "--watch", "index.js"), ("/usr/bin/node", "index.js")),
        (("uv", "run", "bot.py"), ("/srv/.venv/bin/python3", "bot.py")),
    ],
)
def test_what_runs_the_same_script_in_its_own_way_speaks_for_it(
    launcher: tuple[str, ...], bot: tuple[str, ...]
) -> None:
    assert heard(entry(10, 1, *launcher), entry(11, 10, *bot), entry(12, 10, "esbuild", "--ping")) == {10, 11}


def test_what_leads_to_the_browser_is_the_bot_whatever_has_started_it() -> None:
    script = [entry(10, 1, "sh", "start.sh"), entry(11, 10, "redis-server"), entry(12, 10, "node", "index.js")]
    browser = [entry(13, 12, "chromedriver"), entry(14, 13, "chromium"), entry(15, 14, "chromium --type=renderer")]
    assert heard(*script, *browser) == {10}
    assert heard(*script, *browser, browsers=(14,)) == {10, 12, 13}


def test_the_command_for_it_says_what_the_bot_has_it_say() -> None:
    bot, helper = entry(10, 1, "node", "index.js"), entry(11, 10, "redis-server")
    assert heard(bot, helper, entry(12, 10, "systemd-notify", "--ready")) == {10, 12}
    shell = entry(12, 10, "sh", "-c", "systemd-notify --ready")
    assert heard(bot, helper, shell, entry(13, 12, "systemd-notify", "--ready")) == {10, 13}
    assert heard(bot, helper, entry(12, 11, "systemd-notify", "--ready")) == {10}
