"""Shared by the tests of the command: a supervisor in this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from supervisor.supervise.state_machine import Policy
from tests.helpers.command import Project
from tests.helpers.inside import Inside, MakeInside


@pytest.fixture
def inside(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeInside]:
    """Make a supervisor in this process: `inside(*words)`."""
    made: list[Inside] = []
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)

    def make(*words: str, policy: Policy | None = None) -> Inside:
        made.append(Inside(project, words, policy=policy or Policy(rest_after_exit=True)))
        return made[-1]

    yield make
    for one in made:
        one.files.close()
        one.history.close()
