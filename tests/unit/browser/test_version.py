"""Which version a browser's program is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from supervisor.browser.processes import version_if_replaced

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def program(path: Path, answer: str) -> str:
    path.write_text(f"#!/bin/sh\ntouch {path}.ran\n{answer}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("echo Chromium 156.0.8078.79 built on Debian", "156.0.8078.79"),
        ("echo Google Chrome for Testing 130.0.6723.58", "130.0.6723.58"),
        ("echo Microsoft Edge 131.0.2903.51", "131.0.2903.51"),
        ("echo Python 3.11.7", None),
        ("printf '\\377'", None),
        ("exit 1", None),
    ],
)
def test_one_that_was_installed_anew_is_asked(tmp_path: Path, answer: str, version: str | None) -> None:
    assert version_if_replaced(program(tmp_path / "browser", answer), LONG_AGO) == version


def test_one_that_is_as_it_was_is_not_even_run(tmp_path: Path) -> None:
    path = program(tmp_path / "browser", "echo Chromium 156.0.0.0")
    assert version_if_replaced(path, datetime.now(UTC) + timedelta(seconds=1)) is None
    assert not (tmp_path / "browser.ran").exists()


@pytest.mark.parametrize("path", ["/nowhere/chromium", "a\0b", "/etc/passwd"])
def test_what_cannot_be_run_has_none(path: str) -> None:
    assert version_if_replaced(path, LONG_AGO) is None
