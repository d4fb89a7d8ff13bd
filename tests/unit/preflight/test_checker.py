"""Which checks are run, how many at once, for how long, and what comes of a further change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from supervisor.preflight.checker import AT_ONCE, MOST_FILES, Preflight


class Answer(NamedTuple):
    code: int | None = 0
    output: str = ""


class Programs:
    """Stands in for what runs programs: each waits for `go`, then answers by the file's text."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.running = 0
        self.most = 0
        self.ran: list[str] = []
        self.error: OSError | None = None

    async def __call__(self, words: Sequence[str], *, timeout: float, given: Path | None = None) -> Answer:
        if self.error is not None:
            raise self.error
        self.running += 1
        self.most = max(self.most, self.running)
        self.ran.append(Path(words[-1]).name)
        try:
            async with asyncio.timeout(timeout):
                await self.go.wait()
        except TimeoutError:
            return Answer(None)
        finally:
            self.running -= 1
        if words[0] == "node" and is_bad(words[-1]):
            return Answer(1, f"{words[-1]}:1\nbad\n\nSyntaxError: bad\n")
        return Answer()


class Waiting:
    """Stands in for a node that waits, and passes what is good unless it is told to say nothing."""

    def __init__(self) -> None:
        self.waits = False
        self.silent = False
        self.asked: list[str] = []

    def start(self) -> None:
        self.waits = True

    async def ask(self, question: str, timeout: float) -> str | None:
        assert timeout > 0
        if not self.waits or self.silent:
            return None
        self.asked.append(path := json.loads(question)["path"])
        return "failed" if is_bad(path) else "passed"

    def end(self) -> None:
        self.waits = False


def is_bad(path: str) -> bool:
    return "bad" in Path(path).read_text()


def preflight(
    programs: Programs,
    *,
    command: Sequence[str] = (),
    timeout: float = 60.0,
    node: str | None = "node",
    checker: Waiting | None = None,
    asks_node: bool = True,
) -> Preflight:
    return Preflight(
        programs,
        node=node,
        asks_node=lambda: asks_node,
        checker=checker,
        command=command,
        timeout=timeout,
        name=lambda path: path.name,
    )


def write(folder: Path, name: str, text: str = "good") -> Path:
    file = folder / name
    file.write_text(text)
    return file


async def turns(number: int = 20) -> None:
    """Let whatever can go on go on."""
    for _ in range(number):
        await asyncio.sleep(0)


async def test_several_files_are_checked_at_once_but_not_all(tmp_path: Path) -> None:
    programs = Programs()
    checks = preflight(programs)
    files = [write(tmp_path, f"{i}.js") for i in range(MOST_FILES + 5)]
    checks.arm(files)
    await turns()
    assert programs.running == AT_ONCE
    programs.go.set()
    verdict = await checks.verdict(files)
    assert (verdict.checked, verdict.problems) == (MOST_FILES, ())
    assert verdict.doubts == (f"5 of {len(files)} changed files were not checked: too many at once",)
    assert programs.most == AT_ONCE


async def test_a_node_that_waits_passes_files_and_its_no_is_asked_of_node_again(tmp_path: Path) -> None:
    programs, checker = Programs(), Waiting()
    programs.go.set()
    checks = preflight(programs, checker=checker)
    checks.stand_by()
    good, bad = write(tmp_path, "a.js"), write(tmp_path, "b.js", "bad")
    checks.arm([good, bad])
    (problem,) = (await checks.verdict([good, bad])).problems
    assert problem.message == "SyntaxError: bad", "in the words of node"
    assert checker.asked == [str(good), str(bad)]
    assert programs.ran == ["b.js"]
    await checks.halt()
    assert not checker.waits


@pytest.mark.parametrize("why", ["not started", "silent"])
async def test_where_no_node_answers_one_is_started(tmp_path: Path, why: str) -> None:
    programs, checker = Programs(), Waiting()
    programs.go.set()
    checks = preflight(programs, checker=checker)
    if why == "silent":
        checker.silent = True
        checks.stand_by()
    file = write(tmp_path, "a.js")
    checks.arm([file])
    assert (await checks.verdict([file])).checked == 1
    assert programs.ran == ["a.js"]


async def test_no_node_waits_where_none_is_asked() -> None:
    checker = Waiting()
    preflight(Programs(), checker=checker, asks_node=False).stand_by()
    assert not checker.waits


