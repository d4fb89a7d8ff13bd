"""`make demo`: scanonce at work on the example bot, in a folder of its own that is removed afterwards.

The bot, whatsapp-web.js, puppeteer and Chromium are real; WhatsApp's page and the phone are stand-ins (see
`examples/whatsapp-bot/README.md`). The demo checks what it shows: if anything does not go as promised it says what, and
ends with exit code 1.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from examples.demo_report import restart_table
from examples.demo_scanonce import PATIENCE, DemoError, Fields, Scanonce, scanonce_command
from examples.offline import (
    PageError,
    Phone,
    SetupError,
    State,
    Tally,
    bot_environment,
    ensure_node_modules,
    prepare,
    profile_of,
)
from examples.offline.phone import DEFAULT_NUMBER
from supervisor.bot.ownership import Territory
from supervisor.log import logger

EDITS = 3
_ANSWER = re.compile(r"reply\('pong[^']*'\)")
_QR_LINE = re.compile(r"[█▀▄ ]+")
_ENOUGH = 25
"""Writes of the page to be counted before its bot is stopped: what is not written cannot be lost."""


class Demo:
    """One run of the demo, in `root`, which must exist and be empty."""

    def __init__(self, root: Path) -> None:
        self._environment = {**bot_environment(), **_private(root), "BOT_NUMBER": DEFAULT_NUMBER}
        self._folder = prepare(root / "bot")
        self._profile = profile_of(self._folder, DEFAULT_NUMBER)
        self._territory = Territory(self._folder, contained=False)
        self._scanonce: Scanonce | None = None
        self._restarts: dict[str, Fields] = {}
        self._lost = Tally(0, 0, 0)
        self._step = 0

    # -- the story ---------------------------------------------------------------------------------------------------

    async def play(self) -> None:
        """Link, edit, stop, lose the profile, come back; then say what came of it. Raises DemoError, PageError."""
        began = time.monotonic()
        async with self._running("Start the bot under scanonce dev, in a fresh folder: nothing is linked"):
            await self._link()
            for number in range(1, EDITS + 1):
                await self._edit(number)
            written = await self._stop("Stop it, as Ctrl+C does")
        self._lose_profile()
        async with self._running("Start it again"):
            await self._come_back(written)
            written = await self._stop("Stop it for good")
        self._expect_nothing_left()
        self._conclude(written, time.monotonic() - began)

    async def _link(self) -> None:
        await self._the_scanonce.until("session.needs_link")
        await self._the_scanonce.until_printed("█")
        self._narrate("The phone scans the QR code, for the first and last time")
        async with await self._phone() as phone:
            await phone.scan()
            await self._the_scanonce.until("session.linked")
        await self._the_scanonce.until_printed("ready")

    async def _edit(self, number: int) -> None:
        self._narrate(f"Edit {number} of {EDITS}: index.js is saved with another answer to !ping")
        written = await self._written()
        source = self._folder / "index.js"
        text, changed = _ANSWER.subn(f"reply('pong {number}')", source.read_text())
        _expect(changed == 1, f"{source} has no line that answers 'pong'")
        source.write_text(text)
        await self._the_scanonce.until("restart.requested")
        await self._expect_back(f"edit {number}", written)
        await self._expect_answer(f"pong {number}")

    async def _stop(self, title: str) -> Tally:
        self._narrate(title)
        written = await self._written()
        code = await self._the_scanonce.stop()
        _expect(code == 128 + signal.SIGINT, f"scanonce ended with exit code {code}, expected {128 + signal.SIGINT}")
        stopped = self._the_scanonce.seen("supervisor.stopped")
        _expect(bool(stopped and stopped["clean"]), "a browser did not close cleanly at the stop")
        return written

    def _lose_profile(self) -> None:
        self._narrate(f"Lose the session: rm -r {self._profile.relative_to(self._folder)}")
        shutil.rmtree(self._profile)

    async def _come_back(self, written: Tally) -> None:
        await self._expect_back("restored", written)
        _expect(self._the_scanonce.seen("session.restored") is not None, "no snapshot was restored")
        await self._expect_answer(f"pong {EDITS}")

    # -- what is looked at -------------------------------------------------------------------------------------------

    async def _expect_back(self, name: str, written: Tally) -> None:
        """The bot must come back linked, with everything that was `written` before."""
        done = await self._the_scanonce.until("restart.done")
        _expect(done["outcome"] == "ready", f"{name}: the session was lost, the bot asks for a new link")
        _expect(done["clean"], f"{name}: a browser did not close cleanly")
        self._restarts[name] = done
        async with await self._phone() as phone:
            await phone.wait_state(State.READY, timeout=PATIENCE)
            lost = written.lost_in((await phone.counters()).found)
        self._lost = Tally(
            self._lost.indexed_db + lost.indexed_db,
            self._lost.local_storage + lost.local_storage,
            self._lost.cookie + lost.cookie,
        )

    async def _expect_answer(self, expected: str) -> None:
        """The bot must run the code that was saved last."""
        await self._the_scanonce.until_printed("ready")  # from then on it listens
        async with await self._phone() as phone:
            answer = await phone.ask("!ping")
        _say(f"phone     !ping -> {answer}")
        _expect(answer == expected, f"the bot answered {answer!r} and not {expected!r}: it runs other code")

    async def _written(self) -> Tally:
        """What the page has seen written by now; waits until that is enough to tell."""
        async with await self._phone() as phone:
            before = (await phone.counters()).written
            # The page counts on without telling anybody.
            while (written := (await phone.counters()).written).indexed_db < before.indexed_db + _ENOUGH:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return written

    def _expect_nothing_left(self) -> None:
        left = [entry.pid for entry in self._territory.left_behind([self._profile])[0]]
        _expect(not left, f"processes were left behind: {left}")

    def _conclude(self, written: Tally, seconds: float) -> None:
        lost = self._lost
        _heading(f"What happened, in {seconds:.0f} s")
        _say(f"""\
