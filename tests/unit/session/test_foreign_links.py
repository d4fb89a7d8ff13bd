"""As root in the project of another user, who puts links to root's folders in it: nothing of root's is touched."""

from __future__ import annotations

import contextlib
import os
import shutil
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from supervisor.log.segments.rotation import Segments
from supervisor.session import names
from supervisor.session.locks import NOTE, ProfileLocks, profile_lock_files, project_lock
from supervisor.session.profiles.check_report import CheckContext
from supervisor.session.profiles.profile import Profile
from supervisor.session.snapshot.retention import Retention
from supervisor.session.store import SessionStore
from supervisor.system import files
from supervisor.system.errors import SessionError
from supervisor.system.folders import is_closed_to_others, open_folder, refuse_foreign_links
from supervisor.timing.history import History
from tests.helpers import build

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(
    os.name == "nt" or os.geteuid() != 0, reason="only root can be led into what a user may not enter"
)

USER = 65534
LEFT = f"{names.STAGING_PREFIX}1-999999-1"
CHANGES = ("mkdir", "rename", "replace", "link", "symlink", "unlink", "rmdir", "chown", "fchown", "chmod", "open")


class Scene:
    """A project of another user's, with a profile and a snapshot of it, and a folder of root's beside it."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.profile = Profile.at(self.project / "sessions" / "session-1")
        (self.profile.path / "Default/Cache").mkdir(parents=True)
        for name in ("Local State", "Default/Preferences", "Default/Cache/data"):
            (self.profile.path / name).write_text("{}")
        self.store = SessionStore(self.project, policy=Retention(max_count=1))
        self.snapshot = self.store.capture(self.profile, linked=True, browser_version=None).publish()
        (self.profile.path / "Default/Preferences").write_text("{ }")
        (self.store.cache / LEFT).mkdir()
        self.roots = folder / "roots"
        build.profile(self.roots / "session-1")
        (self.roots / "Cache").mkdir()
        (self.roots / "file").write_text("root's")
        for path in [self.project, *self.project.rglob("*")]:
            os.chown(path, USER, USER, follow_symlinks=False)

    def swap(self, path: Path) -> None:
        """What the user does: move a folder away, and put a link in its place."""
        if path.is_dir() and not path.is_symlink():
            path.rename(path.with_name(f"{path.name}.away"))
            path.symlink_to(self.roots)
            os.chown(path, USER, USER, follow_symlinks=False)

    def state_of_roots(self) -> dict[str, Any]:
        return {
            str(path): (status.st_uid, status.st_mode, status.st_mtime_ns, status.st_nlink)
            for path in [self.roots, *sorted(self.roots.rglob("*"))]
            for status in [path.lstat()]
        }


def new_folder(scene: Scene) -> Path:
    return next(scene.project.rglob(f"{names.NEW_PREFIX}*"), scene.project / "none")


def staging(scene: Scene) -> Path:
    """The folder of the copy under way, not the one that was left by another."""
    found = [path for path in scene.project.rglob(f"{names.STAGING_PREFIX}*") if path.name != LEFT]
    return next((path for path in found if path.suffix != ".away"), scene.project / "none")


def restore(scene: Scene) -> None:
    scene.store.restore(scene.profile, scene.snapshot, free=True)


def take(scene: Scene) -> None:
    scene.store.capture(scene.profile, linked=True, browser_version=None).publish()


def clear(scene: Scene) -> None:
    scene.store.clear(scene.profile, free=True)


def prune_and_recover(scene: Scene) -> None:
    scene.store.prune(policy=Retention(max_count=0))
    scene.store.recover()
    scene.store.trim_caches(scene.profile, above=0)


@pytest.mark.parametrize(
    ("work", "where"),
    [
        (restore, new_folder),
        (restore, lambda scene: scene.profile.path.parent),
        (restore, lambda scene: scene.store.cache),
        (take, staging),
        (take, lambda scene: scene.store.cache),
        (clear, lambda scene: scene.profile.path.parent),
        (clear, lambda scene: scene.store.cache),
        (prune_and_recover, lambda scene: scene.store.cache),
        (prune_and_recover, lambda scene: scene.profile.path),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_link_that_appears_at_any_moment_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: Callable[[Scene], None], where: Callable[[Scene], Path]
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _fd: None)
    calls, swapped = 1, 0
    while True:
        scene = Scene(tmp_path / str(calls))
        before = scene.state_of_roots()
        with monkeypatch.context() as patch:
            reached = at_change(calls, patch, partial(lambda scene: scene.swap(where(scene)), scene))
            with contextlib.suppress(SessionError, OSError):
                work(scene)
        assert scene.state_of_roots() == before, f"at change {calls}"
        swapped += where(scene).is_symlink()
        shutil.rmtree(scene.project.parent)
        if not reached:
            break
        calls += 1
    assert swapped, "the link never was in the way"


def at_change(number: int, patch: pytest.MonkeyPatch, attack: Callable[[], None]) -> list[int]:
    """Run `attack` before the `number`-th call that changes something; what is returned is filled when it was."""
    left, reached = number, []
    real = {name: getattr(os, name) for name in CHANGES}

    def change(name: str, *given: Any, **more: Any) -> Any:
        nonlocal left
        if name != "open" or given[1] & os.O_CREAT:
            left -= 1
            if left == 0:
                reached.append(number)
                for each, call in real.items():
                    patch.setattr(os, each, call)
                attack()
        return real[name](*given, **more)

    for name in CHANGES:
        patch.setattr(os, name, partial(change, name))
    return reached


def test_a_link_that_was_there_before_is_refused_and_said(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    before = scene.state_of_roots()
    path = scene.profile.path
    path.rename(path.with_name("away"))
    path.symlink_to(scene.roots / "session-1")  # a sound profile, of root's
    os.chown(path, USER, USER, follow_symlinks=False)
    report = scene.store.check(scene.profile, context=CheckContext(linked=True, free=True))
    assert "another user's link leads to a folder that is not his" in report.blocked[0]
    for work in (restore, take, clear):
        with pytest.raises(SessionError, match="another user's link"):
            work(scene)
    path.unlink()
    path.symlink_to(scene.roots / "not-there-yet")
    os.chown(path, USER, USER, follow_symlinks=False)
    with pytest.raises(SessionError, match="another user's link"):
        restore(scene)
    assert scene.state_of_roots() == before


def test_a_users_own_linked_profile_is_restored_in_its_place_and_stays_his(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    disk = tmp_path / "disk"
    disk.mkdir()
    os.chown(disk, USER, USER)
    path = scene.profile.path
    path.rename(disk / "profile")
    path.symlink_to(disk / "profile")
    os.chown(path, USER, USER, follow_symlinks=False)
    assert scene.store.check(scene.profile, context=CheckContext(linked=True, free=True)).may_start
    restore(scene)
    assert path.readlink() == disk / "profile"
    assert (disk / "profile/Default/Preferences").read_text() == "{}"
    for one in [disk / "profile", *(disk / "profile").rglob("*")]:
        assert (one.lstat().st_uid, one.lstat().st_gid) == (USER, USER)
    take(scene)
    clear(scene)
    assert not (disk / "profile").exists()


def link_in_place_of(path: Path, target: Path) -> None:
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    os.chown(path, USER, USER, follow_symlinks=False)


def test_notes_and_locks_are_written_through_no_link(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    target = scene.roots / "file"
    lock, note = profile_lock_files(scene.profile.path)
    for path in (scene.store.cache / NOTE, note, scene.store.cache / "stop-1.json", scene.store.state.path):
        link_in_place_of(path, target)
    with project_lock(scene.store.cache):
        locks = ProfileLocks()
        locks.take(scene.profile.path, scene.project)
        locks.close()
    link_in_place_of(lock, target)
    link_in_place_of(scene.store.cache / names.LOCK_FILE, target)
    ProfileLocks().take(scene.profile.path, scene.project)  # reported, and used all the same
    with pytest.raises(OSError, match="symbolic link"), project_lock(scene.store.cache):
        pass
    files.rewrite(scene.store.cache / NOTE, b"new")
    assert target.read_text() == "root's"


def test_history_logs_and_lists_are_written_through_no_link(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    before = scene.state_of_roots()
    for name in ("history.db", "p-00000001.jsonl", ".gitignore", "probe"):
        link_in_place_of(scene.project / name, scene.roots / "file")
    link_in_place_of(scene.project / "cache", scene.roots)
    problems: list[str] = []
    with closing(History(scene.project / "history.db", warn=problems.append)) as history:
        history.event("bot.started", {})
    assert problems
    for place in (scene.project, scene.project / "cache"):
        with pytest.raises(OSError, match=r"symbolic link|another user's link"):
            Segments(place, "p", max_size=100, max_files=2).write(b"line")
    with pytest.raises(OSError, match="symbolic link"):
        files.open_own(scene.project / ".gitignore", os.O_RDWR | os.O_APPEND | os.O_CREAT)
    files.rewrite(scene.project / "probe", b"")
    assert scene.state_of_roots() == before


def test_whose_links_are_followed(tmp_path: Path) -> None:
    ours, theirs, third = (tmp_path / name for name in ("ours", "theirs", "third"))
    for folder, owner in ((ours, 0), (theirs, USER), (third, USER - 1)):
        (folder / "inner").mkdir(parents=True)
        for path in (folder, folder / "inner"):
            os.chown(path, owner, owner)
    cases = [
        (theirs / "a", theirs / "inner", USER, True),
        (theirs / "b", ours / "inner", USER, False),
        (theirs / "c", third / "inner", USER, False),
        (theirs / "d", Path("../ours/inner"), USER, False),
        (theirs / "e", theirs / "b", USER, False),
        (theirs / "f", third / "inner", 0, True),  # root's own link
        (ours / "g", third / "inner", 0, True),
        (theirs / "h", theirs / "h", USER, False),
    ]
    for link, target, owner, _ in cases:
        link.symlink_to(target)
        os.chown(link, owner, owner, follow_symlinks=False)
    for link, _, _, followed in cases:
        if followed:
            refuse_foreign_links(link)
            os.close(open_folder(link))
        else:
            with pytest.raises(OSError, match=r"another user's link|[Tt]oo many levels"):
                refuse_foreign_links(link)
    assert is_closed_to_others(ours / "inner")
    assert not is_closed_to_others(theirs / "inner")
    ours.chmod(0o777)
    assert not is_closed_to_others(ours / "inner")
    ours.chmod(0o1777)
    assert is_closed_to_others(ours / "inner")


def test_folders_are_made_through_no_link(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    before = scene.state_of_roots()
    link_in_place_of(scene.project / "logs", scene.roots)
    for path in (scene.project / "logs" / "cache", scene.project / "logs" / "deep" / "cache", scene.project / "logs"):
        with pytest.raises(OSError, match="another user's link"):
            files.ensure_private_folder(path)
    for write in (files.rewrite, files.replace_file):
        with pytest.raises(OSError, match="another user's link"):
            write(scene.project / "logs" / "new", b"")
    with pytest.raises(OSError, match="another user's link"):
        files.unlink(scene.project / "logs" / "file")
    with pytest.raises(OSError, match="another user's link"):
        files.remove_tree(scene.project / "logs" / "Cache")
    assert scene.state_of_roots() == before
