"""systemd units. Sources: systemd.unit(5), systemd.service(5), systemd.exec(5), systemd.kill(5), systemd.syntax(7)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import platformdirs

from supervisor.setup.service.base import MARK, File, Label, Scope, Service, ServiceError, Steps

_SYSTEM = Path("/etc/systemd/system")
_LINGER = Path("/var/lib/systemd/linger")

_WATCHDOG: Final = 60
_RESTART: Final = 10
_KEEP_DOWN: Final = "2 5 126 127"
"""Exit codes that no further try can change (docs/exit-codes.md)."""

_UNIT: Final = """\
# {mark} Change it by running that again, or by an override (systemctl edit).
[Unit]
Description={description}
{network}
[Service]
Type=notify
NotifyAccess=main
{user}ExecStart={command}
# systemctl reload: the bot's clean restart.
ExecReload={restart_bot}
Environment={path}
{variables}UMask=0077
# A core dump would hold the account.
LimitCORE=0

WatchdogSec={watchdog}
TimeoutStartSec={start}
TimeoutStopSec={stop}
# scanonce ends the bot itself and proves that nothing is left. Should it be killed, the next one closes the bot that
# lives on; killed together with it, the browser would lose what it had not yet written.
KillMode=process
# When memory runs out the kernel kills one of the browser's processes, and scanonce restarts the bot.
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
# Chromium's sandbox needs what most hardening takes away: user namespaces, or else a setuid helper. So no
# NoNewPrivileges, nor whatever implies it (SystemCallFilter, Restrict..., ProtectKernel..., PrivateDevices); no
# MemoryDenyWriteExecute either, since JavaScript is compiled as it runs.
ProtectSystem=full
ProtectControlGroups=yes
ReadWritePaths={project}
"""


class Systemd:
    """systemd, for its user manager or for the system's. `home` as in XDG_CONFIG_HOME."""

    kind = "systemd"

    def __init__(self, *, system: Path = _SYSTEM, home: Path | None = None) -> None:
        self._system = system
        self._home = home

    def present(self) -> bool:
        """Whether systemd is the init system: what sd_booted(3) looks at."""
        return Path("/run/systemd/system").is_dir()

    def files(self, service: Service) -> Sequence[File]:
        """The unit, and the variables in a file of their own: a unit's can be read by everybody."""
        unit, variables = self.paths(service)
        if not service.environment:
            return [File(unit, self._unit(service))]
        return [File(unit, self._unit(service)), File(variables, variables_file(service.environment), 0o600)]

    def installing(self, service: Service, *, changed: bool) -> Steps:
        """Load it, enable it at boot or login, start it; one that runs goes on as it was until it is restarted."""
        by_hand: list[Sequence[str]] = []
        if changed:
            by_hand.append(self._systemctl(service, "restart"))
        if service.scope is Scope.USER and not (_LINGER / _user()).exists():
            by_hand.append(("loginctl", "enable-linger", _user()))
        reload = self._systemctl(service, "daemon-reload", named=False)
        return Steps(after=[reload, self._systemctl(service, "enable", "--now")], by_hand=by_hand)

    def paths(self, label: Label) -> Sequence[Path]:
        """The unit and its variables."""
        return [self._folder(label) / f"{label.name}.service", self._variables(label)]

    def removing(self, label: Label) -> Steps:
        """Stop and disable it, which needs its file, and then forget it."""
        return Steps(
            before=[self._systemctl(label, "disable", "--now")],
            after=[self._systemctl(label, "daemon-reload", named=False)],
        )

    def _folder(self, label: Label) -> Path:
        if label.scope is Scope.SYSTEM:
            return self._system
        home = self._home or platformdirs.user_config_path()
        return home / "systemd" / "user"

    def _variables(self, label: Label) -> Path:
        return self._folder(label) / f"{label.name}.env"

    @staticmethod
    def _systemctl(label: Label, *words: str, named: bool = True) -> tuple[str, ...]:
        user = ("--user",) if label.scope is Scope.USER else ()
        return ("systemctl", *user, *words, *((f"{label.name}.service",) if named else ()))

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
    """One word in double quotes, with everything escaped that systemd would take for its own, but for `$`."""
    return '"' + _line(word).replace("\\", "\\\\").replace('"', '\\"') + '"'


def variables_file(variables: Mapping[str, str]) -> str:
    """The text of an EnvironmentFile: a shell's quoting, no specifiers."""
    lines = [f"# {MARK}\n"]
    for name, value in variables.items():
        escaped = "".join(f"\\{character}" if character in '"\\`$' else character for character in value)
        lines.append(f'{name}="{escaped}"\n')
    return "".join(lines)


def _line(text: str) -> str:
    """A value without quotes: only specifiers are special there."""
    return text.replace("%", "%%")


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name
