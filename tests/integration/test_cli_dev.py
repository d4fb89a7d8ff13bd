"""`scanonce dev` as nodemon's users type it: flags, scripts, flags that mean nothing; what is watched."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from supervisor import bootstrap
from supervisor.cli.app import app
from supervisor.config.modes import Mode
from supervisor.config.schema import Config
from supervisor.log import logger
from supervisor.supervise.state_machine import Action, After, Policy, begin
from tests.helpers.command import Project
from tests.helpers.shell import Ended, make_session, run


class Asked:
    """What the command line has asked for, in place of a supervisor that would do it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.command: list[str] = []
        self.config = Config()
        self.rest_first = False
        monkeypatch.setattr(bootstrap, "supervise", self._note)
        for name in ("_writer", "_log"):
            monkeypatch.setattr(logger, name, getattr(logger, name))

    def _note(self, project: Path, config: Config, mode: Mode, command: list[str], *, rest_first: bool) -> int:
        assert (project, mode) == (self.folder, Mode.DEV)
        self.command, self.config, self.rest_first = command, config, rest_first
        return 0

    def dev(self, *words: str) -> Asked:
        ended = self.ended(*words)
        assert ended.status == 0, ended.err
        return self

    def ended(self, *words: str) -> Ended:
        result = CliRunner().invoke(app, ["dev", *words])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    monkeypatch.chdir(tmp_path)
    return Asked(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["index.js"], ["node", "index.js"]),
        (["lib/bot.mjs", "--port", "3"], ["node", "lib/bot.mjs", "--port", "3"]),
        (["-w", "src", "index.cjs", "-w"], ["node", "index.cjs", "-w"]),
        (["--", "index.js"], ["index.js"]),
        (["-q", "--", "./index.js", "a"], ["./index.js", "a"]),
        (["node", "index.js"], ["node", "index.js"]),
        (["-x", "npx tsx", "app.ts", "b"], ["npx", "tsx", "app.ts", "b"]),
        (["--exec=npm start"], ["npm", "start"]),
        (["-x", "npm run build && node", "app.js"], ["sh", "-c", 'npm run build && node "$@"', "sh", "app.js"]),
        (["-x", "tsc; node ."], ["sh", "-c", "tsc; node ."]),
        (["-qLV", "index.js"], ["node", "index.js"]),
        (["-d2", "--", "--odd"], ["--odd"]),
    ],
)
def test_what_is_run(asked: Asked, words: list[str], command: list[str]) -> None:
    assert asked.dev(*words).command == command


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ([".", "--port", "3"], ["node", ".", "--port", "3"]),
        (["lib"], ["node", "lib"]),
        (["bot"], ["node", "bot"]),
        (["./bot"], ["node", "./bot"]),
        (["env"], ["env"]),
        (["nobody"], ["nobody"]),
        (["empty"], ["empty"]),
        (["--", "."], ["."]),
    ],
)
def test_a_script_may_be_named_as_node_takes_it(asked: Asked, words: list[str], command: list[str]) -> None:
    for name in ("lib/index.js", "package.json", "bot.js", "env.js", "empty/README.md"):
        (asked.folder / name).parent.mkdir(exist_ok=True)
        (asked.folder / name).touch()
    assert asked.dev(*words).command == command


