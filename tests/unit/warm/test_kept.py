"""What must be the same for the next bot, and what a node reports."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from supervisor.warm.kept import Launched, changed, signature

REPORT = {
    "t": "launch",
    "profile": "/bot/sessions/session-1",
    "pid": 4711,
    "library": "whatsapp-web.js 1.34.7",
    "options": "abc",
    "files": ["/bot/node_modules/whatsapp-web.js/index.js"],
    "why": None,
    "info": {"ahead": None},
}


def test_a_report_of_a_launch() -> None:
    launched = Launched.of(REPORT)
    assert (launched.profile, launched.pid, launched.never) == (Path("/bot/sessions/session-1"), 4711, None)
    assert Launched.of({**REPORT, "temporary": True}).profile is None
    assert Launched.of({**REPORT, "why": "RemoteAuth"}).never == "RemoteAuth"


@pytest.mark.parametrize("wrong", [{"pid": "x"}, {"pid": []}, {"info": 5}, {"files": 5}, {"profile": "\0"}])
def test_a_report_that_is_none_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a report of a launch"):
        Launched.of({**REPORT, **wrong})


@pytest.mark.parametrize(
    "name", ["package-lock.json", "pnpm-lock.yaml", "node_modules/.package-lock.json", "library.js"]
)
def test_another_library_is_noticed_by_its_files(tmp_path: Path, name: str) -> None:
    (tmp_path / "node_modules").mkdir()
    library = tmp_path / "library.js"
    library.write_text("1")
    before = signature(tmp_path, [str(library)])
    assert changed(before, signature(tmp_path, [str(library)])) is None
    (tmp_path / name).write_text("22")
    assert changed(before, signature(tmp_path, [str(library)])) == str(tmp_path / name)


def test_a_file_of_the_same_size_and_time_is_another_by_its_inode(tmp_path: Path) -> None:
    library = tmp_path / "library.js"
    library.write_text("1")
    before = signature(tmp_path, [str(library)])
    about = library.stat()
    other = tmp_path / "other"
    other.write_text("2")
    os.utime(other, ns=(about.st_atime_ns, about.st_mtime_ns))
    other.replace(library)
    assert changed(before, signature(tmp_path, [str(library)])) == str(library)
