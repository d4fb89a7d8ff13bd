"""`scanonce service`: what it writes is what the init systems read, and it touches nobody else's files."""

from __future__ import annotations

import os
import plistlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from supervisor.config.loader import load
from supervisor.config.modes import Mode
from supervisor.setup.service.access import obstacles
from supervisor.setup.service.init_system import InitSystem, Scope, Service, ServiceError, ServiceId, Steps
from supervisor.setup.service.install import install, uninstall
from supervisor.setup.service.launchd import Launchd
from supervisor.setup.service.plan import plan, service_id
from supervisor.setup.service.systemd import Systemd, command_line, variables_file
from supervisor.setup.service.windows import NAMESPACE, TaskScheduler
from tests.helpers import shell

AWKWARD = ("index.js", "a b", "$HOME", "${X}", "50%", "%n", 'q"uo"te', "back\\slash", "'", ";", "#x", "", "é")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bot's folder with a name that needs quoting everywhere."""
    made = tmp_path / "my bot %n $HOME"
    made.mkdir()
    return made


def service(folder: Path, *words: str, scope: Scope = Scope.USER, env: Mapping[str, str] | None = None) -> Service:
    """The plan for a bot that is run by this Python."""
    command = (sys.executable, *(words or AWKWARD))
    given = {"PATH": "/usr/bin:/bin", **(env or {})}
    config = load(folder, mode=Mode.RUN)
    return plan(folder, config, command, scope=scope, variables=tuple(env or ()), environment=given)


class Recorded:
    """An init system that runs, whose commands are noted; one that begins as `failing` says ends with `status`."""

    def __init__(self, manager: InitSystem, failing: str = "nothing", status: int = 99) -> None:
        self.kind = manager.kind
        self.files, self.paths = manager.files, manager.paths
        self.installing, self.removing = manager.installing, manager.removing
        self.commands: list[str] = []
        self._failing = failing
        self._status = status

    def present(self) -> bool:
        return True

    def run(self, argv: Sequence[str], needless: Collection[int]) -> str | None:
        self.commands.append(shlex.join([Path(argv[0]).name, *argv[1:]]))
        return "no" if self.commands[-1].startswith(self._failing) and self._status not in needless else None


def managers(home: Path) -> list[InitSystem]:
    return [
        Systemd(system=home / "system", home=home / "home"),
        Launchd(system=home / "system", home=home / "home"),
        TaskScheduler(folder=home / "tasks"),
    ]


def value(unit: str, key: str) -> str:
    """The value of a key that a unit has once."""
    [found] = [line.partition("=")[2] for line in unit.splitlines() if line.startswith(f"{key}=")]
    return found


# -- systemd -----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
@pytest.mark.parametrize("scope", Scope)
def test_systemd_itself_finds_nothing_wrong_with_the_unit(folder: Path, tmp_path: Path, scope: Scope) -> None:
    analyze = shutil.which("systemd-analyze")
    assert analyze is not None, "systemd-analyze is needed: scripts/setup tools, or apt install systemd"
    manager = Systemd(system=tmp_path / "units", home=tmp_path / "home")
    install(manager, service(folder, scope=scope, env={"TOKEN": 'a "b" $c'}), start=False)
    unit = manager.paths(service(folder, scope=scope))[0]
    user = ["--user"] if scope is Scope.USER else []
    environment = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "home")}

    def complaints() -> str:
        words = [analyze, *user, "verify", "--man=no", str(unit)]
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=30, check=False).stderr

    assert not complaints()
    # That it does look: with mistakes in it, it says so.
    unit.write_text(unit.read_text().replace("KillMode=process", "KillMode=both\nWrong=1"))
    assert "kill mode" in complaints()
    assert "Unknown key 'Wrong'" in complaints()


def test_systemd_words_come_back_as_they_were() -> None:
    """Read by the rules of systemd.service(5): C escapes in quotes, `%%`, `$$`."""
    line = command_line(["/opt/my prog/%p", *AWKWARD])
    read = [word.replace("$$", "$").replace("%%", "%") for word in shlex.split(line)]
    assert read == ["/opt/my prog/%p", *AWKWARD]
    assert "$" not in line.replace("$$", "")
    assert "%" not in line.replace("%%", "")


