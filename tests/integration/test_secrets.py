"""No secret of a command line or an environment is in anything that scanonce says or keeps."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from supervisor.log.redact import Redactor, command, names_secret
from tests.helpers import shell
from tests.helpers.command import Project

#: Each is given to the bot in another way.
CANARIES = [f"canary{number}Zq8" for number in range(9)]


def holders(*folders: Path) -> list[str]:
    """The files that have a secret in them."""
    found = []
    for folder in folders:
        for file in folder.rglob("*"):
            if file.is_file() and not file.is_symlink() and file.name not in {"scanonce.toml", "crash.py"}:
                content = file.read_bytes()
                found += [f"{file}: {canary}" for canary in CANARIES if canary.encode() in content]
    return found


@pytest.mark.parametrize("form", ["json", "console"])
async def test_no_secret_is_said_or_kept(project: Project, form: str) -> None:
    plain, telling, inherited, flag, assigned, url, positional, header, given = CANARIES
    project.configure(
        f'[bot.env]\nPLAIN = "{plain}"\nDB_PASSWORD = "{telling}"\n[restart]\nlimit = 2\nbackoff_initial = "20ms"\n'
    )
    crash = project.touch("crash.py", "import os, sys\nsys.exit('TOKEN_OF_SERVICE' not in os.environ)")
    bot = [
        *[sys.executable, str(crash), "--api-token", flag, f"--db-password={assigned}", f"postgres://bot:{url}@db/x"],
        *[inherited, positional, "-H", f"Authorization: Bearer {header}", f"API_KEY={given}"],
    ]
    environment = {"TOKEN_OF_SERVICE": inherited, "MY_SECRET": positional, "UNSUSPICIOUS": plain}
    options = ["--verbose", *(["--log-format", form] if form == "console" else [])]
    running = await project.start("run", command=bot, options=options, environment=environment)
    assert await running.ends() in {3, 4}
    said = running.told() + running.out.decode()
    assert not [canary for canary in CANARIES if canary in said], said
    assert not holders(project.folder, project.home / "state", project.runtime)
    shown = shell.run(project.folder, "logs", "--json", "--verbose", "-n", "all", env=project.environment)
    assert '"bot.starting"' in shown.out
    assert not [canary for canary in CANARIES if canary in shown.out]


def test_a_wrong_environment_in_the_configuration_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "scanonce.toml").write_text(f'[bot]\nenv = {{ A = ["{CANARIES[0]}"], B = "x\\u0000{CANARIES[1]}" }}\n')
    ended = shell.invoke(tmp_path, "run")
    assert ended.status == 2
    assert "bot.env.A" in ended.err
    assert not [canary for canary in CANARIES if canary in ended.out + ended.err]


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["node", "index.js"], ["node", "index.js"]),
        (["node", "--token", "a b", "x"], ["node", "--token", "***", "x"]),
        (["node", "--token", "--verbose"], ["node", "--token", "--verbose"]),
        (["node", "--dbPassword=x=y"], ["node", "--dbPassword=***"]),
        (["env", "API_KEY=x", "PORT=3000", "node"], ["env", "API_KEY=***", "PORT=3000", "node"]),
        (["node", "redis://:pw@host:1/0"], ["node", "redis://:***@host:1/0"]),
        (["node", "https://user:p%40w@host"], ["node", "https://user:***@host"]),
        (["node", "https://host/a:b@c"], ["node", "https://host/a:b@c"]),
        (["node", "--keyboard", "monkey", "--author=me"], ["node", "--keyboard", "monkey", "--author=me"]),
        (["node", "C:\\bot\\index.js"], ["node", "C:\\bot\\index.js"]),
        (["curl", "-H", "Authorization: Basic abc"], ["curl", "-H", "Authorization: Basic ***"]),
    ],
)
def test_command_lines(argv: list[str], shown: list[str]) -> None:
    assert command(argv) == shown


@pytest.mark.parametrize("name", ["API_TOKEN", "dbPassword", "--auth-key", "DSN", "apiKey", "OPENAI_API_KEY", "jwt"])
def test_telling_names(name: str) -> None:
    assert names_secret(name)


@pytest.mark.parametrize("name", ["PATH", "AUTHOR", "KEYBOARD", "MONKEY", "HOME", "compass", "TOKENIZER", "PORT"])
def test_names_that_tell_nothing(name: str) -> None:
    assert not names_secret(name)


def test_values_are_hidden_as_whole_words_and_never_within_a_path() -> None:
    redactor = Redactor({"SESSION_KEY": "sessions", "A_TOKEN": "short", "B_TOKEN": "s3cr3t"}, {"B_TOKEN": "s3cr3t-er"})
    fields = redactor.fields(
        {"profile": "/bot/sessions/session-1", "problem": "no s3cr3t-er, no 's3cr3t'; sessions", "pids": [1], "n": 0.5}
    )
    assert fields == {"profile": "/bot/sessions/session-1", "problem": "no ***, no '***'; ***", "pids": [1], "n": 0.5}


def test_the_folder_that_a_shell_is_in_is_no_secret_whatever_its_variable_is_called() -> None:
    seen = Redactor({"PWD": "/srv/a-bot", "OLDPWD": "/srv/other", "DB_PWD": "hunter2!"})
    fields = {"project": "/srv/a-bot", "problem": "cannot work in /srv/a-bot: not /srv/other, hunter2!"}
    assert seen.fields(fields) == {"project": "/srv/a-bot", "problem": "cannot work in /srv/a-bot: not /srv/other, ***"}
