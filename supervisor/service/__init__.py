"""Making a bot a service of the init system: systemd, launchd, Windows' task scheduler.

`plan.py` settles what is to run and how; one module for each init system writes that down in its own words, all behind
`face.Manager`; `install.py` puts the files in place and takes them away again. Nothing here starts a bot itself.
"""

from supervisor.service.face import File, Label, Manager, Scope, Service, ServiceError
from supervisor.service.install import Outcome, Ran, install, uninstall
from supervisor.service.managers import KINDS, manager
from supervisor.service.plan import label, plan

__all__ = [
    "KINDS",
    "File",
    "Label",
    "Manager",
    "Outcome",
    "Ran",
    "Scope",
    "Service",
    "ServiceError",
    "install",
    "label",
    "manager",
    "plan",
    "uninstall",
]
