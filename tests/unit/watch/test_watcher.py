"""What a restart in development is promised: once for each burst, at once, with the final content, and never for
nothing. Each promise is kept with every way of learning of changes."""

# ruff: noqa: ASYNC240  (changing files is what these tests do)

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from supervisor.watch.rules import WatchRules
from supervisor.watch.source import Source
from supervisor.watch.watcher import FileWatcher, native_source
from supervisor.watch.watchfiles_source import WatchfilesSource
from tests.helpers.waiting import eventually
from tests.unit.watch.conftest import Watch, watching


def watchfiles_source(rules: WatchRules) -> Source:
    return WatchfilesSource(base.path for base in rules.watched_paths)


@pytest.fixture(params=["native", "watchfiles", "polling"])
def watch(request: pytest.FixtureRequest) -> Watch:
    ways = {
        "native": partial(watching, source=native_source),
        "watchfiles": partial(watching, source=watchfiles_source),
        "polling": partial(watching, poll=True),
    }
    return ways[request.param]


async def test_write_in_place(watch: Watch, project: Path) -> None:
    async with watch(project) as w:
        (project / "src" / "a.js").write_text("// changed\n")
        assert await w.changed() == {"src/a.js"}
        assert len(w.changes) == 1
        assert w.changes[0].paths == (project / "src" / "a.js",)


async def test_first_seen_is_when_it_was_seen(project: Path) -> None:
    async with watching(project) as w:
        before = time.monotonic()
        (project / "index.js").write_text("// changed\n")
        await w.told()
        assert before <= w.changes[0].first_seen <= time.monotonic()


async def test_save_that_changes_nothing(watch: Watch, project: Path) -> None:
    async with watch(project) as w:
        (project / "index.js").write_text("// changed\n")
        await w.changed()
        (project / "index.js").write_text("// changed\n")
        (project / "index.js").touch()
        await w.nothing()


async def test_touch_changes_nothing_even_before_anything_was_read(watch: Watch, project: Path) -> None:
    async with watch(project) as w:
        await w.read()
        (project / "index.js").touch()
        (project / "src" / "a.js").write_text("// a\n")
        await w.nothing()


async def test_rename_over(watch: Watch, project: Path) -> None:
    async with watch(project) as w:
        (project / "src" / "a.js.tmp").write_text("// changed\n")
        (project / "src" / "a.js.tmp").rename(project / "src" / "a.js")
        assert await w.changed() == {"src/a.js"}


async def test_rename_over_with_the_same_content(watch: Watch, project: Path) -> None:
    async with watch(project) as w:
        (project / "src" / "a.js").write_text("// read once\n")
        await w.changed()
        (project / "src" / "a.js.tmp").write_text("// read once\n")
        (project / "src" / "a.js.tmp").rename(project / "src" / "a.js")
        await w.nothing()


async def test_new_file(watch: Watch, project: Path) -> None:
    async with watch(project) as w:
        (project / "src" / "new.ts").write_text("export {}\n")
        assert await w.changed() == {"src/new.ts"}


async def test_removed_file(watch: Watch, project: Path) -> None:
    async with watch(project) as w:
        (project / "src" / "a.js").unlink()
        assert await w.changed() == {"src/a.js"}


async def test_removed_and_put_back_with_the_same_content_within_the_quiet_time(project: Path) -> None:
    async with watching(project) as w:
        (project / "src" / "a.js").write_text("// read once\n")
        await w.changed()
        (project / "src" / "a.js").unlink()
        (project / "src" / "a.js").write_text("// read once\n")
        assert await w.settled() == set()
        assert len(w.changes) == 1


async def test_emptied_and_written_again_with_the_same_content(project: Path) -> None:
    async with watching(project) as w:
        (project / "src" / "a.js").write_text("// read once\n")
        await w.changed()
        (project / "src" / "a.js").write_text("")
        await asyncio.sleep(0)  # let the watcher see it empty
        (project / "src" / "a.js").write_text("// read once\n")
        assert await w.settled() == set()
        assert len(w.changes) == 1


async def test_file_left_empty(watch: Watch, project: Path) -> None:
    async with watch(project) as w:
        (project / "src" / "a.js").write_text("")
        assert await w.changed() == {"src/a.js"}


