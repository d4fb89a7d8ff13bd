"""What `scanonce dev` and `scanonce run` refuse, in which words, with which exit status; the profile is untouched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from supervisor import __version__
from supervisor.cli.app import SECTIONS, app, load
from supervisor.cli.completion import VARIABLE, Shell
from supervisor.cli.manual import manual
from supervisor.config.docgen import json_schema
from supervisor.log import logger
from supervisor.system import user_folders
from supervisor.system.runtime_dir import RuntimeFolderError, runtime_folder
from tests import ROOT
from tests.helpers import build
from tests.helpers.command import Project, Running
from tests.helpers.shell import SCANONCE, Ended, run
from tests.helpers.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

Refused = Callable[..., Ended]

#: Rights that root has beyond those of the owner of a file.
RIGHTS = ("dac_override", "dac_read_search")


def contents(folder: Path) -> dict[str, bytes | str]:
    """Everything in a profile but what belongs to one run of a browser."""
    return {
        str(path.relative_to(folder)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if (path.is_symlink() or path.is_file()) and not path.name.startswith(("Singleton", "DevTools"))
    }


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A project with a session in the usual place, which is the same after the test as before."""
    profile = tmp_path / "sessions" / "session-1"
    build.profile(profile)
    before = contents(profile)
    yield tmp_path
    for place in (tmp_path, profile):
        place.chmod(0o700)
    assert contents(profile) == before


