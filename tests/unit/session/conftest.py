"""A project folder below tmp_path, with one linked profile in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from supervisor.session.profiles.profile import Profile
from supervisor.session.store import SessionStore
from tests.helpers import build

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_wait_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests' writes would be waited for too, and a crash is not what is tested here: see test_durability."""
    monkeypatch.setattr(os, "fsync", lambda _fd: None)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def store(project: Path) -> SessionStore:
    return SessionStore(project)


@pytest.fixture
def profile(project: Path) -> Profile:
    path = project / "sessions" / "session-97150"
    build.profile(path)
    return Profile.at(path)
