"""QR codes: said in JSON, drawn for people if the bot does not do so, kept nowhere."""

from __future__ import annotations

import asyncio
import io
import sqlite3
import sys
from pathlib import Path

import pytest
import segno

from supervisor.browser.presets import SessionStatus
from supervisor.log.events.registry import EVENTS
from supervisor.log.events.sessions import SESSION_STATES
from supervisor.system.qr import PATIENCE, QrDisplay, render_text, width
from tests.helpers.command import Project
from tests.helpers.waiting import eventually

CODE = "2@" + "Zm9vYmFyYmF6" * 12 + ",a/b+c=,d,1"
OTHER = CODE.replace("Zm9v", "YmFy", 1)


def small(text: str) -> bytes:
    """As a bot draws it with qrcode-terminal, `{small: true}`."""
    return "".join("▄▀█ "[ord(c) % 4] * 20 + "\n" for c in text).encode()


def large(text: str) -> bytes:
    """As qrcode-terminal draws it by default."""
    return b"".join(b"\x1b[47m  \x1b[0m\x1b[40m  \x1b[0m" * 20 + b"\n" for _ in text)


@pytest.mark.parametrize("drawn_by_the_bot", [True, False])
async def test_a_terminal_that_is_too_narrow_for_a_code_is_named(drawn_by_the_bot: bool) -> None:
    drawn: list[str] = []
    needed, of_the_bot = width(CODE), len(small(CODE).decode().split("\n")[0])
    for columns in (needed - 1, max(needed, of_the_bot)):
        screen = QrDisplay(drawn.append, lambda columns=columns: columns, patience=0.05)  # type: ignore[misc]
        if drawn_by_the_bot:
            screen.feed(small(CODE))
        screen.show(CODE)
        await asyncio.sleep(0.1)
    said = " ".join(drawn[0].split())
    assert said.startswith(f"scanonce the QR code needs {needed} columns, and this terminal has {needed - 1}: ")
    assert all(len(line) < needed for line in drawn[0].split("\n"))
    assert drawn[1:] == ([] if drawn_by_the_bot else [render_text(CODE)])


@pytest.mark.parametrize("colour", [b"", b"\x1b[7m"])
async def test_a_drawing_of_the_bots_that_does_not_fit_is_drawn_again_smaller(colour: bytes) -> None:
    drawn: list[str] = []
    wide = b"\n".join(colour + "█".encode() * 59 + (b"\x1b[0m" if colour else b"") for _ in range(30))
    shown = asyncio.Event()

    def draw(picture: str) -> None:
        drawn.append(picture)
        shown.set()

    screen = QrDisplay(draw, lambda: 58, patience=0.05)
    screen.feed(wide)
    screen.show(CODE)
    await shown.wait()
    assert drawn == [render_text(CODE)]
    assert max(map(len, render_text(CODE).split("\n"))) < 59


@pytest.mark.parametrize("drawing", [small, large])
@pytest.mark.parametrize("first", ["the bot", "we"])
async def test_what_the_bot_draws_is_not_drawn_twice(drawing: object, first: str) -> None:
    assert callable(drawing)
    drawn: list[str] = []
    screen = QrDisplay(drawn.append, lambda: None, patience=0.3)  # longer than any pause of ours between the two
    if first == "the bot":
        screen.feed(drawing(CODE))
        screen.show(CODE)
    else:
        screen.show(CODE)
        screen.feed(drawing(CODE))
    await asyncio.sleep(0.4)
    assert drawn == []


async def test_what_the_bot_does_not_draw_is_drawn_in_its_newest_form() -> None:
    drawn: list[str] = []
    screen = QrDisplay(drawn.append, lambda: None, patience=0.05)
    screen.feed(b"\x1b[32mstarting\x1b[0m \xe2\x96\x88\xe2\x96\x88 50 %\n")
    screen.show(CODE)
    screen.show(OTHER)
    await asyncio.sleep(0.1)
    assert drawn == [render_text(OTHER)]


async def test_a_drawing_of_long_ago_was_of_another_code() -> None:
    drawn: list[str] = []
    screen = QrDisplay(drawn.append, lambda: None, patience=0.05)
    screen.feed(small(CODE))
    await asyncio.sleep(0.1)
    screen.show(OTHER)
    await asyncio.sleep(0.1)
    assert drawn == [render_text(OTHER)]


