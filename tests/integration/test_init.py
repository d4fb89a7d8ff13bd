"""`scanonce init`: what it takes over from nodemon, npm and pm2, what it leaves; what it writes always loads."""

from __future__ import annotations

import json
import os
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor.config.docgen import SCHEMA_NAME, json_schema
from supervisor.config.loader import load
from supervisor.config.modes import Mode
from supervisor.setup.migrate import nodemon_flags, pm2
from supervisor.setup.migrate.discover import Migration, NoSuchAppError, discover
from supervisor.watch.rules import WatchRules
from tests.helpers.shell import Ended, invoke, run


def put(folder: Path, **files: Any) -> None:
    """Write files by their names, with `__` for a dot; what is no text becomes JSON."""
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name.replace("__", ".")).write_text(text)


def found_in(folder: Path, app: str | None = None) -> tuple[Migration, dict[str, Any]]:
    """What is found, and the file that comes of it, which must load in both modes."""
    found = discover(folder, app)
    (folder / "scanonce.toml").write_text(found.text, "utf-8")
    for mode in Mode:
        load(folder, mode=mode)
    (folder / "scanonce.toml").unlink()
    return found, tomllib.loads(found.text)


def why(found: Migration, name: str) -> str:
    return next(one.why for one in found.draft.left if one.name == name)


# -- nodemon -----------------------------------------------------------------------------------------------------------


def test_a_file_of_nodemons(tmp_path: Path) -> None:
    put(
        tmp_path,
        nodemon__json={
            "watch": ["src", "!src/gen", "lib/**/*.ts"],
            "ext": ".ts, json",
            "ignore": ["data/*", ":(.*)x"],
            "delay": "2500",
            "signal": "sigint",
            "legacyWatch": True,
            "env": {"NODE_ENV": "development", "PORT": 3000, "ON": True, "BAD": [1]},
            "exec": "ts-node --files",
            "script": "src/index.ts",
            "args": ["--fast"],
            "verbose": True,
            "restartable": "rs",
            "events": {"restart": "notify"},
            "pollingInterval": 5,
            "nonsense": 1,
        },
    )
    found, text = found_in(tmp_path)
    assert text == {
        "bot": {
            "command": ["ts-node", "--files", "src/index.ts", "--fast"],
            "env": {"NODE_ENV": "development", "PORT": "3000", "ON": "true"},
        },
        "stop": {"signal": "SIGINT"},
        "watch": {
            "paths": ["src", "lib/**/*.ts"],
            "ignore": ["src/gen", "data/*"],
            "ext": ["ts", "json"],
            "quiet": "2.5s",
            "poll": True,
        },
    }
    assert "regular expression" in next(one.why for one in found.draft.left if one.name == "ignore")
    assert why(found, "verbose") == "use the command line: scanonce dev --verbose"
    assert "rs + Enter" in why(found, "restartable")
    assert "no counterpart" in why(found, "events")
    assert "its own pace" in why(found, "pollingInterval")
    assert why(found, "nonsense") == "nodemon has no such setting"
    assert why(found, "env.BAD") == "expected a name and a text"
    assert "# nodemon.json, delay: 2500 (in milliseconds, as a file)\nquiet = " in found.text


@pytest.mark.parametrize(
    ("config", "command"),
    [
        ({"script": "app.js", "args": ["a"], "nodeArgs": ["--harmony"]}, ["node", "--harmony", "app.js", "a"]),
        ({"exec": "npm start"}, ["npm", "start"]),
        ({"exec": "tsc && node"}, ["sh", "-c", "tsc && node"]),
        ({"script": "x.js", "execMap": {"js": "node --harmony"}}, ["node", "--harmony", "x.js"]),
        ({"script": "x.py"}, ["python3", "x.py"]),
        ({"exec": "local-runner x"}, ["node_modules/.bin/local-runner", "x"]),
        ({}, ["node", "server.js"]),
    ],
)
def test_the_command_of_nodemon(tmp_path: Path, config: dict[str, Any], command: list[str]) -> None:
    put(tmp_path, nodemon__json=config, package__json={"main": "server.js"}, server__js="")
    (tmp_path / "node_modules" / ".bin").mkdir(parents=True)
    (tmp_path / "node_modules" / ".bin" / "local-runner").touch()
    assert found_in(tmp_path)[1]["bot"]["command"] == command


