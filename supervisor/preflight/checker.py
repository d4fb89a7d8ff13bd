"""Checking what has changed before a bot that is well is stopped for it.

Each file is checked as soon as it is found changed, several at once, while the burst that it belongs to is still coming
in. What a check cannot tell, for want of time, of a program or of the right to read, counts as passed and is said: a
restart that should not have been is soon undone, one that never comes is not understood.

Who runs programs is given from outside, and so is whether node is the one to ask.
"""

from __future__ import annotations

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

#: Files of one burst that are checked at most, and processes for it at once. More than so many is what a program wrote,
#: a checkout or a build, and node takes some 40 ms for each.
MOST_FILES = 20
AT_ONCE = min(8, max(2, os.cpu_count() or 2))

#: Seconds that a waiting node may take to answer, a hundred times what it does take. A start of node is some 50 ms.
_ANSWERS = 0.1

#: Lines of a command's output that are shown.
_MOST_LINES = 20


class RunProgram(Protocol):
    """Runs a program for `timeout` seconds at most, with `given` as its standard input."""

    async def __call__(
        self, words: Sequence[str], *, timeout: float, given: Path | None = None
    ) -> tuple[int | None, str]:
        """Return the exit status, None if it ran out of time, and the beginning of the output. Raises OSError."""


class SyntaxChecker(Protocol):
    """A node that may wait for files to check, so that none has to be started for them."""

    def start(self) -> None:
        """Have it wait, unless it does."""

    async def ask(self, question: str, timeout: float) -> str | None:
        """Its answer; None if it does not wait, or says nothing for `timeout` seconds."""

    def end(self) -> None:
        """End it, if it waits."""