async def test_nothing_is_drawn_after_the_end() -> None:
    drawn: list[str] = []
    screen = QrDisplay(drawn.append, lambda: None, patience=0.01)
    screen.show(CODE)
    screen.close()
    await asyncio.sleep(0.03)
    assert drawn == []


def test_a_picture_shows_each_module_of_the_code() -> None:
    lines = render_text(CODE).split("\n")
    halves = {" ": (1, 1), "█": (0, 0), "▀": (0, 1), "▄": (1, 0)}
    rows = [[halves[c][half] for c in line] for line in lines for half in (0, 1)]
    code = segno.make(CODE, error="l", micro=False)
    modules = [list(row) for row in code.matrix]
    size = len(modules)
    assert [row[2:-2] for row in rows[2 : 2 + size]] == modules
    assert not any(any(row) for row in rows[:2]), "with a margin"
    assert code.error == "L"


def test_events_name_every_state_of_a_session() -> None:
    assert set(SESSION_STATES) == {str(status) for status in SessionStatus}
    assert [name for event in EVENTS.values() for name, field in event.fields.items() if field.secret] == ["qr", "qr"]


def show_code(profile: Path, code: str) -> None:
    """Have the page of a fake browser show this code."""
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "page").write_text("UNPAIRED")
    (profile / "qr.new").write_text(code)
    (profile / "qr.new").replace(profile / "qr")


async def test_each_code_is_an_event_and_none_is_kept(project: Project) -> None:
    project.configure("", quick=False)
    profile = project.profile("1")
    show_code(profile, CODE)
    async with project.supervised("run", f"browser={profile},devtools") as running:
        assert running.all("session.needs_link")[0]["qr"] == CODE
        show_code(profile, OTHER)
        assert (await running.until("session.qr", qr=OTHER))["session"] == "1"
        assert [told["qr"] for told in running.all("session.qr")] == [CODE, OTHER]
        assert [told["state"] for told in running.all("session.state")] == ["needs_link"]
        (profile / "page").write_text("CONNECTED")
        told = await running.until("session.state", state="ready")
        assert told["before"] == "needs_link"
    with sqlite3.connect(project.folder / ".session-cache" / "history.db") as history:
        kept = [fields for (fields,) in history.execute("SELECT fields FROM events")]
    history.close()
    assert any("needs_link" in fields for fields in kept)
    for file in [path for path in project.folder.rglob("*") if path.is_file() and path != profile / "qr"]:
        assert CODE.encode() not in file.read_bytes(), f"a secret in {file}"


@pytest.mark.parametrize("draws", [True, False], ids=["the bot draws it", "the bot does not"])
async def test_on_a_console_the_code_is_drawn_once(project: Project, draws: bool) -> None:
    project.configure("", quick=False)
    profile = project.profile("1")
    show_code(profile, CODE)
    words = [f"browser={profile},devtools", "after=0.3", *([f"raw={small(CODE).hex()}"] if draws else [])]
    program = str(Path(sys.executable).with_name("scanonce"))
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, program, "run", "--log-format=console", "--verbose", *project.command(words)],
        cwd=project.folder,
        env=project.environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    said = io.StringIO()

    async def read() -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            said.write(line.decode())

    reading = asyncio.create_task(read())
    try:
        await eventually(lambda: "shows a new QR code" in said.getvalue())
        if draws:
            await asyncio.sleep(PATIENCE + 0.5)
        else:
            await eventually(lambda: render_text(CODE) in said.getvalue())
    finally:
        process.terminate()
        await process.wait()
        await reading
    assert (render_text(CODE) in said.getvalue()) is not draws
    assert CODE not in said.getvalue(), "what people do not read is no use to them, and a secret"


async def test_a_page_that_crashes_is_stuck_and_that_is_written_down(project: Project) -> None:
    project.configure("", quick=False)
    profile = project.profile("1")
    async with project.supervised("dev", f"browser={profile},devtools") as running:
        (profile / "page").write_text("CRASHED")
        told = await running.until("session.stuck")
        assert told["reason"] == "the page has crashed"
        state = project.folder / "session-state.json"
        await eventually(lambda: '"stuck"' in state.read_text())