async def test_written_but_never_closed(project: Path) -> None:
    async with watching(project) as w:
        with (project / "src" / "a.js").open("a") as file:
            file.write("// more\n")
            file.flush()
            assert await w.changed() == {"src/a.js"}


async def test_folder_moved_in_and_out(watch: Watch, project: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "x.js").write_text("x")
    (outside / "deep" / "y.js").write_text("y")
    async with watch(project) as w:
        outside.rename(project / "src" / "inside")
        assert await w.changed() == {"src/inside/x.js", "src/inside/deep/y.js"}
        (project / "src" / "inside" / "deep" / "y.js").write_text("changed")
        assert await w.changed() == {"src/inside/deep/y.js"}
        (project / "src" / "inside").rename(outside)
        assert await w.changed() == {"src/inside/x.js", "src/inside/deep/y.js"}
        (outside / "x.js").write_text("no longer ours")
        await w.nothing()


async def test_folder_renamed(watch: Watch, project: Path) -> None:
    async with watch(project) as w:
        (project / "src" / "lib").rename(project / "src" / "other")
        await w.told()
        found = await w.settled()
        assert found == {"src/lib/b.js", "src/other/b.js"}
        (project / "src" / "other" / "b.js").write_text("changed")
        assert await w.changed() == {"src/other/b.js"}


async def test_new_folders_made_faster_than_they_can_be_watched(watch: Watch, project: Path) -> None:
    async with watch(project) as w:
        for i in range(20):
            deep = project / "src" / f"n{i}" / "a" / "b"
            deep.mkdir(parents=True)
            (deep / "x.js").write_text("x")
        assert await w.changed() == {f"src/n{i}/a/b/x.js" for i in range(20)}


async def test_watched_folder_deleted_and_back(watch: Watch, project: Path) -> None:
    async with watch(WatchRules(project, paths=(Path("src"), Path("index.js")))) as w:
        for path in (project / "src" / "lib" / "b.js", project / "src" / "a.js"):
            path.unlink()
        (project / "src" / "lib").rmdir()
        (project / "src").rmdir()
        assert await w.changed() == {"src/a.js", "src/lib/b.js"}
        (project / "src").mkdir()
        (project / "src" / "a.js").write_text("// back\n")
        assert await w.changed() == {"src/a.js"}
        (project / "src" / "a.js").write_text("// and watched\n")
        assert await w.changed() == {"src/a.js"}


@pytest.mark.parametrize("crowd", [1000, 0], ids=["one by one", "in a crowd of changes"])
async def test_watched_folder_that_comes_back_under_the_number_that_it_had(
    project: Path, monkeypatch: pytest.MonkeyPatch, crowd: int
) -> None:
    """As ext4 gives it to it, now and then."""
    monkeypatch.setattr("supervisor.watch.watchfiles_source._CROWD", crowd)
    identity = "supervisor.watch.watchfiles_source.inode_of"
    monkeypatch.setattr(identity, lambda path: (1, 1) if Path(path).exists() else None)
    async with watching(WatchRules(project, paths=(Path("src"),)), source=watchfiles_source) as w:
        shutil.rmtree(project / "src")
        (project / "src").mkdir()
        (project / "src" / "a.js").write_text("// back\n")
        assert "src/a.js" in await w.changed()
        (project / "src" / "a.js").write_text("// and watched\n")
        assert await w.changed() == {"src/a.js"}


async def test_project_moved_away_and_back(project: Path, tmp_path: Path) -> None:
    async with watching(project) as w:
        project.rename(tmp_path / "elsewhere")
        assert await w.changed() == {"index.js", "src/a.js", "src/lib/b.js", ".env"}
        (tmp_path / "elsewhere").rename(project)
        assert await w.changed() == {"index.js", "src/a.js", "src/lib/b.js", ".env"}
        (project / "index.js").write_text("// changed\n")
        assert await w.changed() == {"index.js"}


async def test_watched_path_that_does_not_exist_yet(watch: Watch, project: Path) -> None:
    async with watch(WatchRules(project, paths=(Path("index.js"), Path("build/out")))) as w:
        assert w.notices[-1:] == [f"{project / 'build/out'} does not exist; it is watched as soon as it does"]
        (project / "build" / "out").mkdir(parents=True)
        (project / "build" / "out" / "x.js").write_text("x")
        assert await w.changed() == {"build/out/x.js"}


