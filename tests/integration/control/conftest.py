"""Where to find the control socket of a supervisor under test."""

from __future__ import annotations

from typing import Any

import pytest

from tests.helpers.command import Project
from tests.helpers.control import Ask, Reply, ask, socket_of


@pytest.fixture
def asked(project: Project) -> Ask:
    """Ask the project's supervisor; every answer is held to the description."""

    async def send(method: str, target: str, body: object = None, **more: Any) -> Reply:
        return await ask(socket_of(project), method, target, body, **more)

    return send
