"""Odd manifests and state files, all kinds of them, are damage to each operation and to the running command."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from supervisor.session.names import MANIFEST
from supervisor.session.profiles.profile import Profile
from supervisor.session.store import SessionStore
from supervisor.system.errors import ScanonceError
from tests.helpers.build import take

DEEP = "[" * 20_000 + "]" * 20_000

#: The JSON text that takes the place of one value of a header, by its key.
HEADERS = [
    *[(key, text) for key in ("bytes", "ownBytes") for text in ("1e999", "-1", "true", "NaN", "1" + "0" * 400, '"7"')],
    *[("createdAt", f'"{text}"') for text in ("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+14:00", "", "soon")],
    *[("createdAt", text) for text in ("5", "null", "{}", DEEP)],
    *[("sequences", text) for text in ('{"a":1e999}', '{"a":-1}', '{"a":true}', "[]", "5", '{"\\ud800":1}')],
    *[("problems", text) for text in ("5", '"abc"', "[5]", "null", "{}")],
    *[("id", text) for text in ('"\\ud800"', "5", "null", "[]")],
    *[("format", text) for text in ("1e999", "2", '"1"')],
    *[("profile", text) for text in ('"\\ud800"', "5", "null")],
]

STATES = [
    *[
        f'"profile":{text}'
        for text in ('"/"', '"a\\u0000b"', '"x\\ud800"', '".."', '"."', '""', "5", "true", "[]", "{}")
    ],
    *[f'"profile":"{text}"' for text in ("n" * 300, "a/" * 3000, "/proc/self/root", "/dev/zero", "/etc/passwd")],
    *[f'"lastSeen":{text}' for text in ("1e999", "NaN", "-1", "1e300", "true", '"9999-12-31T23:59:59-23:59"', "[]")],
    *[f'"linkedAt":{text}' for text in ('"0001-01-01T00:00:00+14:00"', '""', "1" + "0" * 30)],
    *[
        f'"recovery":{text}'
        for text in ("5", "[]", '{"attempts":-1}', '{"attempts":1e999}', '{"tried":[{},5,"\\ud800"]}')
    ],
    *[f'"lastSnapshot":{text}' for text in ('"/"', '"../.."', '"a\\u0000"', '"\\ud800"', "5")],
    *[f'"browser":{text}' for text in ('"\\u0000"', '"\\ud800"', "{}")],
    *[
        '"isLinked":"yes"',
        '"isLinked":5',
        '"isLinked":true,"isLinked":false',
        f'"other":{DEEP}',
        '"lastState":"\\ud800"',
    ],
    '"authMethod":"\\u0000"',
]


def with_value(manifest: Path, key: str, text: str) -> None:
    head, _, rest = manifest.read_text("ascii").partition("\n")
    item: dict[str, Any] = {**json.loads(head), key: "HERE"}
    manifest.write_text(json.dumps(item).replace('"HERE"', text, 1) + "\n" + rest, "ascii")


def state_with(text: str) -> str:
    return f'{{"version": 1, "sessions": {{"z": {{{text}}}}}}}'


@pytest.mark.parametrize(("key", "text"), HEADERS, ids=[f"{key}-{text[:12]}" for key, text in HEADERS])
def test_an_odd_header_makes_its_snapshot_unreadable_and_no_other(
    store: SessionStore, profile: Profile, key: str, text: str
) -> None:
    sound, odd = take(store, profile), take(store, profile)
    with_value(odd.path / MANIFEST, key, text)
    assert [one.name for one in SessionStore(store.project).snapshots(profile.id)] == [sound.name]
    store.check(profile)


@pytest.mark.parametrize("text", STATES, ids=[text[:30].encode("unicode_escape").decode() for text in STATES])
def test_an_odd_state_file_is_no_obstacle(store: SessionStore, profile: Profile, text: str) -> None:
    take(store, profile)
    store.state.path.write_text(state_with(text), "ascii")
    again = SessionStore(store.project)
    assert again.state.load() is not None
    assert profile.path in {one.path for one in again.profiles()}
    for one in again.profiles():
        try:
            again.state.update(one.id, is_linked=True)
        except ScanonceError:
            continue
    assert SessionStore(store.project).state.get(profile.id).is_linked is True


@pytest.mark.timeout(30)
@pytest.mark.skipif(os.name == "nt", reason="no FIFOs")
@pytest.mark.parametrize("kind", ["fifo", "endless", "huge"])
def test_nothing_of_a_cache_is_waited_for_or_read_without_end(store: SessionStore, profile: Profile, kind: str) -> None:
    sound, odd = take(store, profile), take(store, profile)
    for path in (
        odd.path / MANIFEST,
        store.cache / f"stop-{profile.key}.json",
        store.cache / f"restore-{profile.key}.json",
        profile.path / "Last Version",
    ):
        path.unlink(missing_ok=True)
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "endless":
            path.symlink_to("/dev/zero")
        else:
            with path.open("wb") as file:
                file.truncate(40 << 30)
    again = SessionStore(store.project)
    assert again.recover()
    again.check(profile)
    # A header that is cut short is found when it is listed; FIFO and link as well.
    assert [one.name for one in again.snapshots(profile.id)] == [sound.name]
