"""Files that others may have changed are read in one bounded way, and no odd content is more than damage."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from supervisor.system.reading import DamagedFileError, is_a_path, parse_object, read_file, read_object
from tests import ROOT

#: Modules that read in another way, and why.
EXCEPTIONS = {
    "system/reading.py": "the one way",
    "warm/gate.py": "reads its own script, as installed",
    "warm/known.py": "reads what is known, as installed",
    "demo/": "reads its own page, as installed",
    "cli/text_files.py": "creates a file that must not be there",
    "notify/apprise_worker.py": "reads its standard input and opens the null device",
    "process/helper.py": "a file of its caller's as standard input",
    "process/paths.py": "/proc",
    "process/procfs.py": "/proc",
    "browser/backlog.py": "/proc",
    "session/locks.py": "/proc",
    "setup/doctor/check_inotify.py": "/proc",
    "watch/probe.py": "/proc",
    "session/profiles/singleton.py": "opens Chromium's lock file on Windows to see whether it is locked",
}

_READS = {"read_text", "read_bytes", "open"}

ODD = [
    b"",
    b"[]",
    b"5",
    b"null",
    b"{",
    b'{"a": NaN}',
    b'{"a": Infinity}',
    b'{"a": -Infinity}',
    b'{"a": 1e999}',
    b'{"a": -1e999}',
    b'{"a": 1' + b"0" * 400 + b"}",
    b'{"a": 1' + b"0" * 5000 + b"}",
    b'{"a": 18446744073709551616}',
    b'{"a": 1, "a": 2}',
    b'{"a": {"b": 1, "b": 1}}',
    b'{"a": "\xff"}',
    b'{"a": "\xed\xa0\x80"}',
    b"\xff\xfe{\0}\0",
    b"\0" * 64,
    b"[" * 100_000,
    b'{"a":' * 100_000,
]


@pytest.mark.parametrize("data", ODD, ids=range(len(ODD)))
def test_odd_json_is_damage_and_nothing_else(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(DamagedFileError):
        read_object(path)


def test_a_byte_order_mark_is_passed_over() -> None:
    assert parse_object(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.timeout(20)
@pytest.mark.skipif(os.name == "nt", reason="no FIFOs")
@pytest.mark.parametrize("follow", [False, True])
def test_nothing_but_a_bounded_regular_file_is_read(tmp_path: Path, *, follow: bool) -> None:
    fifo, endless, huge = tmp_path / "fifo", tmp_path / "endless", tmp_path / "huge"
    os.mkfifo(fifo)
    endless.symlink_to("/dev/zero")
    with huge.open("wb") as file:
        file.truncate(40 << 30)
    for path in (fifo, endless, huge):
        with pytest.raises(DamagedFileError):
            read_file(path, follow=follow)


def test_a_link_is_followed_only_if_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    assert read_file(tmp_path / "link", follow=True) == b"x"
    with pytest.raises(DamagedFileError, match="symbolic link"):
        read_file(tmp_path / "link")


@pytest.mark.parametrize("text", ["/", "", ".", "..", "a/..", "a\0b", "x\ud800", "n" * 300, "a/" * 3000, 5, None, True])
def test_what_no_file_can_be_named_is_no_path(text: object) -> None:
    assert not is_a_path(text)


@pytest.mark.parametrize("text", ["a", "/home/bot/sessions/session-1", "sessions/\udcff", "../profile"])
def test_what_a_file_can_be_named_is_a_path(text: str) -> None:
    assert is_a_path(text)


def test_no_other_module_reads_files_directly() -> None:
    found = {}
    for path in sorted((ROOT / "supervisor").rglob("*.py")):
        name = path.relative_to(ROOT / "supervisor").as_posix()
        if name.startswith(tuple(EXCEPTIONS)):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _reads(node):
                found[f"{name}:{node.lineno}"] = ast.unparse(node)[:80]
    assert not found, "use supervisor.system.reading, or give a reason in EXCEPTIONS"


def _reads(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name):
        return call.func.id == "open"
    if not isinstance(call.func, ast.Attribute):
        return False
    if ast.unparse(call.func.value) in {"os", "self", "gate", "child.gate"}:
        return False  # os.open: with flags of its own, for a write or a lock
    return call.func.attr in _READS or ast.unparse(call.func) in {"json.load", "tomllib.load"}
