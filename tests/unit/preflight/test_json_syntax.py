"""JSON files, judged as `JSON.parse` does."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.preflight.json_syntax import JSON_LIMIT, check_json


@pytest.mark.parametrize(
    "content",
    [
        b'{"a": [1, 2.5e3, null]}',
        b'\xef\xbb\xbf{"a": 1}',
        b'"\xff"',
        b"1" * 6000,
        b"[" * 5000 + b"]" * 5000,
        b"",
        b" \n",
    ],
    ids=["plain", "mark", "no UTF-8", "long number", "deep", "empty", "blank"],
)
def test_what_would_be_taken_passes(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(content)
    assert check_json(file) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [('{\n"a": 1,\n}\n', 3), ('{\n// no\n"a": 1}', 2), ('{"a": NaN}', None), ('{"a":', 1)],
    ids=["comma", "comment", "NaN", "cut"],
)
def test_what_would_not_is_named_with_its_line(tmp_path: Path, text: str, line: int | None) -> None:
    file = tmp_path / "a.json"
    file.write_text(text)
    problem = check_json(file)
    assert problem is not None
    assert (problem.path, problem.line) == (file, line)
    assert problem.message.startswith("not JSON: ")


@pytest.mark.parametrize("name", ["tsconfig.json", "jsconfig.build.json", ".eslintrc.json"])
def test_files_that_may_hold_comments_are_left_to_their_programs(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{ // comment\n}")
    assert check_json(tmp_path / name) is None


def test_what_is_gone_or_large_is_not_judged(tmp_path: Path) -> None:
    assert check_json(tmp_path / "gone.json") is None
    (tmp_path / "large.json").write_text("{" * (JSON_LIMIT + 1))
    assert check_json(tmp_path / "large.json") is None
