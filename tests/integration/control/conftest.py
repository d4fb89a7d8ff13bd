"""Where to find the control socket of a supervisor under test."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from supervisor.system.runtime_dir import project_key
from tests.helpers.command import Project
from tests.integration.control.checked import Reply, ask

Ask = Callable[..., Coroutine[Any, Any, Reply]]


def socket_of(project: Project) -> Path:
    """The control socket of the supervisor that runs in a project."""
    return project.runtime / "scanonce" / project_key(project.folder.resolve()) / "control"


@pytest.fixture
def asked(project: Project) -> Ask:
    """Ask the project's supervisor; every answer is held to the description."""

    async def send(method: str, target: str, body: object = None, **more: Any) -> Reply:
        return await ask(socket_of(project), method, target, body, **more)

    return send