@pytest.fixture
def refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Run a command in the project that ends before it starts anything; in this process, which takes less time."""
    monkeypatch.chdir(folder)
    for name in ("_writer", "_log"):
        monkeypatch.setattr(logger, name, getattr(logger, name))

    def begin(*words: str) -> Ended:
        result = CliRunner().invoke(app, words)
        assert isinstance(result.exception, SystemExit), result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    return begin


def sentences(ended: Ended) -> str:
    """What it said, whichever form its lines have."""
    lines = []
    for line in ended.err.splitlines():
        event = json.loads(line) if line.startswith("{") else {"problem": line}
        assert event.get("event") != "bot.started"
        lines += [str(event[key]) for key in ("problem", "remedy") if key in event]
    return "\n".join(lines)


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_version_and_the_help(tmp_path: Path) -> None:
    assert run(tmp_path, "--version") == Ended(0, f"scanonce {__version__}\n", "")
    helped = run(tmp_path, "--help")
    assert helped.status == 0
    assert {"dev", "run"} <= set(helped.out.split())
    assert "rs + Enter restarts" in " ".join(run(tmp_path, "dev", "--help").out.split())


def help_of(*words: str) -> str:
    """What `--help` says on a terminal of the usual width."""
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, [*words, "--help"]).stdout


@pytest.mark.parametrize("words", [("session",), ("snapshot",), ("service",), ("config",)], ids=" ".join)
def test_a_list_of_commands_says_of_each_what_it_does_in_a_whole_sentence(words: tuple[str, ...]) -> None:
    listed = help_of(*words).partition("Commands:\n")[2].splitlines()
    assert len(listed) >= 2
    assert [line for line in listed if not line.endswith(".") or line.endswith("...")] == []


def test_the_help_has_every_command_in_a_section_with_a_whole_sentence_and_examples() -> None:
    helped = help_of()
    for title, commands in SECTIONS.items():
        section = helped.partition(f"{title}:\n")[2].partition("\n\n")[0].splitlines()
        assert [line.split()[0] for line in section] == list(commands)
        assert all(line.endswith(".") for line in section)
    assert "  scanonce dev -- node index.js " in helped


def _all_commands() -> list[tuple[str, ...]]:
    loaded = {name: load(name) for names in SECTIONS.values() for name in names}
    inner = [(name, below) for name, one in loaded.items() for below in getattr(one, "commands", {})]
    return [(), *((name,) for name in loaded), *inner]


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_the_help_of_each_command_fits_the_terminal_and_cuts_nothing_off(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for words in _all_commands():
        helped = CliRunner(env={"COLUMNS": str(columns)}).invoke(app, [*words, "--help"]).stdout
        # A path may be longer than the room beside a name: it stays whole, on a line of its own.
        assert [line for line in helped.splitlines() if len(line) > columns and len(line.split()) > 1] == [], words
        usage, _, text = helped.partition("\n\n")
        wide = CliRunner(env={"COLUMNS": "100"}).invoke(app, [*words, "--help"]).stdout.partition("\n\n")[2]
        assert text.split() == wide.split(), words
        assert usage.startswith("Usage: ")
        assert "..." not in text, words


@pytest.mark.parametrize(("words", "command"), [(["session", "check"], "session check"), (["dev"], "dev"), ([], "")])
def test_help_is_a_command_too(tmp_path: Path, words: list[str], command: str) -> None:
    asked = run(tmp_path, "help", *words)
    assert asked == run(tmp_path, *words, "--help")
    assert asked.out.startswith(f"Usage: scanonce {command}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["statu"], "no such command 'statu'. Did you mean 'status', 'restart'? scanonce --help has the usage."),
        (["dev", "--nosuch"], "no such option: --nosuch. scanonce dev --help has the usage."),
        (
            ["session", "check", "a", "b"],
            "got unexpected extra argument(s) (b). scanonce session check --help has the usage.",
        ),
        (["completion", "csh"], "'csh' is not one of 'bash', 'zsh', 'fish', 'powershell'. scanonce completion --help"),
        (["restart", "--timeout", "foo"], "--timeout: expected a duration"),
        (["status", "-C", "/nonexistent"], "there is no folder /nonexistent"),
        (["stop", "--config", "/none.toml"], "there is no file /none.toml"),
    ],
)
def test_an_error_of_usage_is_a_sentence_like_any_other(tmp_path: Path, words: list[str], said: str) -> None:
    ended = run(tmp_path, *words)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("scanonce: ")
    assert said in ended.err
    assert ended.err.count("\n") == 1


def test_a_group_without_a_command_shows_its_help(tmp_path: Path) -> None:
    ended = run(tmp_path, "session")
    assert ended.status == 2
    assert ended.err.startswith("Usage: scanonce session ")


@pytest.mark.parametrize(
    ("typed", "at", "offered"),
    [
        ("scanonce se", 1, {"session", "service"}),
        ("scanonce session ch", 2, {"check"}),
        ("scanonce dev --no", 2, {"--no-preflight"}),
    ],
)
def test_commands_and_options_are_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, at: int, offered: set[str]
) -> None:
    script = run(tmp_path, "completion", "bash").out
    assert f"{VARIABLE}=complete_bash" in script
    for name, value in ((VARIABLE, "complete_bash"), ("COMP_WORDS", typed), ("COMP_CWORD", str(at))):
        monkeypatch.setenv(name, value)
    assert set(run(tmp_path).out.split()) == offered


@pytest.mark.parametrize("shell", Shell)
def test_every_shell_has_its_script(tmp_path: Path, shell: Shell) -> None:
    assert VARIABLE in run(tmp_path, "completion", shell).out


def test_the_manual_page_is_current() -> None:
    page = (ROOT / "docs" / "scanonce.1").read_text()
    assert page == manual(), "print it anew: python -m supervisor.cli.manual > docs/scanonce.1"
    for words in (("dev",), ("session", "check"), ("service", "install")):
        assert f"\n.SS scanonce {' '.join(words)}" in page


def test_no_running_supervisor_is_a_document_too(tmp_path: Path) -> None:
    ended = run(tmp_path, "status", "--json")
    assert ended.status == 1
    assert ended.json == {
        "version": 1,
        "running": False,
        "project": str(tmp_path),
        "problem": f"no scanonce runs in {tmp_path}; start one with: scanonce dev -- node index.js",
    }


# -- the configuration -------------------------------------------------------------------------------------------------

_CONFIGURATION = """
[stop]
grace = "3s"

[bot]
env = { TOKEN = "hush" }

[notify]
webhooks = [{ url = "env:HOOK", secret = "file:key" }]