def test_a_variable_is_read_as_a_shell_reads_it() -> None:
    variables = {"A": 'q"uo"te', "B": "$HOME `x` \\n", "C": " # no comment "}
    text = "".join(line for line in variables_file(variables).splitlines(keepends=True) if not line.startswith("#"))
    done = subprocess.run(
        ["sh", "-c", f'{text}printf "%s\\0" "$A" "$B" "$C"'], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\0")[:-1] == list(variables.values())


def test_the_unit_signals_scanonce_alone_and_gives_it_longer_than_a_stop_may_take(folder: Path) -> None:
    (folder / "scanonce.toml").write_text('[stop]\ngrace = "2min"\nclose_timeout = "40s"\n')
    [unit] = Systemd().files(service(folder))
    assert value(unit.text, "Type") == "notify"
    assert value(unit.text, "NotifyAccess") == "main"
    assert value(unit.text, "KillMode") == "process"
    assert int(value(unit.text, "TimeoutStopSec")) > 120 + 40
    assert value(unit.text, "UMask") == "0077"
    assert set(value(unit.text, "RestartPreventExitStatus").split()) == {"2", "5", "126", "127"}
    assert "NoNewPrivileges=" not in unit.text, "the setuid sandbox of Chromium would not start"


def test_a_reload_is_the_bots_clean_restart_with_the_same_configuration(folder: Path) -> None:
    config = load(folder, mode=Mode.RUN)
    planned = plan(folder, config, [sys.executable], scope=Scope.USER, config_file=folder / "other.toml")
    [unit] = Systemd().files(planned)
    read = [word.replace("$$", "$").replace("%%", "%") for word in shlex.split(value(unit.text, "ExecReload"))]
    assert read == [planned.argv[0], "restart", "--project", str(folder), "--config", str(folder / "other.toml")]


def test_variables_are_in_a_file_for_its_owner_only_and_only_those_that_were_named(
    folder: Path, tmp_path: Path
) -> None:
    manager = Systemd(home=tmp_path)
    install(manager, service(folder, env={"TOKEN": "s3cret"}), start=False)
    unit, variables = manager.paths(service(folder))
    assert "s3cret" not in unit.read_text()
    assert variables.stat().st_mode & 0o777 == 0o600
    assert variables.read_text().splitlines()[1:] == ['TOKEN="s3cret"']
    assert value(unit.read_text(), "Environment") == '"PATH=/usr/bin:/bin"'


def test_a_system_service_runs_as_the_folders_owner(folder: Path) -> None:
    [unit] = Systemd().files(service(folder, scope=Scope.SYSTEM))
    assert value(unit.text, "User") == folder.owner()
    assert "User=" not in Systemd().files(service(folder))[0].text


# -- launchd, Windows --------------------------------------------------------------------------------------------------


def test_a_property_list_reads_back(folder: Path) -> None:
    planned = service(folder, env={"TOKEN": "a<b>&"}, scope=Scope.SYSTEM)
    [file] = Launchd().files(planned)
    keys = plistlib.loads(file.text.encode())
    assert keys["ProgramArguments"] == list(planned.argv)
    assert keys["EnvironmentVariables"] == {"PATH": "/usr/bin:/bin", "TOKEN": "a<b>&"}
    assert keys["UserName"] == folder.owner()
    assert keys["ExitTimeOut"] == planned.stop_timeout
    assert (keys["Umask"], file.mode) == (0o077, 0o600)
    assert keys["KeepAlive"] == {"SuccessfulExit": False}, "else `scanonce stop` would be undone"
    assert keys["SoftResourceLimits"] == keys["HardResourceLimits"] == {"Core": 0}, "the soft one may not be higher"


def test_launchd_is_told_to_forget_a_service_that_has_ended_by_itself(folder: Path, tmp_path: Path) -> None:
    init = Recorded(Launchd(home=tmp_path))
    install(init, service(folder), run=init.run)
    assert [command.split()[:2] for command in init.commands] == [["launchctl", "bootstrap"]]
    init.commands.clear()
    install(init, service(folder, "other.js"), run=init.run)
    assert [command.split()[:2] for command in init.commands] == [
        ["scanonce", "stop"],
        ["launchctl", "bootout"],
        ["launchctl", "bootstrap"],
    ]


def test_a_task_reads_back(folder: Path) -> None:
    planned = service(folder)
    [file] = TaskScheduler().files(planned)
    task = ET.fromstring(file.text.encode(file.encoding))
    run = task.find(f".//{{{NAMESPACE}}}Exec")
    assert run is not None
    words = [run.findtext(f"{{{NAMESPACE}}}{name}") for name in ("Command", "Arguments", "WorkingDirectory")]
    assert words == [planned.argv[0], subprocess.list2cmdline(planned.argv[1:]), str(folder)]
    assert task.findtext(f".//{{{NAMESPACE}}}ExecutionTimeLimit") == "PT0S", "else it ends after three days"
    assert task.findtext(f".//{{{NAMESPACE}}}Priority") in {"4", "5", "6"}, "else it is a background process"


@pytest.mark.parametrize(("scope", "trigger"), [(Scope.USER, "LogonTrigger"), (Scope.SYSTEM, "BootTrigger")])
def test_a_task_is_started_again_every_minute_unless_it_runs(folder: Path, scope: Scope, trigger: str) -> None:
    """The scheduler restarts nothing that has ended, whatever its exit code ([MS-TSCH] 2.5.4.2)."""
    [file] = TaskScheduler().files(service(folder, scope=scope))
    task = ET.fromstring(file.text.encode(file.encoding))
    triggers = list(task.find(f"{{{NAMESPACE}}}Triggers") or [])
    assert [one.tag.rpartition("}")[2] for one in triggers] == ["RegistrationTrigger", trigger]
    for one in triggers:
        assert one.findtext(f"{{{NAMESPACE}}}Repetition/{{{NAMESPACE}}}Interval") == "PT1M"
        assert one.find(f"{{{NAMESPACE}}}Repetition/{{{NAMESPACE}}}Duration") is None, "for ever"
        # The schema is a sequence: what the base type has comes first, in this order.
        order = [child.tag.rpartition("}")[2] for child in one]
        assert order == [name for name in ("Enabled", "Repetition", "UserId") if name in order]
    assert task.findtext(f".//{{{NAMESPACE}}}MultipleInstancesPolicy") == "IgnoreNew"


def test_a_task_cannot_have_variables(folder: Path) -> None:
    with pytest.raises(ServiceError, match="setx"):
        TaskScheduler().files(service(folder, env={"TOKEN": "x"}))


# -- what cannot be ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "more", "complaint"),
    [
        (["index.js\nx"], {}, "line break"),
        (["index.js"], {"name": "../x"}, "no name for a service"),
        (["index.js"], {"variables": ["NOT_SET"]}, "NOT_SET: no such variable"),
    ],
)
def test_what_cannot_be_written_down_is_refused(
    folder: Path, words: list[str], more: dict[str, object], complaint: str
) -> None:
    config = load(folder, mode=Mode.RUN)
    with pytest.raises(ServiceError, match=complaint):
        plan(folder, config, [sys.executable, *words], scope=Scope.USER, **more)  # type: ignore[arg-type]  # as given