def test_a_folder_that_nodemon_changes_into(tmp_path: Path) -> None:
    (tmp_path / "node_modules" / ".bin").mkdir(parents=True)
    (tmp_path / "node_modules" / ".bin" / "tsx").touch()
    put(tmp_path, nodemon__json={"cwd": "bot", "watch": ["src", "../shared"], "script": "index.ts"})
    _, text = found_in(tmp_path)
    assert text["bot"] == {"cwd": "bot", "command": ["../node_modules/.bin/tsx", "index.ts"]}
    assert text["watch"]["paths"] == ["bot/src", "shared"]


def test_what_the_package_says_of_nodemon_counts_only_without_a_file_of_its_own(tmp_path: Path) -> None:
    put(tmp_path, package__json={"nodemonConfig": {"delay": 100, "script": "a.js"}})
    assert found_in(tmp_path)[1] == {"bot": {"command": ["node", "a.js"]}, "watch": {"quiet": "100ms"}}
    put(tmp_path, nodemon__json={"delay": 200})
    found, text = found_in(tmp_path)
    assert text["watch"] == {"quiet": "200ms"}
    assert "nodemon ignores it" in why(found, "nodemonConfig")


@pytest.mark.parametrize(
    ("script", "bot", "watch"),
    [
        ("nodemon --watch src index.js", ["node", "index.js"], {"paths": ["src"]}),
        ("npx nodemon -w src -w lib -e js,ts -i data/ bot.js", ["node", "bot.js"],
         {"paths": ["src", "lib"], "ext": ["js", "ts"], "ignore": ["data/"]}),
        ("nodemon --delay 2.5 x.js", ["node", "x.js"], {"quiet": "2.5s"}),
        ("nodemon -d 500ms x.js -d 3", ["node", "x.js", "-d", "3"], {"quiet": "500ms"}),
        ("nodemon -qL --exec 'npx tsx' x.ts", ["npx", "tsx", "x.ts"], {"poll": True}),
        ("nodemon --inspect=1 -- x.js", ["node", "x.js"], None),
        ("nodemon --exec node --no-warnings index.js", ["node", "--no-warnings", "index.js"], None),
        ("nodemon --no-warnings -x 'A=b node --harmony' x.js", ["node", "--no-warnings", "--harmony", "x.js"], None),
        ("nodemon", ["node", "main.js"], None),
        ("node --watch index.js", ["node", "index.js"], None),
        ("node -r ./env.js --watch-path ./src --watch-path=lib x.js", ["node", "-r", "./env.js", "x.js"], None),
        ("bun --watch index.ts", ["bun", "index.ts"], None),
        ("yarn nodemon index.js", ["node", "index.js"], None),
        ("pnpm exec nodemon index.js", ["node", "index.js"], None),
        ("npm exec -- nodemon index.js", ["node", "index.js"], None),
        ("npm run hot", ["node", "hot.js"], {"paths": ["hot"]}),
        ("yarn hot", ["node", "hot.js"], {"paths": ["hot"]}),
        ("npm start", ["node", "started.js"], None),
        ("npm run hot -- --port 1", ["npm", "run", "hot", "--", "--port", "1"], None),
        ("npm run round", ["npm", "run", "round"], None),
        ("concurrently 'tsc -w' 'nodemon dist/index.js'", ["node", "started.js"], None),
        ("dotenv -e .env -- nodemon x.js", ["node", "started.js"], None),
        ("node index.js --port 1", ["node", "index.js", "--port", "1"], None),
        ("tsx watch src/index.ts", ["tsx", "src/index.ts"], None),
        ("nodemon --config other.json", ["node", "other.js"], {"quiet": "7ms"}),
    ],
)  # fmt: skip
def test_the_script_of_a_package(tmp_path: Path, script: str, bot: list[str], watch: dict[str, Any] | None) -> None:
    put(
        tmp_path,
        package__json={
            "main": "main.js",
            "scripts": {
                "dev": script,
                "hot": "nodemon -w hot hot.js",
                "round": "npm run round",
                "start": "node started.js",
            },
        },
        other__json={"delay": 7, "script": "other.js"},
    )
    _, text = found_in(tmp_path)
    assert text["bot"]["command"] == bot
    assert text.get("watch") == watch


