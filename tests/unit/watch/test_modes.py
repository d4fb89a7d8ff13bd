"""How changes are learned of: events where they arrive, polling where not, and what is said about it."""

# ruff: noqa: ASYNC240  (changing files is what these tests do)

from __future__ import annotations

import asyncio
import errno
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.watch import watcher as files
from supervisor.watch.fingerprint import Signature
from supervisor.watch.inotify import InotifySource
from supervisor.watch.probe import explain_limit, remote_type
from supervisor.watch.rules import WatchRules
from supervisor.watch.source import Hint, HintKind, NoSource, WatchLimitError
from tests.unit.watch.conftest import watching


class Limited(InotifySource):
    """An inotify that allows a few watches."""

    def __init__(self, allowed: int) -> None:
        super().__init__()
        self._allowed = allowed

    def add(self, folder: str) -> None:
        if len(self._watches) >= self._allowed and folder not in self._watches:
            raise WatchLimitError("fs.inotify.max_user_watches")
        super().add(folder)


def watches() -> int:
    """How many inotify watches this process holds, as the kernel counts them."""
    count = 0
    for entry in Path("/proc/self/fdinfo").iterdir():
        try:
            count += entry.read_text().count("inotify wd:")
        except FileNotFoundError:  # the descriptor that listed this folder
            continue
    return count


async def test_events_where_they_arrive(project: Path) -> None:
    async with watching(project, poll="auto") as w:
        assert (w.watcher.mode, w.watcher.reason, w.notices) == ("events", "", [])
        assert not list(project.glob(".scanonce*"))
        await w.nothing()