def test_a_folder_with_a_line_break_in_its_name_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "a\nb"
    folder.mkdir()
    with pytest.raises(ServiceError, match="line break"):
        service(folder)


def test_without_a_command_nothing_is_installed(folder: Path, tmp_path: Path) -> None:
    ended = shell.run(folder, "service", "install", "--user", env={"XDG_CONFIG_HOME": str(tmp_path / "config")})
    assert ended.status == 2
    assert "no command to run" in ended.err
    assert not (tmp_path / "config").exists()


# -- installing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", range(3), ids=["systemd", "launchd", "windows"])
def test_installing_twice_changes_nothing_and_uninstalling_leaves_nothing(
    folder: Path, tmp_path: Path, kind: int
) -> None:
    init = Recorded(managers(tmp_path)[kind])
    first = install(init, service(folder), run=init.run)
    assert [change for _, change in first.files] == ["written"]
    assert init.commands
    again = install(init, service(folder), run=init.run)
    assert [change for _, change in again.files] == ["unchanged"]
    named = service_id(folder, Scope.USER)
    gone = uninstall(init, named, run=init.run)
    assert [change for _, change in gone.files] == ["removed"]
    count = len(init.commands)
    assert {change for _, change in uninstall(init, named, run=init.run).files} == {"absent"}
    assert len(init.commands) == count, "with nothing there nothing is run"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("kind", range(3), ids=["systemd", "launchd", "windows"])