async def test_single_file_watched(watch: Watch, project: Path) -> None:
    async with watch(WatchRules(project, paths=(Path("src/a.js"),))) as w:
        (project / "src" / "other.js").write_text("x")
        (project / "index.js").write_text("x")
        (project / "src" / "a.js").write_text("// changed\n")
        assert await w.changed() == {"src/a.js"}
        (project / "src" / "a.js.tmp").write_text("// again\n")
        (project / "src" / "a.js.tmp").replace(project / "src" / "a.js")
        assert await w.changed() == {"src/a.js"}


async def test_many_writes_leave_one_changed_file_with_its_final_content(project: Path) -> None:
    def write() -> None:
        for i in range(300):
            (project / "src" / "a.js").write_text(f"// {i}\n")

    async with watching(project) as w:
        writing = asyncio.create_task(asyncio.to_thread(write))
        await w.told()
        await writing
        assert await w.settled() == {"src/a.js"}
        (project / "src" / "a.js").write_text("// 299\n")
        await w.nothing()


async def test_change_after_drain_begins_a_burst_of_its_own(project: Path) -> None:
    async with watching(project) as w:
        (project / "src" / "a.js").write_text("// one\n")
        await w.told()
        assert w.watcher.drain() == (project / "src" / "a.js",)
        (project / "src" / "a.js").write_text("// two\n")
        await w.told()
        assert await w.settled() == {"src/a.js"}
        assert len(w.changes) == 2


async def test_drain_takes_what_the_kernel_knows_and_does_not_tell_it_again(project: Path) -> None:
    async with watching(project) as w:
        (project / "src" / "a.js").write_text("// one\n")
        (project / "src" / "gone.js").write_text("")
        assert w.watcher.drain() == (project / "src" / "a.js", project / "src" / "gone.js")
        await w.nothing()
        assert len(w.changes) == 1


async def test_changed_and_changed_back_is_no_change(project: Path) -> None:
    async with watching(project) as w:
        (project / "src" / "a.js").write_text("// one\n")
        await w.changed()
        (project / "src" / "a.js").write_text("// two\n")
        await w.told()
        assert w.watcher.changed() == (project / "src" / "a.js",)
        (project / "src" / "a.js").write_text("// one\n")
        assert await w.settled() == set()


async def test_what_does_not_count_is_silent(watch: Watch, project: Path) -> None:
    async with watch(project) as w:
        (project / "node_modules" / "pkg" / "index.js").write_text("changed")
        (project / "bot.log").write_text("x")
        (project / "session-state.json").write_text("{}")
        (project / "src" / ".a.js.swp").write_text("x")
        (project / "src" / "4913").write_text("")
        (project / "logs").mkdir()
        (project / "logs" / "x.json").write_text("{}")
        await w.nothing()


async def test_excluded_later(watch: Watch, project: Path) -> None:
    (project / "data").mkdir()
    (project / "data" / "state.json").write_text("1")
    async with watch(project) as w:
        (project / "data" / "state.json").write_text("2")
        await w.told()
        w.watcher.exclude(project / "data")
        assert await w.settled() == set()
        (project / "data" / "state.json").write_text("3")
        w.watcher.exclude(project / "src" / "a.js")
        (project / "src" / "a.js").write_text("// changed\n")
        await w.nothing()


@pytest.mark.parametrize("gone", [False, True])
async def test_a_change_right_after_one_that_was_left_out_is_told(project: Path, gone: bool) -> None:
    """As after a storm: the change that begins a burst is left out, and the next one comes within the quiet time."""
    data = project / "src" / "data.json"
    data.write_text("{}")
    async with watching(project) as w:
        data.unlink() if gone else data.write_text("{1}")
        await w.told()
        w.watcher.exclude(data)
        (project / "index.js").write_text("// saved\n")
        assert await w.changed() == {"index.js"}


async def test_gitignore_edited_while_watching(watch: Watch, project: Path) -> None:
    (project / "gen").mkdir()
    (project / "gen" / "x.js").write_text("1")
    async with watch(project) as w:
        (project / ".gitignore").write_text("gen/\n")
        await eventually(lambda: not w.watcher.rules.wants(project / "gen" / "x.js"))
        await w.nothing()
        (project / "gen" / "x.js").write_text("2")
        await w.nothing()
        (project / ".gitignore").unlink()
        await eventually(lambda: w.watcher.rules.wants(project / "gen" / "x.js"))
        await w.nothing()
        (project / "gen" / "x.js").write_text("3")
        assert await w.changed() == {"gen/x.js"}