@pytest.mark.parametrize("prefix", ["NODE_ENV=development PORT=1", "cross-env NODE_ENV=development PORT=1"])
def test_variables_before_a_script(tmp_path: Path, prefix: str) -> None:
    put(tmp_path, package__json={"scripts": {"dev": f"{prefix} nodemon index.js"}})
    _, text = found_in(tmp_path)
    assert text["bot"] == {"command": ["node", "index.js"], "env": {"NODE_ENV": "development", "PORT": "1"}}


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("npm run build && nodemon dist/index.js", "a line for a shell"),
        ("pm2-runtime ecosystem.config.js", "runs pm2"),
        ("ts-node-dev --respawn src/index.ts", "ts-node-dev restarts the bot itself"),
        ("scanonce dev -- node index.js", "scanonce already"),
        ("nodemon 'x", "a quote"),
    ],
)
def test_a_script_that_cannot_be_taken_over_leaves_the_next_one(tmp_path: Path, script: str, reason: str) -> None:
    put(tmp_path, package__json={"scripts": {"dev": script, "start": "node start.js"}})
    found, text = found_in(tmp_path)
    assert reason in why(found, "the command")
    assert text["bot"]["command"] == ["node", "start.js"]


def test_a_command_line_of_nodemons_taken_apart() -> None:
    flags = nodemon_flags.parse(
        ["-qV", "--signal=SIGHUP", "-C", "-P", "500", "-r", "dotenv/config", "-x", "a b", "s.js", "-w", "x"]
    )
    assert flags.settings == {
        "quiet": True, "verbose": True, "signal": "SIGHUP", "runOnChangeOnly": True,
        "nodeArgs": ["-r", "dotenv/config"], "exec": "a b", "script": "s.js", "args": ["-w", "x"],
    }  # fmt: skip
    assert flags.unknown == ["-P"]


# -- pm2 ---------------------------------------------------------------------------------------------------------------

APP = {
    "name": "bot",
    "script": "./index.js",
    "args": "--port 3",
    "node_args": ["--max-old-space-size=512"],
    "cwd": "./bot",
    "instances": "max",
    "exec_mode": "cluster",
    "watch": ["src"],
    "ignore_watch": ["data"],
    "max_restarts": 5,
    "min_uptime": "60s",
    "restart_delay": 4000,
    "kill_timeout": 5000,
    "max_memory_restart": "300M",
    "cron_restart": "0 4 * * *",
    "stop_exit_codes": [0],
    "env": {"A": 1},
    "env_production": {"B": 2},
    "out_file": "out.log",
    "wait_ready": True,
    "autorestart": True,
}