def test_somebody_elses_file_is_neither_replaced_nor_removed(folder: Path, tmp_path: Path, kind: int) -> None:
    init = Recorded(managers(tmp_path)[kind])
    theirs = init.paths(service(folder))[0]
    theirs.parent.mkdir(parents=True)
    theirs.write_text("[Service]\nExecStart=/bin/true\n")
    with pytest.raises(ServiceError, match="was not written by scanonce"):
        install(init, service(folder), run=init.run)
    with pytest.raises(ServiceError, match="was not written by scanonce"):
        uninstall(init, service_id(folder, Scope.USER), run=init.run)
    assert theirs.read_text() == "[Service]\nExecStart=/bin/true\n"
    assert not init.commands


def test_a_changed_service_is_written_anew_and_its_old_variables_go(folder: Path, tmp_path: Path) -> None:
    init = Recorded(Systemd(home=tmp_path))
    install(init, service(folder, env={"TOKEN": "x"}), run=init.run)
    done = install(init, service(folder, "other.js"), run=init.run)
    assert dict(done.files) == dict(zip(init.paths(service(folder)), ("written", "removed"), strict=True))
    assert next(shlex.join(one.argv) for one in done.commands if not one.ran).startswith("systemctl --user restart")


@pytest.mark.parametrize(
    ("kind", "failing", "status"),
    [(1, "scanonce stop", 1), (1, "launchctl bootout", 3), (1, "launchctl bootout", 113), (2, "scanonce stop", 1)],
)
def test_a_service_that_does_not_run_can_be_uninstalled(
    folder: Path, tmp_path: Path, kind: int, failing: str, status: int
) -> None:
    init = Recorded(managers(tmp_path)[kind], failing, status)
    install(init, service(folder), run=init.run)
    gone = uninstall(init, service_id(folder, Scope.USER), run=init.run)
    assert [change for _, change in gone.files] == ["removed"]
    assert not gone.failed
    assert any(command.startswith(failing) for command in init.commands)


def test_a_command_that_had_nothing_to_do_has_not_failed(folder: Path, tmp_path: Path) -> None:
    ends = ("sh", "-c", "echo there is none >&2; exit 3")

    class Ending(Systemd):
        needless: Collection[int] = ()

        def present(self) -> bool:
            return True

        def removing(self, service: ServiceId) -> Steps:
            return Steps(before=[ends], needless={ends: self.needless})

    manager = Ending(home=tmp_path)
    install(manager, service(folder), start=False)
    with pytest.raises(ServiceError, match="there is none"):
        uninstall(manager, service_id(folder, Scope.USER))
    manager.needless = {3}
    assert not uninstall(manager, service_id(folder, Scope.USER)).failed


def test_a_service_that_cannot_be_stopped_keeps_its_files(folder: Path, tmp_path: Path) -> None:
    init = Recorded(Systemd(home=tmp_path), failing="systemctl --user disable")
    install(init, service(folder), run=init.run)
    with pytest.raises(ServiceError, match="left in place"):
        uninstall(init, service_id(folder, Scope.USER), run=init.run)
    assert init.paths(service(folder))[0].exists()


def test_after_a_command_that_failed_the_rest_is_left_to_the_user(folder: Path, tmp_path: Path) -> None:
    init = Recorded(Systemd(home=tmp_path), failing="systemctl --user daemon-reload")
    done = install(init, service(folder), run=init.run)
    assert done.failed
    assert [one.ran for one in done.commands[:2]] == [True, False]


