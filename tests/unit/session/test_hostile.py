"""What a profile, a cache folder or a manifest may hold that nobody expects."""

from __future__ import annotations

import contextlib
import os
import posixpath
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor.session.names import (
    id_of,
    parse_stamped,
    quarantine_name,
    safe_name,
    snapshot_name,
)
from supervisor.session.profiles.profile import Profile
from supervisor.session.profiles.scan import FileStat, scan, stays_inside
from supervisor.session.snapshot import manifest
from supervisor.session.snapshot.manifest import FileRecord, Header, Manifest, ManifestError
from supervisor.session.store import SessionStore
from supervisor.system import clock
from supervisor.system import files as fsio
from supervisor.system.errors import SessionError
from supervisor.system.reading import is_a_path
from tests.helpers import build
from tests.helpers.build import take

if TYPE_CHECKING:
    from collections.abc import Callable

ODD_NAMES = ["new\nline", "tab\t", " ", "-rf", "%41", "quote\"'", "ünï", "\udcff\udc80raw", "a" * 200, "{json}", "~"]
IDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300) | st.sampled_from(
    ["..", ".", "", "/", "a/b", "a\\b", "con", "97150", "97150-1", "97150-1-1700000000000", "%", "%2E", "~", *ODD_NAMES]
)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_copied_and_restored(store: SessionStore, profile: Profile, name: str) -> None:
    folder = profile.path / "Default" / name
    folder.mkdir()
    (folder / name).write_bytes(b"odd")
    snapshot = take(store, profile)
    assert store.verify(snapshot) == []
    build.remove(profile.path)
    store.restore(profile, snapshot)
    assert (folder / name).read_bytes() == b"odd"