async def test_symlink_loops_and_linked_folders(watch: Watch, project: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "s.js").write_text("1")
    (shared / "back").symlink_to(project)
    (project / "shared").symlink_to(shared)
    (project / "src" / "loop").symlink_to(project)
    (project / "src" / "self").symlink_to("self")
    async with watch(project) as w:
        assert w.watcher.counts == (5, 4)  # the project, src, src/lib and shared, each once
        (shared / "s.js").write_text("2")
        assert await w.changed() == {"shared/s.js"}


async def test_linked_file(project: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.json"
    target.write_text("1")
    (project / "config.json").symlink_to(target)
    async with watching(project) as w:
        target.write_text("2")
        assert await w.changed() == {"config.json"}
        (tmp_path / "new").write_text("3")
        (tmp_path / "new").replace(target)
        assert await w.changed() == {"config.json"}
        other = tmp_path / "other" / "target.json"
        other.parent.mkdir()
        other.write_text("4")
        (project / "link").symlink_to(other)
        (project / "link").replace(project / "config.json")
        assert await w.changed() == {"config.json"}
        other.write_text("5")
        assert await w.changed() == {"config.json"}


def swap(link: Path, target: Path | str) -> None:
    """Have a link lead elsewhere by one rename, as deployments and config maps do."""
    fresh = link.with_name("fresh-link")
    fresh.symlink_to(target)
    fresh.replace(link)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("poll", [False, True])
async def test_a_link_to_another_folder_of_the_project(project: Path, at_once: bool, poll: bool) -> None:
    for release in ("r1", "r2"):
        (project / "rel" / release).mkdir(parents=True)
        (project / "rel" / release / "same.js").write_text("same")
        (project / "rel" / release / "bot.js").write_text(release)
    (project / "current").symlink_to("rel/r1")
    async with watching(project, poll=poll) as w:
        await w.read()
        if at_once:
            swap(project / "current", "rel/r2")
        else:
            (project / "current").unlink()
            (project / "current").symlink_to("rel/r2")
        assert await w.changed() == {"current/bot.js"}
        swap(project / "current", project / "rel" / "r1")
        assert await w.changed() == {"current/bot.js"}
        (project / "rel" / "r1" / "bot.js").write_text("other")
        assert "rel/r1/bot.js" in await w.changed()


@pytest.mark.parametrize("poll", [False, True])
async def test_a_link_to_the_same_contents_changes_nothing(project: Path, poll: bool) -> None:
    for release in ("r1", "r2"):
        (project / "rel" / release).mkdir(parents=True)
        (project / "rel" / release / "bot.js").write_text("same")
    (project / "current").symlink_to("rel/r1")
    async with watching(project, poll=poll) as w:
        await w.read()
        swap(project / "current", "rel/r2")
        await w.nothing()


@pytest.mark.parametrize("links", [1, 3])
@pytest.mark.parametrize("poll", [False, True])
async def test_a_link_on_the_way_to_a_linked_file(project: Path, tmp_path: Path, links: int, poll: bool) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "config.json").write_text(version)
    (tmp_path / "now0").symlink_to("v1")
    for number in range(1, links):
        (tmp_path / f"now{number}").symlink_to(f"now{number - 1}")
    (project / "config.json").symlink_to(tmp_path / f"now{links - 1}" / "config.json")
    async with watching(project, poll=poll) as w:
        await w.read()
        swap(tmp_path / "now0", "v2")
        assert await w.changed() == {"config.json"}
        (tmp_path / "v2" / "config.json").write_text("other")
        assert await w.changed() == {"config.json"}


@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize("poll", [False, True])
async def test_a_watched_path_that_is_a_link(project: Path, tmp_path: Path, above: bool, poll: bool) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version / "src").mkdir(parents=True)
        (tmp_path / version / "src" / "a.js").write_text(version)
    (tmp_path / "now").symlink_to("v1")
    watched = tmp_path / "now" / "src" if above else tmp_path / "now"
    async with watching(WatchRules(project, paths=(project, watched)), poll=poll) as w:
        await w.read()
        swap(tmp_path / "now", "v2")
        assert len(await w.changed()) == 1
        (tmp_path / "v2" / "src" / "a.js").write_text("other")
        assert len(await w.changed()) == 1


