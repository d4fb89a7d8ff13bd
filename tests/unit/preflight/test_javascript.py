"""What node has to say of a file, and when it is the one to ask. With the real node."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from supervisor.preflight.javascript import (
    AS_COMMONJS,
    AS_MODULE,
    CHECKER,
    PASSED,
    CheckFailure,
    is_plain_node,
    needs_a_second_look,
    question,
    read_answer,
    starts_plainly,
)

NODE = shutil.which("node") or "node"


def ask(path: Path, *words: str) -> CheckFailure | None:
    """What node says; the words as in `Preflight`."""
    with path.open("rb") as given:
        command = [NODE, *(words or ("--check", str(path)))]
        done = subprocess.run(command, stdin=given, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 0:
        return None
    problem = read_answer(done.stdout + done.stderr, path)
    assert problem is not None, done.stderr
    return problem


def judge(path: Path) -> CheckFailure | None:
    """As `Preflight` does it."""
    problem = ask(path)
    if problem is None and needs_a_second_look(path):
        as_module = ask(path, *AS_MODULE)
        return as_module if as_module and ask(path, *AS_COMMONJS) else None
    return problem


def asked(*paths: Path) -> list[bool]:
    """Whether the checker passes each of them."""
    questions = "".join(f"{question(path)}\n" for path in paths)
    done = subprocess.run([NODE, *CHECKER], input=questions, capture_output=True, text=True, timeout=60, check=True)
    return [line == PASSED for line in done.stdout.splitlines()]


MODULE, COMMONJS = 'import fs from "fs";\nawait fs;\n', 'const fs = require("fs");\nreturn;\n'
BROKEN = "foo(;\n"


@pytest.mark.parametrize(
    ("name", "kind", "text", "line"),
    [
        ("a.mjs", None, MODULE, None),
        ("a.mjs", None, MODULE + BROKEN, 3),
        ("a.mjs", "commonjs", COMMONJS, 2),
        ("a.cjs", "module", COMMONJS, None),
        ("a.cjs", "module", COMMONJS + BROKEN, 3),
        ("a.js", "module", MODULE, None),
        ("a.js", "module", COMMONJS, 2),
        ("a.js", "commonjs", COMMONJS, None),
        ("a.js", "commonjs", MODULE, 1),
        ("a.js", "", MODULE, None),
        ("a.js", "", MODULE + BROKEN, 3),
        ("a.js", "", COMMONJS + "/*\nexport\n*/ with (a) {}\n", None),
        ("ü %41 b.js", "module", MODULE + BROKEN, 3),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_modules_are_told_from_commonjs_as_node_does(
    tmp_path: Path, name: str, kind: str | None, text: str, line: int | None
) -> None:
    if kind is not None:
        (tmp_path / "package.json").write_text(f'{{"type": "{kind}"}}' if kind else "{}")
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / name).write_text(text)
    problem = judge(folder / name)
    assert (problem and problem.line) == line
    assert asked(folder / name) == [line is None]
    if problem is not None:
        assert problem.message.startswith("SyntaxError: ")
        assert problem.source in {"foo(;", "return;", 'import fs from "fs";'}


def test_the_checker_answers_each_question_and_is_quiet_about_what_it_cannot_read(tmp_path: Path) -> None:
    texts = [COMMONJS, BROKEN, "#!/usr/bin/env node\n" + COMMONJS, "\ufeff" + COMMONJS, "", "import('a')", "x = 'ü\n'"]
    files = [tmp_path / f"ä {number}.cjs" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    strange = tmp_path / "not \udcff utf-8.cjs"
    strange.write_text("")
    answers = asked(*files, tmp_path, tmp_path / "gone.js", strange)
    assert answers == [judge(file) is None for file in files] + [False] * 3, "of these node itself is asked"


def test_a_link_is_read_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "real.js").write_text(BROKEN)
    (tmp_path / "link.js").symlink_to("real.js")
    problem = ask(tmp_path / "link.js")
    assert problem is not None
    assert (problem.path, problem.line) == (tmp_path / "link.js", 1)
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "package.json").write_text('{"type": "module"}')
    (tmp_path / "modules" / "real.js").write_text(MODULE)
    (tmp_path / "module.js").symlink_to("modules/real.js")
    assert asked(tmp_path / "link.js", tmp_path / "module.js") == [False, True]


@pytest.mark.parametrize(
    "output",
    ["", "Segmentation fault\n", "Error [ERR_INVALID_PACKAGE_CONFIG]: Invalid package config /p/package.json.\n"],
)
def test_what_says_nothing_of_the_file_is_no_problem_of_the_file(output: str) -> None:
    assert read_answer(output, Path("/p/a.js")) is None


def test_a_line_too_long_to_be_shown_is_left_out() -> None:
    said = f"/p/a.js:7\n{'x' * 5000}\n   ^\n\nSyntaxError: Unexpected token\n"
    assert read_answer(said, Path("/p/a.js")) == CheckFailure(Path("/p/a.js"), 7, "SyntaxError: Unexpected token", None)


@pytest.mark.parametrize(
    ("commands", "plain"),
    [
        (["node index.js"], True),
        (["/usr/local/bin/node --enable-source-maps index.js tsx"], True),
        (["node -r dotenv/config index.js"], True),
        (["npm run dev", "sh -c node index.js", "node index.js"], True),
        (["node /home/me/babel/esm/index.js"], True),
        (["node -r esm index.js"], False),
        (["node --require=@babel/register index.js"], False),
        (["node --loader ts-node/esm index.js"], False),
        (["npm exec tsx index.js", "sh -c tsx index.js", "node /p/node_modules/.bin/tsx index.js"], False),
        (["node --import file:///p/node_modules/tsx/dist/loader.mjs index.js"], False),
        (["bun index.js"], False),
        (["python3 bot.py"], False),
        ([], False),
    ],
    ids=lambda value: str(value)[:40],
)
def test_node_is_asked_only_about_what_it_reads_itself(commands: list[str], plain: bool) -> None:
    assert is_plain_node([command.split() for command in commands]) is plain


def test_a_translator_in_the_environment_counts() -> None:
    assert not is_plain_node([["node", "index.js"]], "--import tsx")
    assert is_plain_node([["node", "index.js"]], "--max-old-space-size=4096")


@pytest.mark.parametrize(
    ("command", "options", "plainly"),
    [
        ("node index.js", "", True),
        ("/usr/bin/nodejs . --inspect -e x", "", True),
        ("node -r dotenv/config --import ./telemetry.mjs --require=./x.js index.js", "", True),
        ("node --max-old-space-size=512 --enable-source-maps dist/", "--no-warnings --max_old_space_size=256", True),
        ("node --experimental-strip-types -C development index.ts", "--import tsx", True),
        ("node", "", False),
        ("node -", "", False),
        ("node -r ./x.js", "", False),
        ("node -e process.exit()", "", False),
        ("node --inspect index.js", "", False),
        ("node --inspect-brk=9229 index.js", "", False),
        ("node --env-file=.env index.js", "", False),
        ("node --env-file .env index.js", "", False),
        ("node --watch index.js", "", False),
        ("node --test", "", False),
        ("node --permission --allow-fs-read=* index.js", "", False),
        ("node --what-comes-next index.js", "", False),
        ("node --import-map=x --requires index.js", "", False),
        ("node index.js", "--inspect", False),
        ("node index.js", "--require '/a b.js' --no-warnings", False),
        ("npm start", "", False),
        ("tsx index.ts", "", False),
        ("", "", False),
    ],
)
def test_node_is_started_early_only_if_nothing_comes_of_it(command: str, options: str, plainly: bool) -> None:
    assert starts_plainly(command.split(), options) is plainly