def check_app(found: Migration, text: dict[str, Any]) -> None:
    assert text["bot"] == {
        "cwd": "bot",
        "command": ["node", "--max-old-space-size=512", "./index.js", "--port", "3"],
        "env": {"A": "1"},
    }
    assert text["watch"] == {"paths": ["bot/src"], "ignore": ["data"]}
    assert text["restart"].items() >= {
        "limit": 5, "reset_after": "60s", "backoff_initial": "4s", "no_restart_codes": [0]
    }.items()  # fmt: skip
    assert "never runs several times at once" in why(found, "instances")
    assert "READY=1 to NOTIFY_SOCKET" in why(found, "wait_ready")
    assert why(found, "kill_timeout").endswith("scanonce run --grace 5s")
    assert "--config production.toml" in why(found, "env_production")
    assert found.draft.run_flags == ["--grace 5s"]
    assert text["health"] == {"max_memory": "300MiB"}
    assert text["restart"]["schedule"] == "0 4 * * *"
    assert "scanonce logs" in why(found, "out_file")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ecosystem.config.js", "console.log('noise'); module.exports = { apps: [%s] };"),
        ("ecosystem.config.cjs", "const app = %s; app.then = undefined; module.exports = { apps: [app], f() {} };"),
        ("ecosystem.config.mjs", "export default { apps: [%s] };"),
        ("ecosystem.config.json", '{"apps": [%s]}'),
        ("pm2.json", "[%s]"),
    ],
)
def test_an_ecosystem_file_in_any_of_its_shapes(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text % json.dumps(APP))
    found, file = found_in(tmp_path)
    check_app(found, file)
    assert found.draft.read == [name]
    assert [f"{name} is a program" in remark for remark in found.draft.remarks] == (
        [] if name.endswith(".json") else [True]
    )


@pytest.mark.parametrize(
    ("app", "command"),
    [
        ({"script": "npm", "args": "start"}, ["npm", "start"]),
        ({"script": "npm run start"}, ["npm", "run", "start"]),
        ({"script": "bot.py", "interpreter": "python3.11"}, ["python3.11", "bot.py"]),
        ({"script": "./run", "interpreter": "none", "args": ["a b"]}, ["./run", "a b"]),
        ({"script": "server", "args": []}, ["node", "server"]),
    ],
)
def test_the_command_of_pm2(tmp_path: Path, app: dict[str, Any], command: list[str]) -> None:
    put(tmp_path, pm2__json=[app], server="")
    assert found_in(tmp_path)[1]["bot"]["command"] == command


def test_of_several_applications_one_is_taken_and_the_others_are_named(tmp_path: Path) -> None:
    put(tmp_path, pm2__json={"apps": [{"name": "a", "script": "a.js"}, {"name": "b", "script": "b.js"}]})
    found, text = found_in(tmp_path)
    assert text["bot"]["command"] == ["node", "a.js"]
    assert "--app NAME" in why(found, "app b")
    assert found_in(tmp_path, "b")[1]["bot"]["command"] == ["node", "b.js"]
    with pytest.raises(NoSuchAppError, match=r"called c; there is a, b$"):
        discover(tmp_path, "c")


@pytest.mark.parametrize(("files", "reason"), [({}, "none$"), ({"pm2__json": "{"}, "none: pm2.json, it cannot be")])
def test_an_application_that_is_not_there_is_no_reason_to_guess(
    tmp_path: Path, files: dict[str, str], reason: str
) -> None:
    put(tmp_path, index__js="", **files)
    with pytest.raises(NoSuchAppError, match=reason):
        discover(tmp_path, "bot")
    ended = init(tmp_path, "--app", "bot")
    assert ended.status == 2
    assert "Nothing was written" in ended.err
    assert not (tmp_path / "scanonce.toml").exists()


def test_a_file_that_cannot_be_read_is_not_told_to_be_missing(tmp_path: Path) -> None:
    put(tmp_path, ecosystem__config__yml="apps:\n  - script: index.js\n", nodemon__json="{")
    ended = init(tmp_path)
    assert "nothing to take over" not in ended.out
    assert "ecosystem.config.yml, the file: YAML is not read" in ended.out
    assert "nodemon.json, the file: it cannot be read" in ended.out


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("throw new Error('not today');", "node ended with status 1: not today"),
        ("module.exports = {", "node ended with status 1: "),
        ("process.exit(0)", "no answer that can be parsed"),
        ("module.exports = undefined", "no application in it"),
    ],
)
def test_a_program_that_says_nothing_useful(tmp_path: Path, text: str, reason: str) -> None:
    put(tmp_path, ecosystem__config__js=text)
    found, _ = found_in(tmp_path)
    assert [one.source for one in found.draft.left] == ["ecosystem.config.js"]
    assert reason in found.draft.left[0].why