# -- whether its user can reach it ------------------------------------------------------------------------------------


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A user who is neither root nor whoever runs the tests, and has a home."""
    pwd = pytest.importorskip("pwd")
    known = pwd.struct_passwd(("somebody", "x", 54321, 54321, "", str(tmp_path), "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwnam", {"somebody": known}.__getitem__)
    monkeypatch.setattr(os, "getgrouplist", lambda _name, group: [group])
    return "somebody"


def of(user: str | None, folder: Path, program: Path) -> Service:
    """A bot that is run by `program`, and a scanonce that everybody can reach."""
    argv = ("/bin/sh", "run", "--project", str(folder), "--", str(program))
    return replace(service(folder), run_as=user, project=folder, argv=argv)


@pytest.mark.skipif(sys.platform == "win32", reason="there are other permissions there")
def test_a_program_that_the_services_user_cannot_reach_is_told(
    nobody: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def entered(base: Path, name: str, mode: int) -> Path:
        (folder := base / name).mkdir()
        folder.chmod(mode)
        return folder

    place = Path(tempfile.mkdtemp(prefix="scanonce-reach-", dir="/var/tmp"))  # pytest's own folder is closed to others
    try:
        place.chmod(0o755)
        folder, home = entered(place, "bot", 0o755), entered(place, "home", 0o700)
        node = home / "node"
        node.write_text("#!/bin/sh\n")
        node.chmod(0o755)
        (everybodys := place / "node").symlink_to(node)
        open_to_all = place / "sh"
        open_to_all.write_text("#!/bin/sh\n")
        open_to_all.chmod(0o755)
        for own in ("supervisor.setup.service.access.sys.executable", "supervisor.__file__"):
            monkeypatch.setattr(own, str(open_to_all))
        assert list(obstacles(of(nobody, folder, open_to_all))) == []
        for program in (node, everybodys):
            [told] = obstacles(of(nobody, folder, program))
            assert told.startswith(f"somebody may not enter {home}, on the way to the bot's program: ")
        assert list(obstacles(of(None, folder, node))) == [], "one's own service is one's own affair"
        folder.chmod(0o700)
        [told] = obstacles(of(nobody, folder, open_to_all))
        assert told.startswith(f"somebody may not enter {folder}, on the way to the bot's folder: ")
    finally:
        shutil.rmtree(place)


@pytest.mark.skipif(sys.platform == "win32", reason="there are other users there")
def test_a_user_who_is_not_there_is_told(nobody: str, folder: Path) -> None:
    assert list(obstacles(of(f"a-{nobody}", folder, Path("/bin/sh")))) == [
        "there is no user a-somebody on this machine"
    ]


# -- the command -------------------------------------------------------------------------------------------------------


def test_print_shows_what_install_would_do_and_no_secret(folder: Path, tmp_path: Path) -> None:
    home = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "TOKEN": 's3"cret'}
    words = ("--env", "TOKEN", "--json", "--", sys.executable, "index.js")
    ended = shell.run(folder, "service", "print", *words, env=home)
    document = ended.json
    assert (document["version"], document["scope"], document["init"]) == (1, "user", "systemd")
    assert [Path(file["path"]).suffix for file in document["files"]] == [".service", ".env"]
    assert [file["mode"] for file in document["files"]] == ["0644", "0600"]
    assert ["systemctl", "--user", "daemon-reload"] in document["commands"]
    assert "s3" not in ended.out
    assert not (tmp_path / "config").exists()


def test_what_stands_in_the_way_of_a_user_is_told_of_this_machine_only(folder: Path) -> None:
    words = ("service", "print", "--system", "--run-as", "no-such-user-here", "--", sys.executable, "index.js")
    assert "there is no user no-such-user-here on this machine" in shell.run(folder, *words).err
    elsewhere = shell.run(folder, *words[:5], "--for", "windows", *words[5:])
    assert (elsewhere.status, "no user" in elsewhere.err) == (0, False)


def test_install_and_uninstall_from_the_shell(folder: Path, tmp_path: Path) -> None:
    home = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    words = ("service", "install", "--no-start", "--name", "my-bot", "--json", "--", sys.executable, "index.js")
    written = shell.run(folder, *words, env=home)
    assert written.status == 0
    unit = tmp_path / "config" / "systemd" / "user" / "my-bot.service"
    assert written.json["files"] == [{"path": str(unit), "change": "written"}]
    assert all(not one["ran"] for one in written.json["commands"])
    argv = shlex.split(value(unit.read_text(), "ExecStart"))
    assert Path(argv[0]).is_absolute()
    assert argv[1:] == ["run", "--project", str(folder).replace("%", "%%").replace("$", "$$"), "--", *words[-2:]]
    shown = shell.run(folder, "service", "print", "--name", "my-bot", "--", sys.executable, "index.js", env=home)
    assert unit.read_text() in shown.out
