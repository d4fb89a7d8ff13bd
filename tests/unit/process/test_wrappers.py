"""The bot is found behind whatever starts it for the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from supervisor.process.table import ProcessEntry
from supervisor.process.wrappers import runner_name, unwrap

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
