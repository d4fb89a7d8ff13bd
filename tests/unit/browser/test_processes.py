"""Which process of a browser is the one that holds the profile, by trees as they are seen."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import cast

import pytest

from supervisor.browser.processes import find_browsers, is_reachable, without_browsers
from supervisor.process.handle import Handle
from supervisor.process.table import ProcessEntry

NOBODY = cast("Handle", None)
BOT = ProcessEntry(NOBODY, 10, os.getpid(), 1.0, ("node", "index.js"))


def chromium(
    pid: int, parent: int, profile: Path, *, started: float = 2.0, name: str = "/usr/bin/chromium"
) -> ProcessEntry:
    return ProcessEntry(NOBODY, pid, parent, started, (name, "--no-first-run", f"--user-data-dir={profile}"))


@pytest.mark.parametrize("parent", [20, os.getpid()], ids=["forked", "forked twice"])
@pytest.mark.parametrize(("pid", "started"), [(21, 2.0), (21, 2.5), (7, 2.5)], ids=["at once", "later", "pids wrap"])
def test_a_child_that_has_just_been_forked_is_not_taken_for_the_browser(
    tmp_path: Path, parent: int, pid: int, started: float
) -> None:
    main, child = chromium(20, BOT.pid, tmp_path), chromium(pid, parent, tmp_path, started=started)
    for tree in ([BOT, main, child], [child, BOT, main]):  # an orphan may come before all others
        [browser] = find_browsers(tree)
        assert browser.main is main
        assert {entry.pid for entry in browser.processes} == {20, pid}
        assert without_browsers(tree) == [BOT]


def test_a_launcher_is_not_taken_for_the_browser_that_it_has_started(tmp_path: Path) -> None:
    launcher, main = chromium(20, BOT.pid, tmp_path, name="/opt/launch"), chromium(21, 20, tmp_path, started=3.0)
    [browser] = find_browsers([BOT, launcher, main])
    assert browser.main is main


def test_the_lock_names_the_holder(tmp_path: Path) -> None:
    first, second = chromium(20, BOT.pid, tmp_path), chromium(21, BOT.pid, tmp_path, started=3.0)
    for one in (first, second):
        (tmp_path / "SingletonLock").symlink_to(f"{socket.gethostname()}-{one.pid}")
        [browser] = find_browsers([BOT, first, second])
        assert browser.main is one
        (tmp_path / "SingletonLock").unlink()


def test_a_browser_whose_profile_cannot_be_found_is_one_and_holds_none_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    gone = 2**22 + 1  # above the largest pid: as one that is exiting, it has no folder any more
    main = ProcessEntry(NOBODY, gone, BOT.pid, 2.0, ("chromium", "--user-data-dir=sessions/session-1"))
    [browser] = find_browsers([BOT, main])
    assert browser.main is main
    assert not is_reachable(browser.profile)
    assert not os.path.realpath(browser.profile).startswith(str(tmp_path))
    assert without_browsers([BOT, main]) == [BOT]