def test_a_program_that_does_not_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pm2, "EVALUATION_LIMIT", 0.5)
    put(tmp_path, ecosystem__config__js="while (true);")
    assert why(found_in(tmp_path)[0], "the file") == "node took more than 0.5 s to run it"


def test_without_node_a_program_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    put(tmp_path, ecosystem__config__js="module.exports = {apps: []}")
    assert "no node to run it" in why(found_in(tmp_path)[0], "the file")


# -- all together ------------------------------------------------------------------------------------------------------


def test_what_dev_says_comes_first_and_the_rest_is_named(tmp_path: Path) -> None:
    put(
        tmp_path,
        package__json={"scripts": {"dev": "nodemon -d 1 dev.js"}},
        nodemon__json={"delay": 9, "ext": "js", "ignore": ["tmp", "data"], "exec": "unused"},
        pm2__json=[{"script": "prod.js", "watch": ["src"], "ignore_watch": ["data", "logs"]}],
    )
    found, text = found_in(tmp_path)
    assert text["watch"] == {"quiet": "1s", "ext": ["js"], "ignore": ["tmp", "data", "logs"], "paths": ["src"]}
    assert text["bot"]["command"] == ["unused", "dev.js"], "nodemon puts its file's exec before the script"
    assert why(found, "delay") == "watch.quiet is taken from package.json scripts.dev already"
    assert why(found, "script") == "bot.command is taken from package.json scripts.dev already"


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({}, None),
        ({"index__js": ""}, ["node", "index.js"]),
        ({"my-bot__js": "", "eslint__config__js": "", "setup__py": ""}, ["node", "my-bot.js"]),
        ({"a__js": "", "b__js": ""}, None),
        ({"package__json": {"main": "lib"}, "lib__js": ""}, ["node", "lib.js"]),
        ({"package__json": {"main": "gone.js"}, "bot__js": ""}, ["node", "bot.js"]),
        ({"package__json": "{ not json", "app__js": ""}, ["node", "app.js"]),
        ({"package__json": [1], "app__js": ""}, ["node", "app.js"]),
    ],
)
def test_where_nothing_says_it_the_command_is_guessed(
    tmp_path: Path, files: dict[str, Any], command: list[str] | None
) -> None:
    put(tmp_path, **files)
    found, text = found_in(tmp_path)
    assert found.command == command
    assert text["bot"].get("command") == command
    assert "command = [" in found.text