@dataclass(frozen=True, slots=True)
class PreflightResult:
    """What the checks of one burst have found. `doubts` are sentences on what counts as passed unchecked."""

    checked: int
    problems: tuple[CheckFailure, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inconclusive:
    """Why a check could not tell."""

    sentence: str


CheckOutcome = CheckFailure | Inconclusive | None


class Preflight:
    """Checks files as they change.

    `node` is the program to ask about JavaScript, None if there is none; `asks_node` whether it is the one to ask.
    `checker` is asked first, if it waits; what it does not pass, node does or does not: its word alone is shown.
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
        #: Grows with every change: what was found at an earlier count may not hold any more.
        self.count = 0
        self.deadline = 0.0
        self._armed = False
        self._told_no_node = False
        self._checks: dict[Path, asyncio.Task[CheckOutcome]] = {}
        #: The command's last run, and for which count it was.
        self._ran: tuple[int, asyncio.Task[CheckOutcome]] | None = None
        self._slots = asyncio.Semaphore(AT_ONCE)

    def stand_by(self) -> None:
        """The bot is up, and its files may change soon."""
        if self._checker is not None and self._asks_node():
            self._checker.start()

    def arm(self, changed: Iterable[Path]) -> None:
        """Check what has changed, and from now on what does, for as long as the timeout lasts."""
        self._armed = True
        self.deadline = asyncio.get_running_loop().time() + self._timeout
        for path in changed:
            self._begin(path)

    def note(self, path: Path) -> None:
        """A file has another content than before: what was found out about it holds no more."""
        self.count += 1
        if (check := self._checks.pop(path, None)) is not None:
            check.cancel()
        if self._ran is not None:
            self._ran[1].cancel()
        if self._armed:
            self._begin(path)

    async def halt(self) -> None:
        """End the checks under way; none of their processes is left. What has been found out stays."""
        self._armed = False
        cut = [check for check in self._all() if check.cancel()]
        self._checks = {path: check for path, check in self._checks.items() if check not in cut}
        await asyncio.gather(*cut, return_exceptions=True)
        if self._checker is not None:
            self._checker.end()

    def forget(self) -> None:
        """The bot is being started on the files as they are: nothing has changed any more."""
        self._armed = False
        for check in self._all():
            check.cancel()
        self._checks.clear()

    async def verdict(self, changed: Iterable[Path]) -> PreflightResult:
        """What is to be said of the files that have changed, at the deadline at the latest.

        A further change while this waits may make it incomplete: `count` tells.
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
        doubts = [one.sentence for one in outcomes if isinstance(one, Inconclusive)]
        if too_many:
            doubts.append(f"{too_many} of {len(wanted)} changed files were not checked: too many at once")
        problems = tuple(one for one in outcomes if isinstance(one, CheckFailure))
        return PreflightResult(len(checks), problems, tuple(doubts))

    def _all(self) -> list[asyncio.Task[CheckOutcome]]:
        return [*self._checks.values(), *([self._ran[1]] if self._ran else [])]

    # -- files -------------------------------------------------------------------------------------------------------

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
            return self._doubt_without_node()
        if self._checker is not None:
            answer = await self._checker.ask(javascript.question(path), min(_ANSWERS, self._left()))
            if answer == javascript.PASSED:
                return None
        async with self._slots:
            outcome = await self._ask_node(path, ("--check", str(path)))
            if outcome is None and javascript.needs_a_second_look(path):
                as_module = await self._ask_node(path, javascript.AS_MODULE, given=path)
                if isinstance(as_module, CheckFailure) and await self._ask_node(
                    path, javascript.AS_COMMONJS, given=path
                ):
                    outcome = as_module
        return outcome

    async def _ask_node(self, path: Path, words: Sequence[str], given: Path | None = None) -> CheckOutcome:
        assert self._node is not None
        try:
            code, output = await self._run([self._node, *words], timeout=self._left(), given=given)
        except OSError as error:
            return Inconclusive(f"{self._name(path)} was not checked: {error.strerror or error}")
        if code is None:
            return self._too_slow(self._name(path))
        if code == 0 or _is_gone(path):
            return None
        return javascript.read_answer(output, path) or Inconclusive(
            f"{self._name(path)} was not checked: node --check ended with code {code}"
        )

    def _doubt_without_node(self) -> CheckOutcome:
        if self._told_no_node:
            return None
        self._told_no_node = True
        return Inconclusive("JavaScript is not checked before a restart: node was not found on the bot's PATH")

    # -- the command -------------------------------------------------------------------------------------------------

    def _run_command(self) -> asyncio.Task[CheckOutcome]:
        """The command's run for the files as they are now."""
        if self._ran is None or self._ran[0] != self.count or self._ran[1].cancelled():
            self._ran = self.count, asyncio.create_task(self._ask_command(), name="preflight command")
        return self._ran[1]

    async def _ask_command(self) -> CheckOutcome:
        shown = shlex.join(self._command)
        try:
            code, output = await self._run(self._command, timeout=self._left())
        except OSError as error:
            return Inconclusive(f"{shown} could not be run: {error.strerror or error}")
        if code is None:
            return self._too_slow(shown)
        if code == 0:
            return None
        ending = f"exited with code {code}" if code > 0 else f"was ended by signal {-code}"
        lines = [line.rstrip() for line in output.splitlines() if line.strip()]
        return CheckFailure(None, None, f"{shown} {ending}", output=tuple(lines[:_MOST_LINES]))

    # -- time --------------------------------------------------------------------------------------------------------

    def _left(self) -> float:
        return max(0.0, self.deadline - asyncio.get_running_loop().time())

    def _too_slow(self, what: str) -> Inconclusive:
        return Inconclusive(f"{what} was not checked within {self._timeout:g} s, and counts as passed")


def _is_checked(path: Path) -> bool:
    return path.suffix == ".json" or path.suffix in javascript.EXTENSIONS


def _is_gone(path: Path) -> bool:
    return not path.is_file()


def _result(check: asyncio.Task[CheckOutcome]) -> CheckOutcome:
    """What a check has found; nothing if a further change has cut it short, for which there will be another."""
    if check.cancelled():
        return None
    error = check.exception()
    return Inconclusive(f"a check has failed itself: {error!r}") if error is not None else check.result()
