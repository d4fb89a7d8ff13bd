"""Checking changed files before a running bot is stopped for them.

Each file is checked as soon as it is found changed, several at once, while the burst that it belongs to is still coming
in. A check without a result, for lack of time, of a program or of permission, counts as passed and is reported: a
needless restart is soon undone, a missing one is hard to explain.
"""

import asyncio
import os
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from supervisor.preflight import javascript
from supervisor.preflight.javascript import CheckFailure
from supervisor.preflight.json_syntax import check_json

#: Files of one burst that are checked at most, and processes for it at once. More files come from a program, such as a
#: checkout or a build, and node takes some 40 ms for each.
MOST_FILES = 20
AT_ONCE = min(8, max(2, os.cpu_count() or 2))

#: Seconds that a waiting node may take to answer, a hundred times the usual. A start of node takes some 50 ms.
_ANSWER_TIMEOUT = 0.1

#: Lines of a command's output that are shown.
_MOST_LINES = 20


class RunProgram(Protocol):
    """Runs a program for `timeout` seconds at most, with `given` as its standard input."""

    async def __call__(
        self, words: Sequence[str], *, timeout: float, given: Path | None = None
    ) -> tuple[int | None, str]:
        """Return the exit status, None if it ran out of time, and the beginning of the output. Raises OSError."""


class SyntaxChecker(Protocol):
    """A node that waits for files to check, so that none has to be started for them."""

    def start(self) -> None:
        """Start it, unless it waits already."""

    async def ask(self, question: str, timeout: float) -> str | None:
        """Return its answer; None if it does not wait, or does not answer within `timeout` seconds."""

    def end(self) -> None:
        """End it, if it waits."""


@dataclass(frozen=True, slots=True)
class PreflightResult:
    """The result for one burst. `doubts` are sentences, one for each check without a result."""

    checked: int
    problems: tuple[CheckFailure, ...] = ()
    doubts: tuple[str, ...] = ()


CheckOutcome = CheckFailure | str | None
"""What a check found; a string is the reason, as a sentence, why it has no result; None if the file passed."""


