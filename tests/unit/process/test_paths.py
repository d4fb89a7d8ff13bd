"""A path that another process was given leads to what that process has there, or to nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from supervisor.process.paths import path_of
from tests.unit.process.conftest import python

#: Enters what its arguments say (`unshare`: a mount namespace; `bind A B`; `hide A`: an empty file system there;
#: `chroot A`; `cd A`), prints a line and waits.
PLACED = """
import ctypes, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(result):
    if result != 0:
        print(os.strerror(ctypes.get_errno()), flush=True)
        sys.exit(1)
words = iter(sys.argv[1:])
for word in words:
    if word == 'unshare':
        call(libc.unshare(0x00020000))
        call(libc.mount(b'none', b'/', None, 0x40000 | 16384, None))  # MS_PRIVATE | MS_REC
    elif word == 'bind':
        call(libc.mount(next(words).encode(), next(words).encode(), None, 4096, None))
    elif word == 'hide':
        call(libc.mount(b'none', next(words).encode(), b'tmpfs', 0, None))
    elif word == 'chroot':
        os.chroot(next(words))
    elif word == 'cd':
        os.chdir(next(words))
    elif word == 'make':
        os.makedirs(next(words))
print('on', flush=True)
signal.pause()
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may change its root and its mounts")
linux = pytest.mark.skipif(
    sys.platform != "linux", reason="only there a process's own root and folder can be looked at"
)

Placed = Callable[..., int]


@pytest.fixture
def placed(tmp_path: Path) -> Iterator[Placed]:
    """Start a process in `cwd`, placed as the words say; returns its pid."""
    started = []

    def start(*words: object, cwd: Path = tmp_path) -> int:
        command = [*python(PLACED), *map(str, words)]
        process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        if (told := process.stdout.readline()) != "on\n":
            pytest.skip(f"not allowed here: {told}")
        return process.pid

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("given", ["sessions/1", "./sessions//1/", "../project/sessions/1", "{here}/sessions/1"])
@pytest.mark.parametrize("exists", [True, False])
def test_it_is_where_the_process_works(tmp_path: Path, placed: Placed, given: str, exists: bool) -> None:
    project = tmp_path / "project"
    (project / "sessions/1" if exists else project).mkdir(parents=True)
    pid = placed(cwd=project)
    assert path_of(pid, given.format(here=project)) == project / "sessions/1"


def test_links_are_resolved(tmp_path: Path, placed: Placed) -> None:
    (tmp_path / "disk/1").mkdir(parents=True)
    (tmp_path / "sessions").symlink_to(tmp_path / "disk")
    (tmp_path / "later").symlink_to(tmp_path / "absent")
    pid = placed()
    assert path_of(pid, "sessions/1") == tmp_path / "disk/1"
    assert path_of(pid, "later/1") == tmp_path / "absent/1"


def test_a_relative_path_of_a_process_that_is_gone_is_not_held_against_our_own_folder(
    tmp_path: Path, placed: Placed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pid = placed()
    process = psutil.Process(pid)
    process.kill()  # a zombie: past exit_fs, as one that is exiting
    while process.status() != psutil.STATUS_ZOMBIE:
        pass
    assert path_of(pid, "sessions/1") is None
    assert path_of(pid, str(tmp_path / "sessions/1")) == tmp_path / "sessions/1"


@linux
@pytest.mark.parametrize("anew", [False, True], ids=["removed", "removed and made again"])
def test_a_folder_that_was_removed_is_not_the_one_that_has_its_name_now(
    tmp_path: Path, placed: Placed, anew: bool
) -> None:
    project = tmp_path / "project"
    (project / "sessions/1").mkdir(parents=True)
    (tmp_path / "sessions/2").mkdir(parents=True)
    pid = placed(cwd=project)
    shutil.rmtree(project)
    if anew:
        (project / "sessions/1").mkdir(parents=True)
    assert path_of(pid, "sessions/1") is None
    assert path_of(pid, "../sessions/2") == tmp_path / "sessions/2"


@linux
def test_a_folder_that_was_moved_is_followed(tmp_path: Path, placed: Placed) -> None:
    (tmp_path / "project/sessions/1").mkdir(parents=True)
    pid = placed(cwd=tmp_path / "project")
    (tmp_path / "project").rename(tmp_path / "other")
    (tmp_path / "project/sessions/1").mkdir(parents=True)
    assert path_of(pid, "sessions/1") == tmp_path / "other/sessions/1"


@linux
@pytest.mark.parametrize("ending", ["", " (deleted)"])
def test_a_name_that_looks_like_the_kernels_for_a_removed_one_is_a_name(
    tmp_path: Path, placed: Placed, ending: str
) -> None:
    folder = tmp_path / f"project{ending}"
    (folder / "sessions/1").mkdir(parents=True)
    assert path_of(placed(cwd=folder), "sessions/1") == folder / "sessions/1"


@linux
@needs_root
@pytest.mark.parametrize("given", ["/app/sessions/1", "sessions/1", "../app/sessions/1"])
def test_in_a_chroot_it_is_below_that(tmp_path: Path, placed: Placed, given: str) -> None:
    (tmp_path / "jail/app/sessions/1").mkdir(parents=True)
    pid = placed("chroot", tmp_path / "jail", "cd", "/app")
    assert path_of(pid, given) == tmp_path / "jail/app/sessions/1"


@linux
@needs_root
@pytest.mark.parametrize("name", ["1", "not there yet"])
def test_in_another_mount_namespace_it_is_found_by_what_is_mounted(tmp_path: Path, placed: Placed, name: str) -> None:
    ours, inside = tmp_path / "with blank", tmp_path / "app"
    (ours / "sessions/1").mkdir(parents=True)
    (inside / "sessions/1").mkdir(parents=True)
    pid = placed("unshare", "bind", ours, inside)
    assert path_of(pid, f"{inside}/sessions/{name}") == ours / "sessions" / name


@linux
@needs_root
def test_what_only_another_mount_namespace_has_is_none_of_ours(tmp_path: Path, placed: Placed) -> None:
    (tmp_path / "sessions/1").mkdir(parents=True)
    pid = placed("unshare", "hide", tmp_path, "make", tmp_path / "sessions/1")
    assert path_of(pid, str(tmp_path / "sessions/1")) is None