async def test_a_check_begins_with_the_change_and_not_with_the_question(tmp_path: Path) -> None:
    programs = Programs()
    checks = preflight(programs)
    checks.arm([])
    checks.note(write(tmp_path, "a.js"))
    checks.note(write(tmp_path, "a.ts"))
    await turns()
    assert programs.ran == ["a.js"]
    await checks.halt()
    assert programs.running == 0


async def test_before_it_is_armed_nothing_is_run(tmp_path: Path) -> None:
    programs = Programs()
    checks = preflight(programs)
    checks.note(file := write(tmp_path, "a.js"))
    await turns()
    assert not programs.ran
    checks.arm([file])
    await turns()
    assert programs.ran == ["a.js"]
    await checks.halt()


async def test_what_was_found_of_an_unchanged_file_holds(tmp_path: Path) -> None:
    programs = Programs()
    programs.go.set()
    checks = preflight(programs)
    bad, other = write(tmp_path, "a.js", "bad"), write(tmp_path, "b.js")
    checks.arm([bad])
    (problem,) = (await checks.verdict([bad])).problems
    assert (problem.path, problem.message) == (bad, "SyntaxError: bad")
    checks.note(other)
    assert len((await checks.verdict([bad, other])).problems) == 1
    assert programs.ran == ["a.js", "b.js"]
    checks.note(write(tmp_path, "a.js"))
    assert (await checks.verdict([bad, other])).problems == ()
    checks.forget()
    await checks.verdict([bad])
    assert programs.ran == ["a.js", "b.js", "a.js", "a.js"]


async def test_a_file_that_changes_while_it_is_checked_is_checked_anew(tmp_path: Path) -> None:
    programs = Programs()
    checks = preflight(programs)
    file = write(tmp_path, "a.js", "bad")
    checks.arm([file])
    asked = asyncio.create_task(checks.verdict([file]))
    await turns()
    count = checks.count
    checks.note(write(tmp_path, "a.js"))
    programs.go.set()
    await asked
    assert checks.count != count, "which tells that the answer is incomplete"
    assert (await checks.verdict([file])).problems == ()


async def test_what_is_not_done_in_time_counts_as_passed(tmp_path: Path) -> None:
    programs = Programs()
    checks = preflight(programs, timeout=0.05, command=["tsc"])
    file = write(tmp_path, "a.js")
    checks.arm([file])
    verdict = await checks.verdict([file])
    assert verdict.problems == ()
    assert verdict.doubts == tuple(
        f"{what} was not checked within 0.05 s, and counts as passed" for what in ("a.js", "tsc")
    )
    await checks.halt()
    assert programs.running == 0


async def test_a_command_is_run_once_for_the_same_files(tmp_path: Path) -> None:
    programs = Programs()
    programs.go.set()
    checks = preflight(programs, command=["tsc"])
    checks.arm([])
    checks.note(file := write(tmp_path, "a.ts"))
    for _ in range(2):
        await checks.verdict([file])
    assert programs.ran == ["tsc"]
    checks.note(file)
    await checks.verdict([file])
    assert programs.ran == ["tsc", "tsc"]


@pytest.mark.parametrize("name", ["a.js", "a.mjs"])
async def test_a_program_that_cannot_be_run_is_said_and_stops_nothing(tmp_path: Path, name: str) -> None:
    programs = Programs()
    programs.error = OSError(11, "no more processes")
    checks = preflight(programs, command=["tsc"])
    file = write(tmp_path, name)
    checks.arm([file])
    verdict = await checks.verdict([file])
    assert verdict.problems == ()
    assert verdict.doubts == (f"{name} was not checked: no more processes", "tsc could not be run: no more processes")


async def test_that_there_is_no_node_is_said_once(tmp_path: Path) -> None:
    checks = preflight(Programs(), node=None)
    files = [write(tmp_path, "a.js"), write(tmp_path, "b.js")]
    checks.arm(files)
    assert len((await checks.verdict(files)).doubts) == 1


async def test_a_file_that_is_gone_passes(tmp_path: Path) -> None:
    programs = Programs()
    checks = preflight(programs)
    checks.arm([tmp_path / "gone.js"])
    assert (await checks.verdict([tmp_path / "gone.js"])).problems == ()
    assert not programs.ran