def test_what_the_configuration_refuses_is_left_with_its_reason(tmp_path: Path) -> None:
    put(tmp_path, nodemon__json={"signal": "SIGWHAT", "delay": 9e14, "ext": "js"})
    found, text = found_in(tmp_path)
    assert text["watch"] == {"ext": ["js"]}
    assert "expected" in why(found, "signal")
    assert why(found, "delay").startswith("expected a duration of at most 100 years")


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["js,ts", "index.js", "src/**/*.ts", "500", "SIGTERM", "300M", "60s", "0 4 * * *", "node", "\x7f",
                       "a\0b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
_NODEMON = st.dictionaries(
    st.sampled_from(["watch", "ignore", "ext", "delay", "signal", "legacyWatch", "env", "exec", "script", "args",
                     "nodeArgs", "execMap", "cwd", "verbose", "events"]) | st.text(max_size=5), _VALUES, max_size=6,
)  # fmt: skip
_PM2 = st.dictionaries(st.sampled_from([*APP, "watch_delay", "interpreter", "script"]), _VALUES, max_size=8)
_LINE = st.lists(
    st.sampled_from(["nodemon", "-w", "src", "-d", "2.5", "-x", "'npx tsx'", "--inspect", "-qL", "--", "A=1", "'",
                     "\\"])
    | st.text(max_size=5), max_size=8,
).map(" ".join)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(nodemon_file=_NODEMON, app=_PM2, line=_LINE, main=_VALUES)
def test_whatever_is_found_the_file_loads(nodemon_file: Any, app: Any, line: str, main: Any) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        put(
            folder,
            nodemon__json=nodemon_file,
            package__json={"main": main, "scripts": {"dev": line}, "nodemonConfig": nodemon_file},
            pm2__json=[app],
        )
        found, text = found_in(folder)
        assert isinstance(text["bot"].get("command", []), list)
        assert "\x1b" not in found.text


# -- the command -------------------------------------------------------------------------------------------------------


def init(folder: Path, *words: str) -> Ended:
    return invoke(folder, "init", *words)


def test_the_file_is_written_with_the_line_for_the_package(tmp_path: Path) -> None:
    put(tmp_path, package__json={"scripts": {"dev": "nodemon index.js"}})
    ended = run(tmp_path, "init")
    assert ended.status == 0, ended.err
    assert (tmp_path / "scanonce.toml").read_text() == discover(tmp_path).text
    assert oct((tmp_path / "scanonce.toml").stat().st_mode & 0o777) == oct(0o666 & ~_umask())
    assert 'for package.json: "scripts": { "dev": "scanonce dev", "start": "scanonce run" }' in ended.out
    assert 'script: node index.js -> bot.command = ["node", "index.js"]' in ended.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["package.json", "scanonce.schema.json", "scanonce.toml"]


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def test_a_file_that_is_there_is_not_touched_without_force_and_is_kept_with_it(tmp_path: Path) -> None:
    put(tmp_path, scanonce__toml="# mine\n", index__js="")
    ended = init(tmp_path)
    assert (ended.status, "exists already. Add --force" in ended.err) == (2, True)
    assert (tmp_path / "scanonce.toml").read_text() == "# mine\n"
    assert init(tmp_path, "--force").status == 0
    assert 'command = ["node", "index.js"]' in (tmp_path / "scanonce.toml").read_text()
    assert (tmp_path / "scanonce.toml.bak").read_text() == "# mine\n"


def test_a_dry_run_prints_the_file_alone_and_writes_nothing(tmp_path: Path) -> None:
    put(tmp_path, scanonce__toml="# mine\n", index__js="", pm2__json=[APP])
    before = sorted(tmp_path.iterdir())
    ended = init(tmp_path, "--dry-run")
    assert ended.status == 0
    assert ended.out == discover(tmp_path).text
    assert "scanonce: not taken over:" in ended.err
    assert '"start": "scanonce run --grace 5s"' in ended.err
    assert sorted(tmp_path.iterdir()) == before


def test_the_same_as_json(tmp_path: Path) -> None:
    put(tmp_path, nodemon__json={"delay": 1500, "events": {}, "script": "a.js"})
    document = init(tmp_path, "--json").json
    assert document["version"] == 1
    assert (document["written"], document["read"], document["command"]) == (True, ["nodemon.json"], ["node", "a.js"])
    assert document["taken"][0] == {
        "from": "nodemon.json", "name": "delay", "value": 1500, "key": "watch.quiet", "becomes": "1.5s",
        "note": "in milliseconds, as a file",
    }  # fmt: skip
    assert [one["name"] for one in document["left"]] == ["events"]
    assert document["text"] == (tmp_path / "scanonce.toml").read_text()


def test_a_folder_without_a_bot_is_refused_with_what_was_looked_for(tmp_path: Path) -> None:
    ended = init(tmp_path)
    assert (ended.status, ended.out, list(tmp_path.iterdir())) == (2, "", [])
    said = " ".join(ended.err.split())
    assert "there is no bot in" in said
    assert all(part in said for part in ("package.json", "nodemon.json", "index.js", "bot.py", "-C FOLDER", "--force"))
    assert init(tmp_path, "--force").status == 0
    text = (tmp_path / "scanonce.toml").read_text()
    assert '#command = ["node", "your-bot.js"]' in text
    assert "index.js" not in text


def test_a_folder_with_several_scripts_is_asked_about(tmp_path: Path) -> None:
    put(tmp_path, first__js="", second__py="")
    ended = init(tmp_path)
    assert ended.status == 0
    assert "which of first.js, second.py is the bot?" in ended.out
    assert "index.js" not in ended.out.replace("index.js, bot.js", "")


def test_editors_find_the_schema_beside_the_file(tmp_path: Path) -> None:
    put(tmp_path, index__js="")
    assert init(tmp_path).status == 0
    first = (tmp_path / "scanonce.toml").read_text().partition("\n")[0]
    schema = tmp_path / first.removeprefix("#:schema ")
    assert schema.name == SCHEMA_NAME
    assert schema.read_text() == json_schema()
    schema.write_text("of an older version")
    ended = run(tmp_path, "config", "schema", "--output", SCHEMA_NAME)
    assert (ended.status, schema.read_text()) == (0, json_schema())
    assert run(tmp_path, "config", "schema", "-o", "gone/x.json").status == 2
    rules = WatchRules(root=tmp_path, ext=frozenset({"js", "json"}))
    assert not rules.wants(schema)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    assert "is not a directory" in invoke(tmp_path / "gone", "init").err


def test_names_that_could_drive_a_terminal_are_written_out(tmp_path: Path) -> None:
    put(tmp_path, nodemon__json={"x\x1b[2J\ny": 1, "watch": ["\x1b]0;"]})
    ended = init(tmp_path)
    assert ended.status == 0
    assert "\x1b" not in ended.out + (tmp_path / "scanonce.toml").read_text()
    assert found_in(tmp_path) is not None


# -- what is written, not what is evaluated ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "env",
    [
        "{...process.env, MODE: 'live'}",
        "{TOKEN: process.env.TOKEN, MODE: 'live'}",
        "Object.assign({}, process.env, {MODE: 'live'})",
    ],
)
def test_no_value_of_the_shell_gets_into_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env: str) -> None:
    monkeypatch.setenv("TOKEN", "not-for-a-file")
    program = f"module.exports = {{apps: [{{script: 'index.js', env: {env}}}]}}"
    put(tmp_path, index__js="", ecosystem__config__js=program)
    found, text = found_in(tmp_path)
    assert text["bot"]["env"] == {"MODE": "live"}
    assert "not-for-a-file" not in found.text
    assert "TOKEN" in why(found, "env") or "..." in env or "assign" in env