@pytest.mark.parametrize("poll", [False, True])
async def test_link_to_a_folder_that_holds_everything_is_not_followed(project: Path, poll: bool) -> None:
    (project / "everything").symlink_to("/")
    async with watching(project, poll=poll) as w:
        assert w.watcher.counts == (4, 3)
        await w.nothing()


async def test_linked_folder_that_leads_elsewhere(watch: Watch, project: Path, tmp_path: Path) -> None:
    for release in ("one", "two"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "same.js").write_text("same")
        (tmp_path / release / "own.js").write_text(release)
    (project / "current").symlink_to(tmp_path / "one")
    async with watch(project) as w:
        await w.read()
        (project / "next").symlink_to(tmp_path / "two")
        (project / "next").replace(project / "current")
        await w.told()
        assert await w.settled() == {"current/own.js"}
        (tmp_path / "two" / "own.js").write_text("three")
        assert await w.changed() == {"current/own.js"}


async def test_folder_linked_while_watching(project: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "s.js").write_text("1")
    async with watching(project) as w:
        (project / "linked").symlink_to(shared)
        assert await w.changed() == {"linked/s.js"}
        (shared / "s.js").write_text("2")
        assert await w.changed() == {"linked/s.js"}
        (project / "linked").unlink()
        assert await w.changed() == {"linked/s.js"}


async def test_names_that_are_not_utf8(watch: Watch, project: Path) -> None:
    folder = os.fsencode(project) + b"/src/\xff\xfe"
    async with watch(project) as w:
        os.mkdir(folder)  # noqa: PTH102
        Path(os.fsdecode(folder + b"/\xe9.js")).write_text("1")
        assert await w.changed() == {os.fsdecode(b"src/\xff\xfe/\xe9.js")}
        (project / "index.js").write_text("// still watched\n")
        assert await w.changed() == {"index.js"}


async def test_fifo_with_a_watched_name_holds_nothing_up(watch: Watch, project: Path) -> None:
    async with watch(project) as w:
        os.mkfifo(project / "src" / "pipe.json")
        await w.nothing()


async def test_folder_with_the_name_of_a_file(watch: Watch, project: Path) -> None:
    async with watch(project) as w:
        (project / "src" / "a.js").unlink()
        (project / "src" / "a.js").mkdir()
        (project / "src" / "a.js" / "b.js").write_text("x")
        assert await w.changed() == {"src/a.js", "src/a.js/b.js"}


async def test_leaves_no_thread_and_no_descriptor(watch: Watch, project: Path) -> None:
    # The default executor's threads belong to the loop, which joins them at its end.
    before = {t.name for t in threading.enumerate()}, len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    async with watch(project) as w:
        await w.nothing()
    names = {t.name for t in threading.enumerate() if not t.name.startswith("asyncio_")}
    assert names <= before[0]
    # watchfiles closes its descriptors in a thread of its own, those of an earlier test perhaps only now.
    await eventually(lambda: len(os.listdir("/proc/self/fd")) <= before[1])  # noqa: PTH208


async def test_cancelled_while_it_starts(project: Path) -> None:
    for i in range(300):
        (project / "src" / f"d{i}").mkdir()

    def ignore(_: object) -> None:
        pass

    watcher = FileWatcher(
        WatchRules(project), quiet=0.05, poll=False, on_change=ignore, on_file=ignore, on_notice=ignore
    )
    task = asyncio.create_task(watcher.run())
    await eventually(lambda: watcher._surveying)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert watcher.counts == (0, 0)


@pytest.mark.parametrize("moment", [0.0, 4e9], ids=["1970", "2096"])
async def test_a_clock_that_jumps_invents_no_change_and_hides_none(
    watch: Watch, project: Path, monkeypatch: pytest.MonkeyPatch, moment: float
) -> None:
    """Neither the system's clock nor the times that files get by it are compared with anything."""
    file = project / "src" / "a.js"
    async with watch(project) as w:
        await w.read()
        monkeypatch.setattr("time.time", lambda: moment)
        for path in (file, project / "index.js"):
            os.utime(path, (moment, moment))
        await w.nothing()
        file.write_text("// changed\n")
        os.utime(file, (moment, moment))
        assert await w.changed() == {"src/a.js"}
        file.write_text("// Changed\n")
        os.utime(file, (moment, moment))
        assert await w.changed() == {"src/a.js"}