def test_typescript_is_run_by_what_the_project_has_installed(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    ended = asked.ended("app.ts")
    assert ended.status == 2
    assert "app.ts needs tsx or ts-node, and none is installed here: npm install --save-dev tsx" in ended.err
    tsx = asked.folder / "node_modules" / ".bin" / "tsx"
    tsx.parent.mkdir(parents=True)
    tsx.touch()
    assert asked.dev("app.ts", "x").command == [str(tsx), "app.ts", "x"]


def test_nodemons_flags_say_what_they_say_there(asked: Asked) -> None:
    watch = ["-w", "src", "-w", "lib", "-e", "js,.json ts", "-i", "data/", "-i", "*.log.json", "-L", "-d", "2.5"]
    config = asked.dev(*watch, "-s", "SIGINT", "--on-change-only", "index.js").config
    assert [str(path) for path in config.watch.paths] == ["src", "lib"]
    assert config.watch.ext == ("js", "json", "ts")
    assert config.watch.ignore == ("data/", "*.log.json")
    assert config.watch.poll is True
    assert config.watch.quiet == 2.5
    assert config.stop.signal == "SIGINT"
    assert asked.rest_first


def test_without_flags_the_configuration_decides(asked: Asked) -> None:
    (asked.folder / "scanonce.toml").write_text('[bot]\ncommand = "node ."\n[watch]\npoll = true\nquiet = "1s"\n')
    asked.dev()
    assert asked.command == ["node", "."]
    assert (asked.config.watch.poll, asked.config.watch.quiet) == (True, 1.0)
    assert not asked.rest_first


@pytest.mark.parametrize(
    ("delay", "seconds"), [("500ms", 0.5), ("2", 2.0), ("0.25", 0.25), ("1s", 1.0), ("10", 10.0), ("0", 0.0)]
)
def test_a_delay_is_in_seconds_unless_it_says_otherwise(asked: Asked, delay: str, seconds: float) -> None:
    assert asked.dev("--delay", delay, "index.js").config.watch.quiet == seconds


def test_another_folder_is_named_as_in_nodemon(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = asked.folder / "inner"
    inner.mkdir()
    asked.folder = inner
    assert asked.dev("--cwd", "inner", "index.js").command == ["node", "index.js"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["--inspect", "index.js"],
            "--inspect is an option of node: write it after the --, as in scanonce dev -- node",
        ),
        (["--inspect=0.0.0.0:1", "i.js"], "scanonce dev -- node --inspect=0.0.0.0:1 i.js"),
        (["-r", "dotenv/config", "i.js", "a b"], "scanonce dev -- node -r dotenv/config i.js 'a b'"),
        (["--inspect", "-w", "src", "i.js"], "scanonce dev -- node --inspect index.js"),
        (["--config", "nodemon.json", "i.js"], "scanonce init converts nodemon"),
        (["-w", "src", "-I", "i.js"], "-I of nodemon is not needed: the bot gets the keyboard input"),
        (["--no-stdin"], "</dev/null"),
        (["--no-colours"], "set NO_COLOR=1"),
        (["--dump"], "use --explain-watch"),
        (["-u"], "never looks for updates"),
        (["--no-update-notifier"], "never looks for updates"),
        (["--spawn"], "without a shell"),
        (["-P", "500"], "between 0.2 and 2 s"),
        (["--polling-interval=500"], "--legacy-watch turns it on"),
        (["-qP", "500"], "-P of nodemon"),
        (["--exitcrash"], "scanonce run"),
        (["-d", "soon", "i.js"], "--delay: expected seconds such as 2.5, or milliseconds such as 500ms (got 'soon')"),
        (["-c", "other.toml", "index.js"], "-c is --clear"),
        (["-qc", "other.toml", "--", "node", "index.js"], "write --config other.toml"),
        (["-C", "index.js"], "nodemon's -C is --on-change-only here"),
        (["--json", "index.js"], "--json belongs to --explain-watch"),
    ],
)
def test_what_means_nothing_here_is_explained_in_a_line(asked: Asked, words: list[str], sentence: str) -> None:
    (asked.folder / "index.js").touch()
    ended = asked.ended(*words)
    assert (ended.status, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    assert ended.err.startswith("scanonce: ")
    assert sentence in ended.err


def test_a_signal_that_is_none_is_refused(asked: Asked) -> None:
    ended = asked.ended("--signal", "SIGWHAT", "index.js")
    assert ended.status == 2
    assert "stop.signal: expected" in ended.err


def test_the_first_state_of_a_bot_that_waits_for_a_change() -> None:
    state, actions = begin(Policy(rest_after_exit=True, rest_first=True))
    assert (state.after, actions) == (After.REST, (Action.BRING_DOWN,))


def test_the_terminal_is_cleared_on_request(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    cleared: list[bool] = []
    monkeypatch.setattr(logger, "configure", lambda *_, clear, **__: cleared.append(clear))
    for words in (["index.js"], ["-c", "index.js"], ["-qc", "--", "node", "index.js"], ["--clear", "index.js"]):
        assert asked.dev(*words).command == ["node", "index.js"]
    assert cleared == [False, True, True, True]


async def test_a_bot_that_is_to_wait_starts_at_the_first_change(project: Project) -> None:
    running = await project.start("dev", options=["--on-change-only"])
    await running.until("bot.waiting")
    assert not running.all("bot.starting")
    project.touch("index.js")
    await running.until("restart.done", reason="change")
    assert await running.stop() == 143
    project.is_left_alone()


@pytest.mark.parametrize("mode", ["dev", "run"])
async def test_a_script_that_is_not_there_is_refused_before_the_start(project: Project, mode: str) -> None:
    project.touch("index.js")
    running = await project.start(mode, command=["node", "idnex.js"])
    assert await running.ends() == 127
    assert "there is no idnex.js" in running.told()
    assert "Did you mean index.js?" in running.told()
    assert not running.all("supervisor.starting")


async def test_a_script_that_a_build_has_yet_to_write_is_waited_for_on_request(project: Project) -> None:
    command = [sys.executable, "bot.py"]
    running = await project.start("dev", options=["--on-change-only", "-e", "py"], command=command)
    await running.until("bot.waiting")
    project.touch("bot.py", "import signal\nsignal.pause()\n")
    await running.until("restart.done", reason="change")
    assert await running.stop() == 143


async def test_a_script_that_is_gone_for_a_moment_is_waited_for(project: Project) -> None:
    script = project.touch("bot.py", "import signal\nsignal.pause()\n")
    project.touch("lib.py", "1")
    async with project.supervised("dev", options=["-e", "py"], command=[sys.executable, "bot.py"]) as running:
        script.rename(project.folder / "aside")
        project.touch("lib.py", "2")
        await running.until("bot.crashed")
        (project.folder / "aside").rename(script)
        assert (await running.until("restart.done", reason="crash"))["outcome"] == "ready"


async def test_quiet_leaves_trouble_and_nothing_else(project: Project) -> None:
    running = await project.start("dev", "exit=3", options=["-q"])
    await running.until("bot.crashed", code=3)
    assert await running.stop() == 143
    assert {event["level"] for event in running.events} <= {"warning", "error"}


# -- what is watched ---------------------------------------------------------------------------------------------------


def test_what_is_watched_is_explained_and_nothing_is_started(tmp_path: Path) -> None:
    make_session(tmp_path)
    (tmp_path / "node_modules" / "x").mkdir(parents=True)
    (tmp_path / "src").mkdir()
    (tmp_path / "index.js").touch()
    (tmp_path / "src" / "a.ts").touch()
    (tmp_path / "src" / "README.md").touch()
    before = sorted(tmp_path.rglob("*"))
    ended = run(tmp_path, "dev", "--explain-watch")
    assert ended.status == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0] == "watched: 2 files in 3 folders"
    assert "  node_modules/  node_modules holds installed packages" in lines
    assert "  sessions/session-97150/  session-97150 is a browser profile" in lines
    assert lines[-1] == "cost: a watch for each of these 3 folders; folders that are left out cost none"
    document = run(tmp_path, "dev", "--explain-watch", "--json", "--", "node", "index.js").json
    assert document["version"] == 1
    assert [(Path(one["path"]).name, one["why"]) for one in document["files"]] == [
        ("index.js", "extension js"),
        ("a.ts", "extension ts"),
    ]
    assert document["polling"] is False
    assert {"why": "its extension is not watched", "files": 1} in document["other_files"]
    assert sorted(tmp_path.rglob("*")) == before


def test_the_explanation_follows_the_flags(tmp_path: Path) -> None:
    for name in ("a.js", "b.yaml", "c.yaml"):
        (tmp_path / name).touch()
    document = run(tmp_path, "dev", "-e", "yaml", "-i", "c.yaml", "-L", "--explain-watch", "--json").json
    assert [Path(one["path"]).name for one in document["files"]] == ["b.yaml"]
    assert (document["polling"], document["polling_because"]) == (True, "watch.poll is true")


def test_names_that_are_not_utf8_and_folders_that_may_not_be_read_are_explained(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.js")).touch()
    closed = tmp_path / "closed"
    closed.mkdir(0)
    try:
        ended = run(tmp_path, "dev", "--explain-watch", weak=True)
        document = json.loads(run(tmp_path, "dev", "--explain-watch", "--json", weak=True).out)
    finally:
        closed.chmod(0o700)
    assert "  closed/  cannot be read: Permission denied" in ended.out.splitlines()
    assert document["files"][0]["path"].endswith("caf\\udce9.js")


@pytest.mark.parametrize("how", ["written", "replaced"])
async def test_a_changed_configuration_says_what_to_do(project: Project, how: str) -> None:
    """The restart goes by the old file, which must not look as if it went by the new one."""
    project.configure("")
    async with project.supervised("dev") as running:
        file = project.folder / "scanonce.toml"
        text = file.read_text() + '\n[bot]\nenv = { X = "new" }\n'
        if how == "written":
            file.write_text(text)
        else:
            (project.folder / "new").write_text(text)
            (project.folder / "new").replace(file)
        notice = await running.until("watch.notice")
        assert "start scanonce again" in notice["notice"]


@pytest.mark.parametrize("how", ["renamed", "not executable"])
async def test_a_program_that_is_gone_for_a_moment_is_waited_for(project: Project, how: str) -> None:
    project.configure("")
    program = project.touch("bot", "#!/bin/sh\nwhile :; do sleep 0.1; done\n")
    program.chmod(0o755)
    project.touch("lib.js", "1;")
    async with project.supervised("dev", command=["./bot"]) as running:
        if how == "renamed":
            program.rename(project.folder / "aside")
        else:
            program.chmod(0o644)
        project.touch("lib.js", "2;")
        await running.until("bot.program_missing")
        if how == "renamed":
            (project.folder / "aside").rename(program)
        else:
            program.chmod(0o755)
        await running.until("restart.requested", reason="change", detail=f"{program} is back")
        assert (await running.until("restart.done"))["outcome"] == "ready"
