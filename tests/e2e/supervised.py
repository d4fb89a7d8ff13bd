"""The real `scanonce` command on a bot, driven from outside: by files, signals and what it reports, as a user would."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from supervisor.demo.offline_bot import profile_of
from supervisor.demo.phone import DEFAULT_NUMBER, Phone, SocketState, Tally
from supervisor.session.locks import PROFILE_LOCK_PREFIX
from tests.helpers.processes import processes_of
from tests.helpers.shell import SCANONCE

BOT = ("node", "index.js")

PATIENCE = 120.0
"""Seconds that anything may take before a test gives up; a busy machine takes ten times what a quiet one does."""

_LINE_LIMIT = 1 << 20

_WRITING = """new Promise((done) => {
    const look = () => (__standin.written.cookie ? done() : setTimeout(look, 20));
    look();
})"""

Fields = Mapping[str, Any]


class Supervised:
    """One running supervisor, the events that it has reported and what its bot has printed."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.events: list[Fields] = []
        self.stdout = ""
        self.stderr = ""
        """What came on standard error beside the events: the bot's own."""
        self._read_to = 0
        self._news = asyncio.Condition()
        self._readers = [
            asyncio.create_task(self._read(process.stdout, self._on_stdout)),
            asyncio.create_task(self._read(process.stderr, self._on_stderr)),
        ]
        self._streams = len(self._readers)

    # -- what it reports ---------------------------------------------------------------------------------------------

    async def until(self, event: str, timeout: float = PATIENCE, **fields: object) -> Fields:
        """The next event of this name and with these fields, after the one that the last call returned."""

        match: list[Fields] = []

        def found() -> bool:
            while not match and self._read_to < len(self.events):
                one = self.events[self._read_to]
                self._read_to += 1
                if one["event"] == event and fields.items() <= one.items():
                    match.append(one)
            return bool(match)

        wanted = " ".join([event, *(f"{name}={value!r}" for name, value in fields.items())])
        await self._wait(found, f"no event {wanted} within {timeout:g} s", timeout)
        return match[0]

    async def until_ready(self, timeout: float = PATIENCE) -> Fields:
        """The end of a start or restart, whose outcome must be `ready`: no QR code was shown meanwhile."""
        done = await self.until("restart.done", timeout)
        assert done["outcome"] == "ready", f"{done}\n{self.transcript()}"
        return done

    async def until_printed(self, text: str, timeout: float = PATIENCE) -> None:
        """Wait until the bot has printed a text, now or earlier."""
        await self._wait(lambda: text in self.stdout, f"the bot has not printed {text!r} within {timeout:g} s", timeout)

    def named(self, event: str) -> list[Fields]:
        """All events of this name so far."""
        return [one for one in self.events if one["event"] == event]

    def transcript(self) -> str:
        """Everything that was seen, for the message of a failed test."""
        events = "\n".join(json.dumps(event) for event in self.events)
        printed = "\n".join(line for line in self.stdout.splitlines() if "▄" not in line)
        return f"events:\n{events}\nstdout:\n{printed}\nstderr:\n{self.stderr}"

    async def _wait(self, met: Callable[[], bool], complaint: str, timeout: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout), self._news:
                await self._news.wait_for(lambda: met() or not self._streams)
                if met():
                    return
            complaint = f"scanonce has ended: {complaint}"
        pytest.fail(f"{complaint}\n{self.transcript()}")

    def _on_stderr(self, line: bytes) -> None:
        if line.startswith(b'{"ts"'):
            self.events.append(json.loads(line))
        else:
            self.stderr += line.decode(errors="replace")

    def _on_stdout(self, line: bytes) -> None:
        self.stdout += line.decode(errors="replace")

    async def _read(self, stream: asyncio.StreamReader | None, take: Callable[[bytes], None]) -> None:
        assert stream is not None
        async for line in stream:
            take(line)
            async with self._news:
                self._news.notify_all()
        self._streams -= 1
        async with self._news:
            self._news.notify_all()

    # -- what is done to it ------------------------------------------------------------------------------------------

    def save(self, name: str = "index.js") -> None:
        """Save a source file of the bot's, changed."""
        with (self.folder / name).open("a") as file:
            file.write("// saved\n")

    async def link(self, number: str = DEFAULT_NUMBER) -> None:
        """Scan the QR code of an account and wait until its page is ready."""
        async with await self.phone(number) as phone:
            await phone.wait_state(SocketState.UNPAIRED)
            await phone.scan(number)
            await phone.wait_state(SocketState.READY)

    async def phone(self, number: str = DEFAULT_NUMBER) -> Phone:
        """The phone of an account in reach of its page."""
        return await Phone.connect(profile_of(self.folder, number), PATIENCE)

    async def written(self, number: str = DEFAULT_NUMBER) -> Tally:
        """What an account's page has written by now; waits until it has written anything."""
        async with await self.phone(number) as phone:
            await phone.wait_state(SocketState.READY)
            await phone.devtools.evaluate(_WRITING)
            return (await phone.counters()).written

    async def found(self, number: str = DEFAULT_NUMBER) -> Tally:
        """What an account's page found written when it started; it must have booted."""
        async with await self.phone(number) as phone:
            return (await phone.counters()).found

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end by a signal, and return its exit status."""
        self.process.send_signal(number)
        return await self.ended()

    async def stop_cleanly(self) -> None:
        """Ask it to end by SIGTERM: every browser must be closed cleanly, and nothing be left behind."""
        assert await self.stop() == 128 + signal.SIGTERM
        assert self.named("supervisor.stopped")[-1]["clean"]
        assert_nothing_left(self.folder)

    async def kill(self) -> None:
        """SIGKILL, as an OOM killer would: nothing of ours can react."""
        self.process.kill()
        await self.ended()

    async def ended(self, timeout: float = PATIENCE) -> int:
        """Wait for its end and the last of its output, and return its exit status."""
        try:
            async with asyncio.timeout(timeout):
                status = await self.process.wait()
        except TimeoutError:
            pytest.fail(f"scanonce has not ended within {timeout:g} s\n{self.transcript()}")
        # What it was killed over may hold its output open, so the readers are not waited for.
        if status >= 0:
            await asyncio.wait(self._readers, timeout=timeout)
        return status

    async def close(self) -> None:
        """Let go of a supervisor that has ended; one that has not, because the test has failed, is ended."""
        for end in (self.process.terminate, self.process.kill):
            if self.process.returncode is None:
                end()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE):
                        await self.process.wait()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        transport = self.process._transport  # type: ignore[attr-defined]
        transport.close()


@contextlib.asynccontextmanager
async def supervised(
    folder: Path,
    mode: str = "dev",
    command: Sequence[str] = BOT,
    *,
    options: Sequence[str] = (),
    warm: bool = False,
) -> AsyncIterator[Supervised]:
    """`scanonce dev` or `run` on a bot in `folder`; in `dev` its restarts are cold unless they are to be `warm`.

    At the end, unless the test has ended it itself, it is asked to stop by SIGTERM; the stop must be clean, and no
    process and no temporary file may be left behind.
    """
    process = await asyncio.create_subprocess_exec(
        SCANONCE,
        mode,
        "--log-format=json",
        "--verbose",
        *(["--cold"] if mode == "dev" and not warm else []),
        *options,
        "--",
        *command,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LINE_LIMIT,
    )
    bot = Supervised(process, folder)
    try:
        yield bot
        if process.returncode is None:
            await bot.stop_cleanly()
            assert not bot.named("error")
    except Exception as error:
        error.add_note(bot.transcript())
        raise
    finally:
        await bot.close()


def assert_nothing_left(folder: Path) -> None:
    """No process of the bot's, running or frozen, and no file that was meant to be temporary."""
    left = []
    for process in processes_of(folder):
        with contextlib.suppress(psutil.NoSuchProcess):
            left.append(f"{process.pid} ({process.status()}) {' '.join(process.cmdline())[:200]}")
    assert not left, "processes left behind:\n" + "\n".join(left)
    files = [str(path.relative_to(folder)) for path in temporary_files(folder)]
    assert not files, f"temporary files left behind: {files}"


_TEMPORARY = (
    ".session-cache/.*",
    ".session-cache/restore-*",
    ".session-cache/supervisor.json",
    ".session-cache/*.tmp",
    ".*.tmp",
    "sessions/.*",
    "sessions/*/Singleton*",
)


def temporary_files(folder: Path) -> list[Path]:
    """Files in a bot's folder that no supervisor at rest leaves there."""
    found = sorted(path for pattern in _TEMPORARY for path in folder.glob(pattern))
    return [path for path in found if not path.name.startswith(PROFILE_LOCK_PREFIX)]  # a lock's file stays


def snapshots(folder: Path, number: str = DEFAULT_NUMBER) -> list[str]:
    """The names of the published snapshots of an account, oldest first."""
    found = [path.name for path in (folder / ".session-cache").glob(f"backup-{number}-*")]
    return sorted(found, key=lambda name: int(name.rpartition("-")[2]))


NOTHING = Tally(0, 0, 0)