async def test_read_only_project_needs_no_probe(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supervisor.watch.probe._written", lambda _: False)
    async with watching(project, poll="auto") as w:
        assert w.watcher.mode == "events"
        await w.nothing()


async def test_polling_where_no_event_arrives(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_PROBE_WAIT", 0.01)
    async with watching(project, poll="auto", source=lambda _: NoSource()) as w:
        assert w.watcher.mode == "polling"
        assert w.watcher.reason == f"a file written in {project} raised no event within 0.01 s"
        assert w.notices == [f"comparing files regularly instead of waiting for events: {w.watcher.reason}"]
        assert not list(project.glob(".scanonce*"))
        (project / "src" / "a.js").write_text("// changed\n")
        assert await w.changed() == {"src/a.js"}


async def test_polling_on_a_file_system_of_another_machine(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "remote_type", lambda _: "9p")
    async with watching(project, poll="auto") as w:
        assert w.watcher.mode == "polling"
        assert w.watcher.reason == f"{project} is on 9p, where edits made on another machine raise no events here"


async def test_polling_where_the_system_has_no_events(project: Path) -> None:
    def none(_: WatchRules) -> InotifySource:
        raise OSError(errno.ENOSYS, "Function not implemented")

    async with watching(project, poll="auto", source=none) as w:
        assert w.watcher.reason == "this system gives no file events (Function not implemented)"
        await w.nothing()


async def test_polling_when_asked_for_says_nothing(project: Path) -> None:
    async with watching(project, poll=True) as w:
        assert (w.watcher.mode, w.watcher.reason, w.notices) == ("polling", "asked for", [])
        assert watches() == 0


async def test_polling_sees_a_second_change_that_the_signature_hides(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file system with times of two seconds: both changes look alike to stat.
    def coarse(status: os.stat_result) -> Signature | None:
        return Signature(0, 0, status.st_size, 0) if stat.S_ISREG(status.st_mode) else None

    monkeypatch.setattr("supervisor.watch.fingerprint.signature", coarse)
    async with watching(project, poll=True) as w:
        (project / "src" / "a.js").write_text("// longer than before, the first\n")
        assert await w.changed() == {"src/a.js"}
        (project / "src" / "a.js").write_text("// longer than before, the other\n")
        assert await w.changed() == {"src/a.js"}


@pytest.mark.parametrize("allowed", [0, 1, 2])
async def test_limit_reached_at_start(project: Path, allowed: int) -> None:
    async with watching(project, source=lambda _: Limited(allowed)) as w:
        assert w.watcher.mode == "polling"
        assert "fs.inotify.max_user_watches = " in w.notices[0]
        assert f"3 folders are to be watched; the largest folder is {project / 'src'} with 2" in w.notices[0]
        assert watches() == 0
        (project / "src" / "a.js").write_text("// changed\n")
        assert await w.changed() == {"src/a.js"}


async def test_limit_reached_later(project: Path) -> None:
    async with watching(project, source=lambda _: Limited(3)) as w:
        assert w.watcher.mode == "events"
        (project / "new").mkdir()
        (project / "new" / "x.js").write_text("x")
        assert await w.changed() == {"new/x.js"}
        assert w.notices[0].startswith("comparing files regularly")
        (project / "new" / "x.js").write_text("y")
        assert await w.changed() == {"new/x.js"}


async def test_too_many_instances(project: Path) -> None:
    def none(_: WatchRules) -> InotifySource:
        raise WatchLimitError("fs.inotify.max_user_instances")

    async with watching(project, source=none) as w:
        assert w.watcher.mode == "polling"
        assert "fs.inotify.max_user_instances" in w.watcher.reason


def test_the_kernels_own_limits() -> None:
    """In a user namespace, which has limits of its own."""
    script = """
import asyncio, pathlib, sys
from supervisor.watch.inotify import InotifySource
from supervisor.watch.source import WatchLimitError
pathlib.Path("/proc/sys/user/max_inotify_watches").write_text("1")
source = InotifySource()
source.add("/")
try:
    source.add("/tmp")
except WatchLimitError as error:
    print(error.sysctl)
pathlib.Path("/proc/sys/user/max_inotify_instances").write_text("1")
try:
    InotifySource()
except WatchLimitError as error:
    print(error.sysctl)
source.close()
"""
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    if "unshare failed" in done.stderr or "Operation not permitted" in done.stderr:
        pytest.skip("user namespaces are not permitted here")
    assert done.stdout.split() == ["fs.inotify.max_user_watches", "fs.inotify.max_user_instances"], done.stderr


def test_explaining_a_limit() -> None:
    folders = ["/p", "/p/a", "/p/b", "/p/b/c", "/elsewhere"]
    text = explain_limit(WatchLimitError("fs.inotify.no_such_thing"), folders, "/p")
    assert text == (
        "the limit fs.inotify.no_such_thing = unknown is used up, and 5 folders are to be watched; the largest folder "
        "is /p/b with 2. Leave folders out ([watch] ignore), or raise it: sudo sysctl fs.inotify.no_such_thing=16"
    )


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/bot", None),
        ("/mnt/c/bot", "9p"),
        ("/mnt/c", "9p"),
        ("/mnt/call", None),
        ("/mnt/c/inner/bot", None),
        ("/srv/with space/bot", "nfs4"),
        ("/shared/bot", "fuse.sshfs"),
    ],
)
def test_file_systems_of_other_machines(path: str, kind: str | None) -> None:
    mounts = (
        "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
        "30 22 0:40 / /mnt/c rw - 9p C:\\134 rw,aname=drvfs\n"
        "31 30 0:41 / /mnt/c/inner rw - tmpfs tmpfs rw\n"
        "32 22 0:42 / /srv/with\\040space rw - nfs4 host:/ rw\n"
        "33 22 0:43 / /shared rw - ext4 /dev/vdb rw\n"
        "34 33 0:44 / /shared rw - fuse.sshfs host:/ rw\n"
    )
    assert remote_type(path, mounts) == kind


async def test_watches_are_put_only_where_needed(project: Path) -> None:
    for i in range(50):
        (project / "node_modules" / f"p{i}" / "lib").mkdir(parents=True)
        (project / "sessions" / "session-1" / f"d{i}").mkdir(parents=True)
        (project / ".git" / f"d{i}").mkdir(parents=True)
    async with watching(project) as w:
        assert watches() == 4  # the project, src, src/lib, sessions
        (project / "src" / "new").mkdir()
        (project / "src" / "new" / "x.js").write_text("x")
        await w.changed()
        assert watches() == 5
        w.watcher.exclude(project / "src" / "new")
        assert watches() == 4
    assert watches() == 0


async def test_queue_overflow_loses_nothing(project: Path) -> None:
    queue = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    async with watching(project) as w:
        # While the event loop is held up here, more happens than the kernel keeps. Equal events in a row are merged,
        # so two files take turns.
        with (project / "a.txt").open("wb", 0) as a, (project / "b.txt").open("wb", 0) as b:
            for _ in range(queue // 2 + 10):
                a.write(b"x")
                b.write(b"x")
        (project / "src" / "a.js").write_text("// lost to the queue\n")
        (project / "src" / "lost").mkdir()
        (project / "src" / "lost" / "x.js").write_text("x")
        (project / "src" / "lib" / "b.js").unlink()
        assert await w.changed() == {"src/a.js", "src/lost/x.js", "src/lib/b.js"}
        (project / "src" / "lost" / "x.js").write_text("watched")
        assert await w.changed() == {"src/lost/x.js"}


async def test_unreadable_folder_is_said_once_and_the_rest_is_watched(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing(InotifySource):
        def add(self, folder: str) -> None:
            if folder.endswith("lib"):
                raise PermissionError(errno.EACCES, "Permission denied", folder)
            super().add(folder)

    async with watching(project, source=lambda _: Refusing()) as w:
        (project / "src" / "a.js").write_text("// changed\n")
        assert await w.changed() == {"src/a.js"}
        (project / "src" / "lib").chmod(0o755)
        await w.nothing()
        assert w.notices == [f"{project}/src/lib cannot be watched (Permission denied): changes in it go unnoticed"]


async def test_pattern_that_matches_nothing_is_said(project: Path) -> None:
    rules = WatchRules(project, paths=(Path("src/*.yaml"), Path("src/*.js")))
    async with watching(rules) as w:
        assert w.notices == ['no file matches "src/*.yaml" yet; it is watched all the same']
        (project / "src" / "x.yaml").write_text("x: 1")
        assert await w.changed() == {"src/x.yaml"}


async def test_hints_are_not_believed(project: Path) -> None:
    """Doubled, late and wrong hints change nothing."""

    class Liar(InotifySource):
        def read(self) -> Iterator[Hint]:
            hints = list(super().read())
            yield from hints
            for kind in HintKind if hints else ():
                yield Hint(str(project / "src"), "a.js", kind)
                yield Hint(str(project), "src", kind)
                yield Hint("/nowhere", "x.js", kind)
                yield Hint(str(project / "src"), "never.js", kind)

    async with watching(project, source=lambda _: Liar()) as w:
        (project / "index.js").write_text("// changed\n")
        assert await w.changed() == {"index.js"}
        (project / "src" / "lib" / "b.js").write_text("// changed\n")
        assert await w.changed() == {"src/lib/b.js"}


async def test_error_in_on_change_ends_the_watching(project: Path) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError

    watcher = files.FileWatcher(
        WatchRules(project), quiet=0.05, poll=False, on_change=broken, on_file=lambda _: None, on_notice=lambda _: None
    )
    task = asyncio.create_task(watcher.run())
    await watcher.armed()
    (project / "index.js").write_text("// changed\n")
    with pytest.raises(ExceptionGroup) as caught:
        await task
    assert caught.group_contains(ZeroDivisionError)
    assert watches() == 0
