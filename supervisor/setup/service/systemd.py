"""systemd units. Sources: systemd.unit(5), systemd.service(5), systemd.exec(5), systemd.kill(5), systemd.syntax(7)."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from supervisor.setup.service.init_system import MARK, Scope, Service, ServiceError, ServiceFile, ServiceId, Steps
from supervisor.system.user_folders import config_folder

_SYSTEM = Path("/etc/systemd/system")
_LINGER = Path("/var/lib/systemd/linger")

_WATCHDOG: Final = 60
_RESTART: Final = 10
_KEEP_DOWN: Final = "2 5 126 127"
"""Exit codes that another try cannot change (docs/exit-codes.md)."""

_UNIT: Final = """\
# {mark} To change it, run that again or write an override (systemctl edit).
[Unit]
Description={description}
{network}
[Service]
Type=notify
NotifyAccess=main
{user}ExecStart={command}
# systemctl reload: a clean restart of the bot.
ExecReload={restart_bot}
Environment={path}
{variables}UMask=0077
# A core dump would contain the account.
LimitCORE=0

WatchdogSec={watchdog}
TimeoutStartSec={start}
TimeoutStopSec={stop}
# scanonce stops the bot itself and verifies that no process is left. If scanonce is killed, the next one closes the
# bot that it left; killed together with it, the browser would lose data that is not yet on disk.
KillMode=process
# If memory runs out, the kernel kills one of the browser's processes, and scanonce restarts the bot.
OOMPolicy=continue

Restart=on-failure
RestartSec={restart}
SuccessExitStatus=143
RestartPreventExitStatus={keep_down}
{hardened}
[Install]
WantedBy={target}.target
"""
_NETWORK: Final = "Wants=network-online.target\nAfter=network-online.target\n"

_HARDENED: Final = """
# Chromium's sandbox needs what most hardening removes: user namespaces, or else a setuid helper. Hence no
# NoNewPrivileges, nor options that imply it (SystemCallFilter, Restrict..., ProtectKernel..., PrivateDevices); no
# MemoryDenyWriteExecute either, since JavaScript is compiled as it runs.
ProtectSystem=full
ProtectControlGroups=yes
ReadWritePaths={project}
"""


class Systemd:
    """systemd's user manager or system manager. `home` is a folder as in XDG_CONFIG_HOME."""

    kind = "systemd"

    def __init__(self, *, system: Path = _SYSTEM, home: Path | None = None) -> None:
        self._system = system
        self._home = home

    def present(self) -> bool:
        """Whether systemd is the init system, by the test of sd_booted(3)."""
        return Path("/run/systemd/system").is_dir()

    def files(self, service: Service) -> Sequence[ServiceFile]:
        """The unit, and a file for the variables: those in a unit can be read by every user."""
        unit, variables = self.paths(service)
        if not service.environment:
            return [ServiceFile(unit, self._unit(service))]
        private = ServiceFile(variables, variables_file(service.environment), 0o600)
        return [ServiceFile(unit, self._unit(service)), private]

    def installing(self, service: Service, *, changed: bool) -> Steps:
        """Load it, enable it at boot or login, start it; a running one stays as it was until it is restarted."""
        by_hand: list[Sequence[str]] = [self._systemctl(service, "restart")] if changed else []
        if service.scope is Scope.USER and not (_LINGER / _user()).exists():
            by_hand.append(("loginctl", "enable-linger", _user()))
        reload = self._systemctl(service, "daemon-reload", named=False)
        return Steps(after=[reload, self._systemctl(service, "enable", "--now")], by_hand=by_hand)

    def paths(self, service: ServiceId) -> Sequence[Path]:
        """The unit and its variables."""
        return [self._folder(service) / f"{service.name}.service", self._variables(service)]

    def removing(self, service: ServiceId) -> Steps:
        """Stop and disable it, which needs its file, then unload it."""
        return Steps(
            before=[self._systemctl(service, "disable", "--now")],
            after=[self._systemctl(service, "daemon-reload", named=False)],
        )

    def _folder(self, service: ServiceId) -> Path:
        if service.scope is Scope.SYSTEM:
            return self._system
        return (self._home or config_folder()) / "systemd" / "user"

    def _variables(self, service: ServiceId) -> Path:
        return self._folder(service) / f"{service.name}.env"

    @staticmethod
    def _systemctl(service: ServiceId, *words: str, named: bool = True) -> tuple[str, ...]:
        user = ("--user",) if service.scope is Scope.USER else ()
        return ("systemctl", *user, *words, *((f"{service.name}.service",) if named else ()))

    def _unit(self, service: Service) -> str:
        system = service.scope is Scope.SYSTEM
        variables = f"EnvironmentFile={_line(str(self._variables(service)))}\n" if service.environment else ""
        return _UNIT.format(
            mark=MARK,
            description=_line(f"scanonce, the bot in {service.project}"),
            network=_NETWORK if system else "",
            user=f"User={_line(service.run_as)}\n" if service.run_as else "",
            command=command_line(service.argv),
            restart_bot=command_line(service.restart),
            path=quoted(f"PATH={service.search_path}"),
            variables=variables,
            watchdog=_WATCHDOG,
            start=service.start_timeout,
            stop=service.stop_timeout,
            restart=_RESTART,
            keep_down=_KEEP_DOWN,
            hardened=_HARDENED.format(project=quoted(str(service.project))) if system else "",
            target="multi-user" if system else "default",
        )


def command_line(argv: Sequence[str]) -> str:
    """A command as ExecStart= takes it. Raises ServiceError for a program whose path cannot be written there."""
    program, *words = argv
    if "$" in program:
        raise ServiceError(f"{program}: systemd cannot run a program with a $ in its path; install it elsewhere")
    return " ".join([quoted(program), *(quoted(word).replace("$", "$$") for word in words)])


def quoted(word: str) -> str:
    """One word in double quotes, with every character escaped that is special in systemd, except `$`."""
    return '"' + _line(word).replace("\\", "\\\\").replace('"', '\\"') + '"'


def variables_file(variables: Mapping[str, str]) -> str:
    """The text of an EnvironmentFile: quoted as for a shell, without specifiers."""
    lines = [f"# {MARK}\n"]
    for name, value in variables.items():
        escaped = "".join(f"\\{character}" if character in '"\\`$' else character for character in value)
        lines.append(f'{name}="{escaped}"\n')
    return "".join(lines)


def _line(text: str) -> str:
    """A value without quotes, in which only specifiers are special."""
    return text.replace("%", "%%")


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name
