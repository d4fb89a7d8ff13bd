"""The story of the demo: link, edit, stop, lose the profile, come back.

The bot, whatsapp-web.js, puppeteer and Chromium are real; WhatsApp's page and the phone are stand-ins. The story checks
what it shows: if anything does not go as promised, it says what.
"""

import asyncio
import contextlib
import os
import re
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from supervisor.bot.ownership import Territory
from supervisor.config.toml_writer import toml_value
from supervisor.demo.offline_bot import (
    bot_environment,
    ensure_node_modules,
    find_chromium,
    packages_are_installed,
    prepare,
    profile_of,
)
from supervisor.demo.page_connection import PageError
from supervisor.demo.phone import DEFAULT_NUMBER, Phone, SocketState, Tally
from supervisor.demo.restart_table import restart_table
from supervisor.demo.scanonce_process import PATIENCE, DemoError, Fields, Scanonce
from supervisor.log import logger

EDITS = 3
_ANSWER = re.compile(r"reply\('pong[^']*'\)")
_QR_LINE = re.compile(r"[█▀▄ ]+")
_SCAN_PATIENCE = 30.0  # seconds until the page must be there
_ENOUGH = 25
"""Writes of the page to be counted before its bot is stopped: what is not written cannot be lost."""


class Demo:
    """One run of the demo: the bot in `folder`, which must not exist, other files in the empty `surroundings`."""

    def __init__(self, folder: Path, surroundings: Path) -> None:
        self._environment = {**bot_environment(), **_private(surroundings), "BOT_NUMBER": DEFAULT_NUMBER}
        self._folder = prepare(folder)
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
            await phone.wait_state(SocketState.READY, timeout=PATIENCE)
            counters = await phone.counters()
            # A page that was kept goes on counting; one that was loaded anew has read what its profile holds.
            lost = written.lost_in(counters.written if done["kind"] == "warm" else counters.found)
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
            # The page counts on by itself, and reports to nothing.
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

    def interrupt(self) -> None:
        """Make scanonce stop faster: the user has asked a second time."""
        if self._scanonce is not None:
            self._scanonce.interrupt()

    async def clean_up(self) -> None:
        """End what is still running, which is nothing unless scanonce itself was killed."""
        for entry in self._territory.left_behind([self._profile])[0]:
            entry.handle.kill()
            await entry.handle.wait(PATIENCE)


class _BotLines:
    """Shows what the bot prints, and the thirty lines of a QR code as one."""

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


async def _play(folder: Path, surroundings: Path) -> None:
    demo = Demo(folder, surroundings)
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
    finally:
        await demo.clean_up()


def run(folder: Path | None) -> None:
    """Run the demonstration in `folder`, which is kept, or in a temporary one.

    Raises `DemoError`, `PageError` or `SetupError` if something is missing or does not go as promised (`folder` is then
    kept as it is, to look at), and `KeyboardInterrupt` or `CancelledError` if it was interrupted (`folder` is removed).
    """
    logger.configure("console", sys.stdout)
    find_chromium()
    if not packages_are_installed():
        _say("installing whatsapp-web.js with npm, once (about 15 s, 90 MB)")
    ensure_node_modules()
    with tempfile.TemporaryDirectory(prefix="scanonce-demo-", ignore_cleanup_errors=True) as name:
        surroundings = Path(name).resolve()
        bot = folder or surroundings / "bot"
        _say(f"the bot is in {bot}" + ("" if folder else ", and removed at the end (--keep keeps it)"))
        try:
            asyncio.run(_play(bot, surroundings))
        except (asyncio.CancelledError, KeyboardInterrupt):
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            raise
    if folder is not None:
        _give_away(folder)


def _give_away(folder: Path) -> None:
    """Make the folder usable without the demo's environment, and say how."""
    lines = (
        f"[bot]\ncommand = {toml_value(['node', 'index.js'])}",
        f"env = {toml_value({'PUPPETEER_EXECUTABLE_PATH': str(find_chromium())})}\n",
    )
    (folder / "scanonce.toml").write_text("\n".join(lines), encoding="utf-8")
    _heading("Now it is yours")
    _say(f"""\
cd {shlex.quote(str(folder))}
scanonce dev              # it is linked; edit index.js and save, rs + Enter restarts, Ctrl+C stops
scanonce session clear    # start over; when the QR code is there, scan it from a second terminal:
scanonce demo --scan
""")


def scan(folder: Path) -> None:
    """Scan the QR code that the offline bot in `folder` shows, as a phone would. Raises `PageError`."""

    async def link() -> None:
        async with await Phone.connect(profile_of(folder, DEFAULT_NUMBER), timeout=_SCAN_PATIENCE) as phone:
            if (
                await phone.wait_state(SocketState.UNPAIRED, SocketState.READY, timeout=_SCAN_PATIENCE)
                == SocketState.READY
            ):
                raise PageError("it is linked already; scanonce session clear starts over")
            await phone.scan()

    asyncio.run(link())