class Preflight:
    """Checks files as they change.

    `node` is the program that checks JavaScript, None if there is none, and `asks_node` whether it is the right one to
    ask. `checker` is asked first, if it waits; files that it does not pass are left to node, whose messages are better.
    `command` is run once for each burst, in addition. `timeout`: seconds for all of that, from `arm` on.
    """

    def __init__(
        self,
        run: RunProgram,
        *,
        node: str | None,
        asks_node: Callable[[], bool],
        checker: SyntaxChecker | None = None,
        command: Sequence[str],
        timeout: float,
        name: Callable[[Path], str] = str,
    ) -> None:
        self._run = run
        self._node = node
        self._asks_node = asks_node
        self._checker = checker
        self._command = command
        self._timeout = timeout
        self._name = name
        #: Grows with every change: results from an earlier count may be outdated.
        self.count = 0
        self.deadline = 0.0
        self._armed = False
        self._reported_no_node = False
        self._checks: dict[Path, asyncio.Task[CheckOutcome]] = {}
        #: The command's last run, and the count at its start.
        self._ran: tuple[int, asyncio.Task[CheckOutcome]] | None = None
        self._slots = asyncio.Semaphore(AT_ONCE)

    def stand_by(self) -> None:
        """Start the waiting checker: the bot is up, and its files may change soon."""
        if self._checker is not None and self._asks_node():
            self._checker.start()

    def arm(self, changed: Iterable[Path]) -> None:
        """Check what has changed, and what changes from now on, until the timeout is over."""
        self._armed = True
        self.deadline = asyncio.get_running_loop().time() + self._timeout
        for path in changed:
            self._begin(path)

    def note(self, path: Path) -> None:
        """Take note of a file's new content, which outdates the results for the old one."""
        self.count += 1
        if (check := self._checks.pop(path, None)) is not None:
            check.cancel()
        if self._ran is not None:
            self._ran[1].cancel()
        if self._armed:
            self._begin(path)

    async def halt(self) -> None:
        """End the checks under way and their processes; results stay."""
        self._armed = False
        cut = [check for check in self._all() if check.cancel()]
        self._checks = {path: check for path, check in self._checks.items() if check not in cut}
        await asyncio.gather(*cut, return_exceptions=True)
        if self._checker is not None:
            self._checker.end()

    def forget(self) -> None:
        """Drop all results: the bot is being started on the files as they are."""
        self._armed = False
        for check in self._all():
            check.cancel()
        self._checks.clear()

    async def verdict(self, changed: Iterable[Path]) -> PreflightResult:
        """Return the result for the changed files, at the deadline at the latest.

        It may be incomplete if a file changes meanwhile, as `count` then shows.
        """
        wanted = [path for path in changed if _is_checked(path)]
        for path in wanted:
            self._begin(path)
        checks = {self._name(path): self._checks[path] for path in wanted if path in self._checks}
        too_many = len(wanted) - len(checks)
        if self._command:
            checks[shlex.join(self._command)] = self._run_command()
        if checks:
            await asyncio.wait(checks.values(), timeout=self._left())
        outcomes = [_result(check) if check.done() else self._too_slow(name) for name, check in checks.items()]
        doubts = [one for one in outcomes if isinstance(one, str)]
        if too_many:
            doubts.append(f"{too_many} of {len(wanted)} changed files were not checked: too many at once")
        problems = tuple(one for one in outcomes if isinstance(one, CheckFailure))
        return PreflightResult(len(checks), problems, tuple(doubts))

    def _all(self) -> list[asyncio.Task[CheckOutcome]]:
        return [*self._checks.values(), *([self._ran[1]] if self._ran else [])]

    def _begin(self, path: Path) -> None:
        if path in self._checks or not _is_checked(path) or len(self._checks) >= MOST_FILES:
            return
        self._checks[path] = asyncio.create_task(self._check(path), name=f"preflight {path.name}")

    async def _check(self, path: Path) -> CheckOutcome:
        if _is_gone(path):
            return None
        if path.suffix == ".json":
            return check_json(path)
        if not self._asks_node():
            return None
        if self._node is None:
            reported, self._reported_no_node = self._reported_no_node, True
            no_node = "JavaScript is not checked before a restart: node was not found on the bot's PATH"
            return None if reported else no_node
        if self._checker is not None:
            answer = await self._checker.ask(javascript.question(path), min(_ANSWER_TIMEOUT, self._left()))
            if answer == javascript.PASSED:
                return None
        async with self._slots:
            outcome = await self._ask_node(path, ("--check", str(path)))
            if outcome is None and javascript.needs_a_second_look(path):
                as_module = await self._ask_node(path, javascript.AS_MODULE, given=path)
                if isinstance(as_module, CheckFailure):
                    as_commonjs = await self._ask_node(path, javascript.AS_COMMONJS, given=path)
                    outcome = as_module if as_commonjs else None
        return outcome

    async def _ask_node(self, path: Path, words: Sequence[str], given: Path | None = None) -> CheckOutcome:
        assert self._node is not None
        try:
            code, output = await self._run([self._node, *words], timeout=self._left(), given=given)
        except OSError as error:
            return f"{self._name(path)} was not checked: {error.strerror or error}"
        if code is None:
            return self._too_slow(self._name(path))
        if code == 0 or _is_gone(path):
            return None
        not_checked = f"{self._name(path)} was not checked: node --check ended with code {code}"
        return javascript.read_answer(output, path) or not_checked

    def _run_command(self) -> asyncio.Task[CheckOutcome]:
        """The command's run on the files as they are now."""
        if self._ran is None or self._ran[0] != self.count or self._ran[1].cancelled():
            self._ran = self.count, asyncio.create_task(self._ask_command(), name="preflight command")
        return self._ran[1]

    async def _ask_command(self) -> CheckOutcome:
        shown = shlex.join(self._command)
        try:
            code, output = await self._run(self._command, timeout=self._left())
        except OSError as error:
            return f"{shown} could not be run: {error.strerror or error}"
        if code is None:
            return self._too_slow(shown)
        if code == 0:
            return None
        ending = f"exited with code {code}" if code > 0 else f"was ended by signal {-code}"
        lines = [line.rstrip() for line in output.splitlines() if line.strip()]
        return CheckFailure(None, None, f"{shown} {ending}", output=tuple(lines[:_MOST_LINES]))

    def _left(self) -> float:
        return max(0.0, self.deadline - asyncio.get_running_loop().time())

    def _too_slow(self, what: str) -> str:
        return f"{what} was not checked within {self._timeout:g} s, and counts as passed"


def _is_checked(path: Path) -> bool:
    return path.suffix == ".json" or path.suffix in javascript.EXTENSIONS


def _is_gone(path: Path) -> bool:
    return not path.is_file()


def _result(check: asyncio.Task[CheckOutcome]) -> CheckOutcome:
    """The outcome of a check; None if a further change has cancelled it, for which there will be another."""
    if check.cancelled():
        return None
    error = check.exception()
    return f"a check has failed: {error!r}" if error is not None else check.result()
