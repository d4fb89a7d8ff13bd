"""The script in a command, and what is said if it is not there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from supervisor.process.script import named_script, require_script
from supervisor.process.spawn import CommandError


@pytest.mark.parametrize(
    ("command", "script"),
    [
        ("node index.js", "index.js"),
        ("/usr/bin/node --no-warnings -r dotenv/config src/bot.mjs --port 3", "src/bot.mjs"),
        ("node -r whatsapp-web.js index.js", "index.js"),
        ("node --env-file=.env --import ./x.mjs a.ts", "a.ts"),
        ("node . index.js", None),
        ("node bot", None),
        ("node -e 1 index.js", None),
        ("node --eval=1 index.js", None),
        ("node --test a.test.js", None),
        ("node", None),
        ("npm run index.js", None),
        ("python3.11 bot.py", "bot.py"),
        ("python -m bot x.py", None),
        ("tsx watch a.ts", None),
        ("bun run a.ts", None),
        ("bun a.ts", "a.ts"),
        ("sh -c x.js", None),
    ],
)
def test_the_script_of_a_command(command: str, script: str | None) -> None:
    assert named_script(command.split()) == script


def refusal(folder: Path, *command: str) -> str:
    with pytest.raises(CommandError) as caught:
        require_script(command, folder)
    assert caught.value.code == 127
    return str(caught.value)


def test_one_that_is_there_is_not_refused(tmp_path: Path) -> None:
    (tmp_path / "index.js").touch()
    for command in (["node", "index.js"], ["node", str(tmp_path / "index.js")], ["nosuch", "gone.js"]):
        require_script(command, tmp_path)


@pytest.mark.parametrize("command", [["tsx", "bot.js"], ["node", "--import", "tsx", "bot.js"]])
def test_a_loader_may_run_another_file_in_its_place(tmp_path: Path, command: Sequence[str]) -> None:
    refusal(tmp_path, *command)
    (tmp_path / "bot.ts").touch()
    require_script(command, tmp_path)
    refusal(tmp_path, "node", "bot.js")


def test_what_may_have_been_meant_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path, "node", "a.js").endswith("Go to the bot's folder, or name it with -C FOLDER")
    assert "src is not a folder" in refusal(tmp_path, "node", "src/a.js")
    (tmp_path / "index.js").touch()
    assert refusal(tmp_path, "node", "idnex.js").endswith(f"no idnex.js in {tmp_path}. Did you mean index.js?")
    assert refusal(tmp_path, "node", "nosuch.js").endswith(". There is index.js")
    for number in range(5):
        (tmp_path / f"z{number}.py").touch()
    assert refusal(tmp_path, "node", "nosuch.js").endswith(". There are index.js, z0.py, z1.py, z2.py and 2 more")
    (tmp_path / "package.json").write_text('{"scripts": {"dev": "node index.js", "odd": 5}}')
    assert refusal(tmp_path, "node", "nosuch.js").endswith(". package.json has the script dev (node index.js)")


@pytest.mark.parametrize("text", ["[", "[]", '{"scripts": 5}'])
def test_a_package_that_cannot_be_read_gives_no_hint(tmp_path: Path, text: str) -> None:
    (tmp_path / "package.json").write_text(text)
    assert "package.json" not in refusal(tmp_path, "node", "nosuch.js")
