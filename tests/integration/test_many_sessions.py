"""Lists of many sessions: what they cost grows with the number of sessions, not with its square."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from supervisor.admin.inventory import Inventory
from supervisor.config.schema import Config
from supervisor.session.manager import SessionManager
from supervisor.session.names import quarantine_name
from supervisor.session.profiles.profile import Profile
from supervisor.session.store import SessionStore

if TYPE_CHECKING:
    from collections.abc import Callable

LOOKS = ("lstat", "stat", "scandir", "listdir", "open", "readlink")


def project_of(folder: Path, sessions: int, place: str) -> Path:
    """A project of so many sessions, each with a profile, a snapshot, a profile in quarantine and a state."""
    store = SessionStore(folder)
    for number in range(sessions):
        path = folder / place.format(number)
        (path / "Default").mkdir(parents=True)
        (path / "Local State").write_text("{}")
        profile = Profile(f"id-{number}", path)
        store.state.update(profile.id, is_linked=True, profile=store.relative(path))
        store.capture(profile, linked=True, browser_version=None).publish(note=False)
        (store.cache / quarantine_name(profile.id, 1_700_000_000_000 + number) / "Default").mkdir(parents=True)
    return folder


def looks(monkeypatch: pytest.MonkeyPatch, work: Callable[[], list[Any]], sessions: int) -> int:
    """How often `work`, which lists all sessions, asks the system about files, and how many entries it is told."""
    counted: Counter[str] = Counter()
    listdir = os.listdir
    with monkeypatch.context() as patch:
        for name in LOOKS:
            real = getattr(os, name)

            def counting(*given: Any, _name: str = name, _real: Any = real, **more: Any) -> Any:
                counted[_name] += 1
                if _name in {"scandir", "listdir"} and given:
                    counted["entries"] += len(listdir(*given)) if os.path.isdir(*given) else 0
                return _real(*given, **more)

            patch.setattr(os, name, counting)
        assert len(work()) == sessions
    return counted.total()


@pytest.mark.parametrize("place", ["sessions/session-{}", ".wwebjs_auth/session-{}", "accounts/{}/profile"])
def test_what_a_list_costs_grows_with_the_number_of_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _fd: None)
    monkeypatch.setattr("supervisor.admin.inventory.open_browsers", dict)  # one look at each process of the machine
    few, many = 5, 40
    costs = []
    for sessions in (few, many):
        project = project_of(tmp_path / str(sessions), sessions, place)
        manager = SessionManager(project)
        lists = (Inventory(project, Config()).overviews, manager.list_sessions, manager.get_all_sessions_detailed)
        costs.append([looks(monkeypatch, work, sessions) for work in lists])
    for cheap, dear in zip(*costs, strict=True):
        assert dear <= cheap * (many / few), costs
