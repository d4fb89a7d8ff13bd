"""Every reader of a file answers any bytes with contents or damage.

Some seconds in the suite, with fixed seeds; `make fuzz MINUTES=20` for longer.
"""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor.log.segments.format import decode as decode_log_line
from supervisor.session.names import MANIFEST
from supervisor.session.profiles import baseline
from supervisor.session.profiles.profile import Profile
from supervisor.session.snapshot import manifest, restore
from supervisor.session.state_file import Document, SessionState, parse, serialise
from supervisor.setup.package_json import read_package
from supervisor.system.reading import parse_object

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0.5"))
"""Per reader."""

HEADER = (
    b'{"format":1,"id":"1","profile":"sessions/session-1","createdAt":"2026-01-02T03:04:05Z","linked":true,"live":false,'
    b'"browserVersion":null,"verified":true,"problems":[],"sequences":{"Default/IndexedDB":5},"bytes":7,"ownBytes":7,'
    b'"base":null}\n'
)
LINES = (
    b'{"folder":"Default"}\n{"link":"a","to":"b"}\n{"skipped":"c","reason":"a FIFO"}\n'
    b'{"file":"Default/x","size":7,"mtime":5,"ctime":6,"inode":7,"crc32c":"00000000"}\n'
)
STATE = serialise(Document({"1": SessionState(is_linked=True, profile="sessions/session-1")}, {}, 3))
UNMARKED = b'{"version":1,"sessions":{"1":{"isLinked":true,"profile":"p","lastSeen":5,"recovery":{"attempts":1}}}}'
JOURNAL = b'{"live":"/p/session-1","new":"/p/.scanonce-new-1","old":"/p/old","ready":true}'
STOP = (
    b'{"format":1,"id":"1","at":"2026-01-02T03:04:05Z","sequences":{"a":1},"unverified":["x"],"files":{"x":[1,2,3,4]}}'
)
LOG = b'{"ts":"2026-01-02T03:04:05Z","stream":"stdout","text":"x"}'
PACKAGE = b'{"version":"1","scripts":{"a":"b"},"dependencies":{"c":"1"},"engines":{"node":">=18"}}'

PIECES = [
    b"1e999",
    b"-1",
    b"NaN",
    b"true",
    b"null",
    b"{}",
    b"[]",
    b"[" * 3000,
    b"9" * 400,
    b'"\\ud800"',
    b'"\\u0000"',
    b'"/"',
    b'".."',
    b'"9999-12-31T23:59:59-23:59"',
    b'"0001-01-01T00:00:00+14:00"',
    b"\xff",
    b"\xef\xbb\xbf",
    b"\0",
    b",",
    b'"a":1,"a":2',
]


def mutated(random_: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(random_.randint(1, 4)):
        at = random_.randint(0, len(changed))
        to = min(len(changed), at + random_.choice((0, 1, 1, 2, 8)))
        if random_.random() < 0.4 and (colon := changed.find(b":", at)) >= 0:  # the value of a key
            at = colon + 1
            ends = [end for end in (changed.find(b",", at), changed.find(b"}", at)) if end >= 0]
            to = min(ends, default=at)
        changed[at:to] = random_.choice(PIECES) if random_.random() < 0.7 else random_.randbytes(random_.randint(0, 4))
    return bytes(changed)


def _manifest(data: bytes, folder: Path) -> None:
    body = data if data.endswith(b"\n") else data + b"\n"
    whole = body + b'{"end":"%b"}\n' % hashlib.sha256(body).hexdigest().encode()
    (folder / MANIFEST).write_bytes(whole)
    for read in (manifest.read_header, manifest.read):
        try:
            read(folder)
        except manifest.ManifestError:
            continue


def _state(data: bytes, _folder: Path) -> None:
    try:
        known = parse(data)
    except ValueError:
        return
    for state in known.sessions.values():
        if state.profile is not None:
            (Path("/nowhere") / state.profile).resolve()
    parse(serialise(known))


def _journal(data: bytes, folder: Path) -> None:
    path = folder / "restore-1.json"
    path.write_bytes(data)
    try:
        restore._decode(path.read_bytes())
    except ValueError:
        return


def _stop(data: bytes, folder: Path) -> None:
    profile = Profile("1", folder / "session-1")
    (folder / f"stop-{profile.key}.json").write_bytes(data)
    baseline.read(folder, profile)


def _log(data: bytes, _folder: Path) -> None:
    decode_log_line(data)


def _package(data: bytes, folder: Path) -> None:
    (folder / "package.json").write_bytes(data)
    read_package(folder)


def _json(data: bytes, _folder: Path) -> None:
    for strict in (True, False):
        try:
            parse_object(data, strict=strict)
        except ValueError:
            continue


READERS: dict[str, tuple[Callable[[bytes, Path], None], list[bytes]]] = {
    "manifest": (_manifest, [HEADER + LINES]),
    "state": (_state, [STATE, UNMARKED]),
    "journal": (_journal, [JOURNAL]),
    "baseline": (_stop, [STOP]),
    "log": (_log, [LOG]),
    "package": (_package, [PACKAGE]),
    "json": (_json, [STATE, STOP, JOURNAL]),
}


@pytest.mark.timeout(SECONDS * 2 + 60)
@pytest.mark.parametrize("name", READERS)
def test_any_bytes_are_contents_or_damage(name: str, tmp_path: Path) -> None:
    read, samples = READERS[name]
    for sample in samples:
        read(sample, tmp_path)
    ends = time.monotonic() + SECONDS
    seed = 0
    while time.monotonic() < ends:
        random_ = random.Random(seed)
        data = mutated(random_, random_.choice(samples))
        try:
            read(data, tmp_path)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {data!r:.2000}") from error
        seed += 1
    assert seed > 0
