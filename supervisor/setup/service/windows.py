"""Tasks for Windows' task scheduler. Source: the Task Scheduler schema, version 1.2. Written, and never run there.

The scheduler does not look at how a program has ended: its RestartOnFailure is for actions that cannot be started
([MS-TSCH] 2.5.4.2). So the triggers are repeated every minute, which does nothing while scanonce runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import platformdirs

from supervisor.setup.service.base import MARK, File, Label, Scope, Service, ServiceError, Steps
from supervisor.setup.service.command import NOT_RUNNING, stopping

NAMESPACE: Final = "http://schemas.microsoft.com/windows/2004/02/mit/task"

_SETTINGS: Final[Mapping[str, str]] = {
    "MultipleInstancesPolicy": "IgnoreNew",
    "DisallowStartIfOnBatteries": "false",
    "StopIfGoingOnBatteries": "false",
    "StartWhenAvailable": "true",
    "ExecutionTimeLimit": "PT0S",  # none
    "Priority": "5",  # a normal process; by default a task's is below that, and so is its access to disk and memory
}


class TaskScheduler:
    """The task scheduler: at the user's logon, or at boot."""

    kind = "windows"

    def __init__(self, *, folder: Path | None = None) -> None:
        self._folder = folder

    def present(self) -> bool:
        """Whether this is Windows."""
        return sys.platform == "win32"

    def files(self, service: Service) -> Sequence[File]:
        """The task as it is imported. Raises ServiceError for variables: a task has none of its own."""
        if service.environment:
            names = ", ".join(service.environment)
            raise ServiceError(f"a task has no variables of its own: set {names} with setx, and leave --env away")
        return [File(self._file(service), _document(service), 0o600, "utf-16")]

    def installing(self, service: Service, *, changed: bool) -> Steps:
        """Import it, which starts it. Only a task that is known to be ours is replaced."""
        force = ("/F",) if changed else ()
        create = ("schtasks", "/Create", "/TN", service.name, "/XML", str(self._file(service)), *force)
        return Steps(after=[create])

    def paths(self, label: Label) -> Sequence[Path]:
        """The task as it was imported."""
        return [self._file(label)]

    def removing(self, label: Label) -> Steps:
        """Remove the task, which leaves its program running and keeps it from being started again; then stop that."""
        stop = stopping(label)
        delete = ("schtasks", "/Delete", "/TN", label.name, "/F")
        return Steps(before=[delete, stop], needless={stop: NOT_RUNNING})

    def _file(self, label: Label) -> Path:
        folder = self._folder or platformdirs.user_data_path("scanonce", appauthor=False) / "services"
        return folder / f"{label.name}.xml"


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
    # S4U: as that user, without one who has logged on and without a stored password.
    _put(principal, "LogonType").text = "S4U" if system else "InteractiveToken"
    _put(principal, "RunLevel").text = "LeastPrivilege"
    _put(task, "Settings", _SETTINGS)
    actions = _put(task, "Actions")
    actions.set("Context", "Author")
    program, *words = service.argv
    arguments = subprocess.list2cmdline(words)
    _put(actions, "Exec", {"Command": program, "Arguments": arguments, "WorkingDirectory": str(service.project)})
    ET.indent(task)
    # The declaration must name what the file is written in; ElementTree would name what it returns, text.
    return f'<?xml version="1.0" encoding="UTF-16"?>\n{ET.tostring(task, encoding="unicode")}\n'


def _put(parent: ET.Element, name: str, children: Mapping[str, str] | None = None) -> ET.Element:
    element = ET.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    for child, text in (children or {}).items():
        ET.SubElement(element, f"{{{NAMESPACE}}}{child}").text = text
    return element