one QR code was scanned; {EDITS} restarts and a lost profile later the bot is still linked
writes lost:     IndexedDB {lost.indexed_db}, localStorage {lost.local_storage}, cookies {lost.cookie} \
(of {written.indexed_db} in each, over {len(self._restarts)} stops)
left behind:     no process
""")
        for line in restart_table(self._restarts):
            _say(line)
        _say("\nThe page is a stand-in that links in 1.2 s; WhatsApp's own takes longer, whoever restarts the bot.")
        _expect(not lost, "writes were lost")

    # -- the parts ---------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _running(self, title: str) -> AsyncIterator[None]:
        self._narrate(title)
        async with await Scanonce.start(self._folder, self._environment, _BotLines().show) as self._scanonce:
            yield
        self._scanonce = None

    @property
    def _the_scanonce(self) -> Scanonce:
        assert self._scanonce is not None
        return self._scanonce

    async def _phone(self) -> Phone:
        return await Phone.connect(self._profile, timeout=PATIENCE)

    def _narrate(self, title: str) -> None:
        self._step += 1
        _heading(f"{self._step}. {title}")

    # -- afterwards --------------------------------------------------------------------------------------------------

    async def keep(self) -> None:
        """Leave the bot to the user, under a scanonce in the foreground, until it is stopped."""
        _heading("Now it is yours")
        _say(f"""\
folder    {self._folder}
edit      index.js there, the text after 'ready' for instance, and save
type      rs + Enter to restart; q + Enter or Ctrl+C to stop, which also removes the folder
""")
        process = await asyncio.create_subprocess_exec(
            *scanonce_command(), "--", "node", "index.js", cwd=self._folder, env=self._environment
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # What the terminal sends reaches scanonce as well: passed on it would count twice.
            passed_on = number == signal.SIGTERM or not sys.stdin.isatty()
            loop.add_signal_handler(number, process.send_signal if passed_on else lambda _: None, number)
        await process.wait()

    def interrupt(self) -> None:
        """The user is in a hurry: so is scanonce."""
        if self._scanonce is not None:
            self._scanonce.interrupt()

    async def clean_up(self) -> None:
        """End what is still running, which is nothing unless scanonce itself was killed."""
        for entry in self._territory.left_behind([self._profile])[0]:
            entry.handle.kill()
            await entry.handle.wait(PATIENCE)


class _BotLines:
    """Shows what the bot prints, with the thirty lines of a QR code told in one."""

    def __init__(self) -> None:
        self._in_qr = False

    def show(self, line: str) -> None:
        """Show one line."""
        qr = bool(_QR_LINE.fullmatch(line))
        if qr and not self._in_qr:
            _say("bot       [a QR code]")
        elif line and not qr:
            _say(f"bot       {line}")
        self._in_qr = qr


def _private(root: Path) -> Mapping[str, str]:
    """Where programs put their temporary files, caches and settings: all of it inside `root`, to go with it."""
    names = ("TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")
    folders = {name: root / name.lower() for name in names}
    for folder in folders.values():
        folder.mkdir(mode=0o700)
    return {name: str(folder) for name, folder in folders.items()}


def _expect(held: bool, otherwise: str) -> None:
    if not held:
        raise DemoError(otherwise)


def _say(text: str) -> None:
    print(text, flush=True)


def _heading(text: str) -> None:
    bold = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    _say(f"\n\x1b[1m{text}\x1b[0m" if bold else f"\n{text}")


async def _run(root: Path, *, keep: bool) -> None:
    demo = Demo(root)
    task = asyncio.current_task()
    assert task is not None

    def interrupted() -> None:
        if task.cancelling():
            demo.interrupt()
        else:
            _say("\nstopping, and removing what the demo has made")
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, interrupted)
    try:
        await demo.play()
        if keep:
            await demo.keep()
    finally:
        await demo.clean_up()


def main() -> int:
    """Run the demo; 0 if everything went as promised, 1 if not, 130 if it was interrupted."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description="scanonce at work on the example bot.")
    parser.add_argument("--keep", action="store_true", help="leave the bot running afterwards, to play with")
    keep = parser.parse_args().keep
    logger.configure("console", sys.stdout)
    root = Path(tempfile.mkdtemp(prefix="scanonce-demo-")).resolve()
    try:
        ensure_node_modules()
        asyncio.run(_run(root, keep=keep))
    except (DemoError, PageError, SetupError) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    except (asyncio.CancelledError, KeyboardInterrupt):
        return 128 + signal.SIGINT
    finally:
        shutil.rmtree(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