[ready.page]
url = "https://chat.example.org/*"
"""


def test_the_configuration_in_force_is_shown_as_it_could_be_written(tmp_path: Path) -> None:
    (tmp_path / "scanonce.toml").write_text(_CONFIGURATION)
    shown = run(tmp_path, "config", "show")
    assert 'grace = "3s"  # set in the file\n' in shown.out
    assert 'term_timeout = "2s"\n' in shown.out
    assert "hush" not in shown.out
    (tmp_path / "shown.toml").write_text(shown.out)
    again = run(tmp_path, "config", "show", "--config", "shown.toml")
    assert again.status == 0, again.err
    assert again.out.replace("  # set in the file", "") == shown.out.replace("  # set in the file", "")


def test_what_the_file_sets_alone_and_as_json(tmp_path: Path) -> None:
    (tmp_path / "scanonce.toml").write_text(_CONFIGURATION)
    shown = run(tmp_path, "config", "show", "--changed")
    assert [line for line in shown.out.splitlines() if line.startswith("[")] == [
        "[bot]",
        "[stop]",
        "[ready.page]",
        "[notify]",
    ]
    document = run(tmp_path, "config", "show", "--json", "--run").json
    assert document["mode"] == "run"
    assert document["options"]["stop.grace"] == {"value": "3s", "given": True}
    assert document["options"]["log.format"] == {"value": "auto", "given": False}
    assert document["options"]["notify.webhooks"]["value"] == [{"url": "env:HOOK", "secret": "file:key"}]


def test_an_address_that_gives_access_is_hidden(tmp_path: Path) -> None:
    (tmp_path / "scanonce.toml").write_text('[notify]\nwebhooks = ["https://example.org/hush"]\n')
    assert (
        run(tmp_path, "config", "show", "--changed").out == '[notify]\nwebhooks = ["(hidden)"]  # set in the file\n\n'
    )


def test_a_configuration_with_mistakes_is_not_shown_but_explained(tmp_path: Path) -> None:
    (tmp_path / "scanonce.toml").write_text("stop.sginal = 'SIGINT'\n")
    ended = run(tmp_path, "config", "show")
    assert (ended.status, ended.out) == (2, "")
    assert "did you mean stop.signal?" in ended.err


def test_the_schema_for_editors(tmp_path: Path) -> None:
    assert run(tmp_path, "config", "schema").out == json_schema()


# -- the command to run ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("dev",), ("run",), ("logs",), ("timings",), ("service", "install")], ids=" ".join)
def test_help_names_what_an_option_takes_and_not_a_type_of_python(words: tuple[str, ...]) -> None:
    helped = help_of(*words)
    options = helped.partition("Options:\n")[2]
    assert "--help" in options
    assert "<" not in options
    assert "list[" not in helped


@pytest.mark.parametrize("mode", ["dev", "run"])
@pytest.mark.parametrize(
    ("command", "status", "sentence"),
    [
        pytest.param([], 2, "no command to run: write it after --", id="none"),
        pytest.param(["--", ""], 2, "no command to run", id="empty"),
        pytest.param(["--", "no-such-program"], 127, "no-such-program was not found", id="not there"),
        pytest.param(["--", "./index.js"], 126, "index.js may not be executed: try chmod +x", id="not executable"),
        pytest.param(["--", "./sessions"], 126, "sessions is a folder, not a program", id="a folder"),
        pytest.param(
            ["--", "node index.js && echo"], 127, "write sh -c 'node index.js && echo'", id="a line for a shell"
        ),
        pytest.param(["--", "A=b node index.js"], 127, "write sh -c 'A=b node index.js'", id="a line with a variable"),
        pytest.param(["--", "~/bin/bot", "-v"], 127, "write sh -c '~/bin/bot -v'", id="a path for a shell"),
        pytest.param(
            ["--", "node index.js", "-v"], 127, "each word by itself: node index.js -v", id="a quoted command"
        ),
        pytest.param(["--", "A=b", "node", "x.js"], 127, "write env A=b node x.js", id="a variable"),
        pytest.param(["--", "no-such-program"], 127, "is it installed, and on the PATH?", id="not installed"),
    ],
)
def test_a_command_that_cannot_be_run_is_refused_before_anything_is_touched(
    folder: Path, refused: Refused, mode: str, command: list[str], status: int, sentence: str
) -> None:
    (folder / "index.js").write_text("console.log(1)\n")
    before = sorted(folder.iterdir())
    ended = refused(mode, *command)
    assert ended.status == status
    assert sentence in sentences(ended)
    assert ended.out == ""
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("text", "status", "sentence"),
    [
        pytest.param("console.log(1)\n", 126, "Exec format error", id="no program"),
        pytest.param("#!/no/such/node\n", 127, "interpreter that its first line names", id="no interpreter"),
    ],
)
def test_a_program_that_does_not_start_is_not_tried_again(folder: Path, text: str, status: int, sentence: str) -> None:
    bot = folder / "bot"
    bot.write_text(text)
    bot.chmod(0o755)
    ended = run(folder, "run", "--", "./bot")
    assert ended.status == status
    assert sentence in sentences(ended)
    assert ended.err.count('"bot.starting"') == 1


@pytest.mark.parametrize(
    ("text", "status", "sentence"),
    [
        ('[bot]\ncwd = "nowhere"\n', 127, "nowhere: No such file or directory"),
        ('[bot]\ncwd = "scanonce.toml"\n', 126, "scanonce.toml: Not a directory"),
        ('[bot.env]\n"A=B" = "1"\n', 126, "illegal environment variable name"),
    ],
)
def test_a_bot_that_cannot_be_started_as_configured(folder: Path, text: str, status: int, sentence: str) -> None:
    (folder / "scanonce.toml").write_text(text)
    ended = run(folder, "run", "--", "true")
    assert (ended.status, sentence in sentences(ended)) == (status, True), ended.err


def test_the_command_may_stand_in_the_configuration_and_the_command_line_wins(folder: Path) -> None:
    (folder / "scanonce.toml").write_text('[bot]\ncommand = "no-such-bot --now"\n')
    assert "no-such-bot was not found" in sentences(run(folder, "run"))
    assert "no-such-other was not found" in sentences(run(folder, "run", "--", "no-such-other"))


# -- the configuration -------------------------------------------------------------------------------------------------

WRONG = """
[stop]
grace = 50
gracee = "1s"
signal = "SIGSTOP"