def test_variables_of_several_sources_are_merged(tmp_path: Path) -> None:
    put(
        tmp_path,
        package__json={"scripts": {"dev": "A=1 node index.js"}},
        nodemon__json={"env": {"A": "2", "B": "3"}},
        pm2__json={"apps": [{"name": "bot", "script": "index.js", "env": {"C": "4"}}]},
    )
    found, text = found_in(tmp_path)
    assert text["bot"]["env"] == {"A": "1", "B": "3", "C": "4"}
    assert "already" in why(found, "env, A")


@pytest.mark.parametrize(
    ("config", "command", "env"),
    [
        ({"exec": "MODE=dev node index.js"}, ["node", "index.js"], {"MODE": "dev"}),
        ({"exec": "cross-env A=1 B=2 node", "script": "x.js"}, ["node", "x.js"], {"A": "1", "B": "2"}),
        ({"exec": "node {{filename}} --port 1", "script": "x.js"}, ["node", "x.js", "--port", "1"], {}),
        ({"exec": "node {{ pwd }}/x.js"}, ["node", "./x.js"], {}),
        ({"exec": "node --inspect=9229 x.js --inspect"}, ["node", "x.js", "--inspect"], {}),
    ],
)
def test_forms_of_exec(tmp_path: Path, config: dict[str, Any], command: list[str], env: dict[str, str]) -> None:
    put(tmp_path, nodemon__json=config)
    _, text = found_in(tmp_path)
    assert text["bot"]["command"] == command
    assert text["bot"].get("env", {}) == env
