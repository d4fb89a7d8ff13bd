"""Tasks for Windows' task scheduler. Source: the Task Scheduler schema, version 1.2. Never run on Windows so far.

The scheduler ignores how a program has ended: its RestartOnFailure is for actions that cannot be started ([MS-TSCH]
2.5.4.2). So the triggers are repeated every minute, which has no effect while scanonce runs.
"""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import platformdirs

from supervisor.setup.service.init_system import MARK, Scope, Service, ServiceError, ServiceFile, ServiceId, Steps
from supervisor.setup.service.plan import NOT_RUNNING, stopping

NAMESPACE: Final = "http://schemas.microsoft.com/windows/2004/02/mit/task"

_SETTINGS: Final[Mapping[str, str]] = {
    "MultipleInstancesPolicy": "IgnoreNew",
    "DisallowStartIfOnBatteries": "false",
    "StopIfGoingOnBatteries": "false",
    "StartWhenAvailable": "true",
    "ExecutionTimeLimit": "PT0S",  # none
    "Priority": "5",  # a normal process; a task's default is below that, as is its access to disk and memory
}


class TaskScheduler:
    """The task scheduler, at the user's logon or at boot."""

    kind = "windows"

    def __init__(self, *, folder: Path | None = None) -> None:
        self._folder = folder

    def present(self) -> bool:
        """Whether this is Windows."""
        return sys.platform == "win32"

    def files(self, service: Service) -> Sequence[ServiceFile]:
        """The task to import. Raises ServiceError for variables, which a task cannot have."""
        if service.environment:
            names = ", ".join(service.environment)
            raise ServiceError(f"a task has no variables of its own: set {names} with setx, and omit --env")
        return [ServiceFile(self._file(service), _document(service), 0o600, "utf-16")]

    def installing(self, service: Service, *, changed: bool) -> Steps:
        """Import it, which starts it. Only a task that scanonce has written is replaced."""
        force = ("/F",) if changed else ()
        create = ("schtasks", "/Create", "/TN", service.name, "/XML", str(self._file(service)), *force)
        return Steps(after=[create])

    def paths(self, service: ServiceId) -> Sequence[Path]:
        """The imported task."""
        return [self._file(service)]

    def removing(self, service: ServiceId) -> Steps:
        """Delete the task, which leaves its program running but unable to start again; then stop the program."""
        stop = stopping(service)
        delete = ("schtasks", "/Delete", "/TN", service.name, "/F")
        return Steps(before=[delete, stop], needless={stop: NOT_RUNNING})

    def _file(self, service: ServiceId) -> Path:
        folder = self._folder or platformdirs.user_data_path("scanonce", appauthor=False) / "services"
        return folder / f"{service.name}.xml"


def _document(service: Service) -> str:
    ET.register_namespace("", NAMESPACE)
    task = ET.Element(f"{{{NAMESPACE}}}Task", {"version": "1.2"})
    _put(task, "RegistrationInfo", {"Description": f"{MARK} The bot in {service.project}."})
    system = service.scope is Scope.SYSTEM
    user = service.run_as or os.environ.get("USERNAME", "")
    triggers = _put(task, "Triggers")
    for name in ("RegistrationTrigger", "BootTrigger" if system else "LogonTrigger"):
        trigger = _put(triggers, name, {"Enabled": "true"})
        _put(trigger, "Repetition", {"Interval": "PT1M"})  # for ever
        if user and name == "LogonTrigger":
            _put(trigger, "UserId").text = user
    principal = _put(_put(task, "Principals"), "Principal")
    principal.set("id", "Author")
    if user:
        _put(principal, "UserId").text = user
    # S4U: run as that user, without a logon and without a stored password.
    _put(principal, "LogonType").text = "S4U" if system else "InteractiveToken"
    _put(principal, "RunLevel").text = "LeastPrivilege"
    _put(task, "Settings", _SETTINGS)
    actions = _put(task, "Actions")
    actions.set("Context", "Author")
    program, *words = service.argv
    arguments = subprocess.list2cmdline(words)
    _put(actions, "Exec", {"Command": program, "Arguments": arguments, "WorkingDirectory": str(service.project)})
    ET.indent(task)
    # The declaration must name the encoding of the file; ElementTree would name that of a Python string.
    return f'<?xml version="1.0" encoding="UTF-16"?>\n{ET.tostring(task, encoding="unicode")}\n'


def _put(parent: ET.Element, name: str, children: Mapping[str, str] | None = None) -> ET.Element:
    element = ET.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    for child, text in (children or {}).items():
        ET.SubElement(element, f"{{{NAMESPACE}}}{child}").text = text
    return element