def test_links_are_recreated_inside_and_left_out_if_they_lead_out(
    store: SessionStore, profile: Profile, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("not yours")
    links = {
        "Default/inside": "Preferences",
        "Default/up": "../Local State",
        "Default/loop": "loop",
        "Default/dangling": "nowhere",
        "Default/absolute": str(secret),
        "Default/climbing": "../../../../secret",
        "Default/folder": str(tmp_path),
    }
    for name, target in links.items():
        (profile.path / name).symlink_to(target)
    snapshot = take(store, profile)
    kept = {name for name in links if os.path.lexists(snapshot.path / name)}
    assert kept == {"Default/inside", "Default/up", "Default/loop", "Default/dangling"}
    skipped = manifest.read(snapshot.path).skipped
    assert {path for path, _ in skipped} == set(links) - kept
    store.restore(profile, snapshot)
    assert {name for name in links if (profile.path / name).is_symlink()} == kept
    assert secret.read_text() == "not yours"


def test_what_is_no_file_is_neither_opened_nor_waited_for(
    store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(profile.path / "Default/fifo")
    monkeypatch.chdir(profile.path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    snapshot = take(store, profile)
    assert dict(manifest.read(snapshot.path).skipped) == {
        "Default/fifo": "a FIFO, not a file",
        "socket": "a socket, not a file",
    }
    store.restore(profile, snapshot)
    assert store.check(profile).may_start


def test_a_file_that_becomes_a_link_or_a_fifo_after_the_walk_is_not_followed(
    store: SessionStore, profile: Profile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("not yours")
    tree = scan(profile.path)
    target = profile.path / "Default/Preferences"
    for kind in ("link", "FIFO"):
        target.unlink()
        if kind == "link":
            target.symlink_to(tmp_path / "secret")
        else:
            os.mkfifo(target)
        with monkeypatch.context() as patch:
            patch.setattr("supervisor.session.snapshot.capture.scan", lambda _root: tree)
            with pytest.raises(SessionError, match="Preferences"):
                take(store, profile)
        assert store.snapshots(profile.id) == []


def test_folders_that_may_not_be_entered_are_still_removed(tmp_path: Path) -> None:
    root = tmp_path / "trash"
    for name in ("a/b/c", "d"):
        (root / name).mkdir(parents=True)
        (root / name / "file").touch()
    (root / "link").symlink_to(tmp_path)
    for name, mode in (("a/b", 0o000), ("a", 0o500), ("d", 0o500)):
        (root / name).chmod(mode)
    assert unprivileged(tmp_path, lambda: fsio.remove_tree(Path("trash"))) == 0
    assert not root.exists()
    assert tmp_path.exists()


def unprivileged(folder: Path, work: Callable[[], None]) -> int:
    """Run `work` in a folder as a user who is not root and owns all of it; its exit status."""
    if os.geteuid() != 0:
        with contextlib.chdir(folder):
            work()
        return 0
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, 65534, 65534, follow_symlinks=False)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.chdir(folder)
            os.setgid(65534)
            os.setuid(65534)
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@given(IDS)
def test_an_id_becomes_one_harmless_file_name(session_id: str) -> None:
    name = safe_name(session_id)
    assert name.isascii()
    assert 0 < len(name) <= 120
    assert not {"/", "\\", "\0", "\n", " ", ":"} & set(name)
    assert not name.startswith(".")
    if "~" not in name:
        assert id_of(name) == session_id


@given(IDS, IDS)
def test_different_ids_have_different_names(one: str, other: str) -> None:
    assert (safe_name(one) == safe_name(other)) == (one == other)


@given(IDS, st.integers(0, 10**17))
def test_a_folder_name_gives_back_what_it_was_made_of(session_id: str, stamp: int) -> None:
    for folder in (snapshot_name(session_id, stamp), quarantine_name(session_id, stamp)):
        assert parse_stamped(folder) == (safe_name(session_id), stamp)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(st.lists(IDS, min_size=2, max_size=4, unique=True))
def test_sessions_never_see_each_others_snapshots(tmp_path_factory: pytest.TempPathFactory, ids: list[str]) -> None:
    project = tmp_path_factory.mktemp("project")
    store = SessionStore(project)
    (project / "profile").mkdir()
    taken = {}
    for session_id in ids:
        (project / "profile/Local State").write_text(ascii(session_id))
        taken[session_id] = take(store, Profile(session_id, project / "profile")).name
    assert {session_id: [s.name for s in store.snapshots(session_id)] for session_id in ids} == {
        session_id: [name] for session_id, name in taken.items()
    }
    assert store.all_snapshots().keys() == set(ids)


NAMES = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=20).filter(is_a_path)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
YEAR_2, YEAR_9998 = datetime(2, 1, 1), datetime(9998, 1, 1)  # noqa: DTZ001 - as Hypothesis takes them
NUMBERS = st.integers(0, 2**63 - 1)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    header = Header(
        session_id=draw(IDS),
        profile=draw(PATHS),
        created_at=clock.trimmed(draw(st.datetimes(max_value=YEAR_9998, min_value=YEAR_2, timezones=st.just(UTC)))),
        linked=draw(st.none() | st.booleans()),
        live=draw(st.booleans()),
        browser_version=draw(st.none() | st.text(max_size=20)),
        verified=draw(st.booleans()),
        problems=tuple(draw(st.lists(st.text(max_size=20), max_size=3))),
        sequences=draw(st.dictionaries(PATHS, NUMBERS, max_size=3)),
        bytes=draw(NUMBERS),
        own_bytes=draw(NUMBERS),
        base=draw(st.none() | st.text(max_size=20)),
    )
    records = st.builds(FileRecord, st.builds(FileStat, NUMBERS, NUMBERS, NUMBERS, NUMBERS), st.integers(0, 2**32 - 1))
    files = draw(st.dictionaries(PATHS, records, max_size=5))
    return Manifest(header, files, draw(st.lists(PATHS, max_size=3)))


@settings(max_examples=40)
@given(manifests())
def test_a_manifest_reads_back_as_it_was_written(written: Manifest) -> None:
    assert manifest.decode(manifest.encode(written)) == written


@given(manifests(), st.data())
def test_a_damaged_manifest_is_never_believed(written: Manifest, data: st.DataObject) -> None:
    encoded = bytearray(manifest.encode(written))
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(encoded) - 1))
        encoded[at] ^= data.draw(st.integers(1, 255))
    else:
        del encoded[data.draw(st.integers(0, len(encoded) - 2)) :]
    with pytest.raises(ManifestError):
        manifest.decode(bytes(encoded))


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../b", "a//b", "", ".", "a\0b", "a/"])
def test_a_manifest_that_leads_out_of_the_profile_is_refused(path: str) -> None:
    (header,) = [Header("1", "p", clock.now(), True, False, None, True, (), {}, 0, 0, None)]
    record = FileRecord(FileStat(0, 0, 0, 0), 0)
    for hostile in (
        Manifest(header, {path: record}, []),
        Manifest(header, {}, [path]),
        Manifest(header, {}, [], {path: "x"}),
        Manifest(header, {}, [], {"a": "../../x"}),
    ):
        with pytest.raises(ManifestError):
            manifest.decode(manifest.encode(hostile))


@given(PATHS, st.lists(st.sampled_from(["..", ".", "a", "b", ""]), min_size=1, max_size=8).map("/".join))
def test_a_link_that_stays_inside_does_so_when_resolved(path: str, target: str) -> None:
    if stays_inside(path, target):
        resolved = posixpath.normpath(posixpath.join("/root", posixpath.dirname(path), target))
        assert resolved == "/root" or resolved.startswith("/root/")
    else:
        assert target.startswith("/") or ".." in target