[ready]
output = "("

[watch]
paths = 7

[nonsense]
"""


def test_every_mistake_of_a_configuration_is_listed_at_once_with_its_place(folder: Path) -> None:
    (folder / "scanonce.toml").write_text(WRONG)
    ended = run(folder, "dev", "--grace", "soon", "--", "true")
    assert ended.status == 2
    for line, key in (
        (4, "stop.gracee"),
        (5, "stop.signal"),
        (8, "ready.output"),
        (11, "watch.paths"),
        (13, "nonsense"),
    ):
        assert f"scanonce.toml:{line}" in ended.err, ended.err
        assert key in ended.err
    assert "stop.grace" in ended.err
    assert not (folder / ".session-cache").exists()


def test_a_configuration_without_permission_to_read_it_is_refused(folder: Path) -> None:
    (folder / "scanonce.toml").touch(mode=0o000)
    ended = run(folder, "dev", "--", "true", weak=True)
    assert (ended.status, "scanonce.toml: cannot be read: Permission denied" in ended.err) == (2, True), ended.err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--grace", "50"], "needs one, for example"),
        (["--config", "no-such.toml"], "there is no such file"),
        (["--log-format", "xml"], "log.format"),
        (["--no-such-option"], "No such option"),
        (["-C", "nowhere"], "does not exist"),
        (["-C", "scanonce.toml"], "is not a directory"),
    ],
)
def test_wrong_options_are_refused(folder: Path, refused: Refused, options: list[str], sentence: str) -> None:
    (folder / "scanonce.toml").touch()
    ended = refused("dev", *options, "--", "true")
    assert (ended.status, sentence in ended.err) == (2, True), ended.err
    assert not (folder / "nowhere").exists()


# -- the project -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "what"), [(0o000, "not readable"), (0o500, "Permission denied")])
def test_a_project_that_may_not_be_used_is_refused(folder: Path, mode: int, what: str) -> None:
    """Not that root could not: without the rights that root has beyond an owner's."""
    folder.chmod(mode)
    ended = run(folder.parent, "run", "-C", str(folder), "--", "/bin/true", weak=True)
    folder.chmod(0o700)
    assert ended.status == 2
    assert what in ended.err
    assert str(folder) in ended.err


@pytest.mark.parametrize("name", [".session-cache", ".session-cache/supervisor.lock"])
def test_something_else_in_place_of_our_own_files_is_said(folder: Path, name: str) -> None:
    if "/" in name:
        (folder / name).mkdir(parents=True)
    else:
        (folder / name).touch()
    ended = run(folder, "run", "--", "true")
    assert ended.status == 2
    assert str(folder / name) in sentences(ended)


def test_without_a_folder_for_sockets_the_remedy_is_named(folder: Path) -> None:
    (folder / "taken").touch()
    environment = dict.fromkeys(("XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "HOME"), str(folder / "taken"))
    ended = run(folder, "run", "--", "true", env=environment)
    assert ended.status == 2
    assert "set XDG_RUNTIME_DIR to a folder that only you may enter" in sentences(ended)


#: Runs a command as a user that /etc/passwd does not know (unshare(1)).
NOBODY = ["unshare", "--user", "--map-user=12345"]


@pytest.mark.skipif(
    subprocess.run([*NOBODY, "true"], check=False, capture_output=True).returncode != 0, reason="not allowed here"
)
@pytest.mark.parametrize("runtime", [False, True], ids=["nothing", "a runtime folder"])
def test_a_user_without_a_home_folder_runs_a_bot(tmp_path: Path, runtime: bool) -> None:
    """As in a container with a user id of its own, and no HOME."""
    (tmp_path / "scanonce.toml").write_text('[ready]\nsettle = "20ms"\n[restart]\nno_restart_codes = [7]\n')
    with tempfile.TemporaryDirectory(prefix="scanonce-") as temporary:  # a socket's path must be short
        environment = {"PATH": os.environ["PATH"], "TMPDIR": temporary}
        if runtime:
            environment["XDG_RUNTIME_DIR"] = temporary

        def as_nobody(*words: str) -> subprocess.CompletedProcess[str]:
            command = [*NOBODY, str(SCANONCE), *words]
            done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
            assert "Traceback" not in done.stderr
            assert "internal error" not in done.stderr
            return done

        done = as_nobody("run", "--", "sh", "-c", f'"{SCANONCE}" status; exit 7')
        assert done.returncode == 7, done.stderr
        assert "scanonce run" in done.stdout, "its own supervisor was found"
        assert all(made.stat().st_mode & 0o077 == 0 for made in Path(temporary).iterdir())
        assert as_nobody("logs", "--events").returncode == 0
        for words in (["ps"], ["doctor"], ["service", "install"], ["service", "status"]):
            as_nobody(*words)


def test_a_folder_that_somebody_else_has_planted_for_a_user_without_a_home_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("XDG_RUNTIME_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(user_folders, "_in_home", lambda _: None)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    user_folders.homeless_folder().symlink_to(elsewhere)
    with pytest.raises(RuntimeFolderError):
        runtime_folder("0" * 12)
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize(
    "words", [["--version"], ["--help"], ["dev", "--help"], ["session", "list", "--json"], ["timings"], ["doctor"]]
)
def test_output_that_is_lost_has_a_status_of_its_own(tmp_path: Path, words: list[str], buffered: str) -> None:
    def status(redirection: str) -> tuple[int, str]:
        line = f'"$0" "$@" {redirection}; echo ${{PIPESTATUS[0]}} >&2'
        environment = os.environ | {"PYTHONUNBUFFERED": buffered}
        command = ["bash", "-c", line, str(SCANONCE), *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        *said, code = done.stderr.splitlines()
        return int(code), "\n".join(said)

    assert status("| { exec 0<&-; }") == (141, "")
    assert status("> /dev/full") == (2, "scanonce: the output could not be written: No space left on device.")


def test_a_complaint_that_is_lost_does_not_change_the_status(tmp_path: Path) -> None:
    for words, status in (("status", 1), ("nonsense", 2), ("--version", 0)):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run([SCANONCE, words], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=full, check=False)
        assert done.returncode == status


def test_a_state_that_cannot_be_read_does_not_keep_the_bot_from_running(folder: Path) -> None:
    (folder / "session-state.json").write_text("{ garbage")
    (folder / ".session-cache").mkdir()
    (folder / ".session-cache" / "history.db").write_text("garbage")
    (folder / "scanonce.toml").write_text("[restart]\nno_restart_codes = [7]\n")
    ended = run(folder, "run", "--", "sh", "-c", "exit 7")
    assert ended.status == 7, ended.err
    assert '"history.problem"' in ended.err


# -- sessions ----------------------------------------------------------------------------------------------------------


async def refuses(project: Project, running: Running, sentence: str) -> None:
    """The bot is not started, for this reason, and in development a change is waited for."""
    await running.until("bot.waiting")
    assert sentence in running.problems()
    assert not running.all("bot.starting")
    assert await running.stop() == 143
    project.is_left_alone()


async def test_a_profile_of_another_user_is_left_alone_and_no_bot_starts(project: Project) -> None:
    profile = project.profile("1")
    build.profile(profile)
    before = contents(profile)
    profile.chmod(0o000)
    running = await project.start("dev", prefix=project.without(*RIGHTS))
    await refuses(project, running, "may not be read and written by us")
    assert (profile.stat().st_mode & 0o777) == 0
    profile.chmod(0o700)
    assert contents(profile) == before


async def test_a_profile_of_another_user_is_tried_again_after_a_pause_in_production(project: Project) -> None:
    project.configure('[restart]\nlimit = 3\nbackoff_initial = "50ms"\n')
    build.profile(project.profile("1"))
    project.profile("1").chmod(0o000)
    running = await project.start("run", prefix=project.without(*RIGHTS))
    assert await running.ends() == 3
    assert len(running.all("bot.backoff")) == 2
    project.profile("1").chmod(0o700)


async def test_a_browser_that_never_opens_is_said(project: Project) -> None:
    # The bot counts as up only well after that: which of two timers is first must not be a matter of luck.
    project.configure('[browser]\nstart_timeout = "200ms"\n[ready]\nmethod = "up"\nsettle = "5s"\n')
    (project.profile("1") / "Default").mkdir(parents=True)
    running = await project.start("dev")
    await running.until("error")
    assert "has not opened its browser in 0.2 s" in running.problems()
    assert running.process.returncode is None
    assert await running.stop() == 143
    project.is_left_alone()


async def test_a_page_that_never_becomes_ready_is_said(project: Project) -> None:
    project.configure('[ready]\ntimeout = "4s"\n', quick=False)
    profile = project.profile("1")
    profile.mkdir(parents=True)
    (profile / "page").write_text("OPENING")
    running = await project.start("dev", f"browser={profile},devtools")
    not_ready = await running.until("bot.not_ready")
    assert not_ready["state"] == "the page is opening its connection"
    assert await running.stop() == 143
    assert running.all("restart.done")[0]["outcome"] == "failed"
    project.is_left_alone()


async def test_a_profile_that_is_gone_is_no_reason_not_to_start(project: Project) -> None:
    profile = project.profile("1")
    async with project.supervised("dev", f"browser={profile},devtools") as running:
        await running.until("session.linked")
    shutil.rmtree(profile)
    async with project.supervised("dev", f"browser={profile},devtools") as running:
        await eventually(lambda: running.all("session.restored"))
    assert (profile / "Default" / "flushed").exists()
