"""The supervisor on a real terminal, its own lines included: keys, prompts of the bot, colours, sizes, Ctrl+C."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import AsyncIterator, Sequence

import psutil
import pytest

from tests.helpers import build
from tests.helpers.command import AHEAD, Project
from tests.helpers.terminal import Terminal, on_terminal
from tests.helpers.waiting import eventually

DIM, GREEN, RESET = "\x1b[2m", "\x1b[32m", "\x1b[0m"
CTRL_C = "\x03"

#: Asks, answers, and goes on, as bots do that want a number or a pairing code.
_PROMPT = """
const { createInterface } = require('node:readline');
const asked = createInterface({ input: process.stdin, output: process.stdout });
asked.question('Which number? ', (answer) => {
    console.log(`dialling <${answer}>`);
    asked.close();
});
setInterval(() => {}, 1e6);
"""


@contextlib.asynccontextmanager
async def terminal(project: Project, *words: str, command: Sequence[str] | None = None) -> AsyncIterator[Terminal]:
    """The fake bot, or another command, on a terminal; nothing of it is left at the end."""
    async with on_terminal(project.folder, command or project.bot(*words), project.environment) as opened:
        yield opened
    project.is_left_alone()


async def test_help_lists_the_keys(project: Project) -> None:
    async with terminal(project, "echo") as screen:
        await screen.shows("online in")
        screen.type("?\n")
        for key in ("rs", "st", "sn", "q ", "? "):
            await screen.shows(f"{key} + Enter")
        await screen.shows("anything else goes to the bot")
        screen.type("q\n")
        assert await screen.ended() == 0
        assert "got ?" not in screen.screen


async def test_the_status_says_how_everything_stands(project: Project) -> None:
    project.configure("", quick=False)
    async with terminal(project, "echo", f"browser={project.profile('971')},devtools") as screen:
        await screen.shows("online in")
        screen.type("st\n")
        await screen.shows(" up for ")
        await screen.shows("ready for ")
        await screen.shows("; no snapshot")
        await screen.shows("last start")
        await screen.shows("memory ")
        await screen.shows("snapshot of session 971 in ")
        screen.type("rs\n")
        await screen.shows("back online in")
        screen.type("st\n")
        await screen.shows(", restarted once")
        await screen.shows("(key: rs): back online in ")
        screen.type("q\n")
        assert await screen.ended() == 0
        assert "got st" not in screen.screen


async def test_a_snapshot_now(project: Project) -> None:
    project.configure("", quick=False)
    build.profile(project.profile("971"))
    async with terminal(project, f"browser={project.profile('971')},devtools") as screen:
        await screen.shows("online in")
        screen.type("sn\n")
        await screen.shows(" taken")
        taken = re.search(r"session 971: (backup-971-\d+) taken", screen.screen)
        assert taken is not None
        assert (project.folder / ".session-cache" / taken[1]).is_dir()
        screen.type("st\n")
        await screen.shows("1 snapshot, the last ")
        screen.type("q\n")
        assert await screen.ended() == 0


async def test_no_snapshot_of_what_is_not_worth_one(project: Project) -> None:
    project.configure("", quick=False)
    project.profile("971").mkdir(parents=True)
    (project.profile("971") / "page").write_text("UNPAIRED")
    async with terminal(project, f"browser={project.profile('971')},devtools") as screen:
        await screen.shows("needs a link")
        screen.type("sn\n")
        await screen.shows("session 971: no snapshot: it is not linked")
        screen.type("q\n")
        assert await screen.ended() == 0


async def test_no_snapshot_and_no_bot_after_a_crash(project: Project) -> None:
    async with terminal(project, "exit=1") as screen:
        await screen.shows("waiting for a change")
        screen.type("sn\n")
        await screen.shows("no snapshot: the bot has no browser open")
        screen.type("st\n")
        await screen.shows(" down, waiting for a change")
        screen.type("q\n")
        assert await screen.ended() == 0


async def test_a_question_gets_its_answer_whatever_that_is_and_then_the_keys_are_ours(
    project: Project,
) -> None:
    (project.folder / "ask.js").write_text(_PROMPT)
    async with terminal(project, command=["node", "ask.js"]) as screen:
        await screen.shows("Which number? ")
        screen.type("971 50\r")
        await screen.shows("dialling <971 50>")
        assert screen.screen.count("971 50") == 2, "once as it was typed, once as the bot's answer"
        screen.type("rs\n")
        await screen.shows("Which number? ")
        screen.type("?\n")
        await screen.shows("dialling <?>")
        screen.type("?\n")
        await screen.shows("this list")
        screen.type(CTRL_C)
        assert await screen.ended() == 130


async def test_our_lines_are_never_glued_to_a_line_of_the_bots(project: Project) -> None:
    (project.folder / "ask.js").write_text(_PROMPT)
    async with terminal(project, command=["node", "ask.js"]) as screen:
        await screen.shows("Which number? ")
        screen.type(CTRL_C)
        assert await screen.ended() == 130
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.screen).replace("\r", "").split("\n")
    assert all(line.startswith("scanonce") for line in lines if "scanonce" in line)


async def test_the_start_names_what_is_watched_and_the_key_that_helps(project: Project) -> None:
    project.touch("a.js")
    project.touch("b.json")
    async with terminal(project, "echo") as screen:
        await screen.shows("? + Enter lists the keys")
        await screen.shows("online in")
        watching = re.search(r"watching \.: 3 files \(([a-z, ]+)\)", screen.screen)
        assert watching is not None
        assert set(watching[1].split(", ")) == {"js", "json", "toml"}
        screen.type(CTRL_C)
        assert await screen.ended() == 130
        assert re.search(r"stopped\s", screen.screen)
        assert "exit code" not in screen.screen


async def test_a_bot_whose_node_has_waited_has_the_terminal_like_any_other(project: Project) -> None:
    size = "console.log(`window ${process.stdout.columns}x${process.stdout.rows}`);"
    (project.folder / "ask.js").write_text(size + _PROMPT)
    async with terminal(project, command=["node", "ask.js"]) as screen:
        await screen.shows("Which number? ")
        node = shutil.which("node")

        def nodes() -> set[int]:
            children = psutil.Process(screen.process.pid).children()
            return {child.pid for child in children if child.as_dict(["cmdline"])["cmdline"] == [node, "ask.js"]}

        await eventually(lambda: len(nodes()) == 2, "a node that waits")
        before = nodes()
        screen.resize(90, 30)
        project.touch("ask.js", f"{size}{_PROMPT}// saved\n")
        await screen.shows("window 90x30")
        await screen.shows("Which number? ")
        assert nodes() <= before
        screen.type("12\r")
        await screen.shows("dialling <12>")
        screen.type(CTRL_C)
        assert await screen.ended() == 130


#: Reads single keys, as menus do, and a password, which must not be seen.
_RAW = """
process.stdin.setRawMode(true);
process.stdout.write('choose: ');
let typed = '';
process.stdin.on('data', (data) => {
    typed += data;
    if (typed.endsWith('\\r')) {
        process.stdin.setRawMode(false);
        console.log(`chosen ${JSON.stringify(typed)}`);
    }
});
"""


async def test_a_prompt_that_reads_single_keys_gets_them_and_they_are_not_shown(project: Project) -> None:
    (project.folder / "raw.js").write_text(_RAW)
    async with terminal(project, command=["node", "raw.js"]) as screen:
        await screen.shows("choose: ")
        await eventually(lambda: not screen.echoes)
        screen.type("\x1b[Bsecret\r")
        await screen.shows('chosen "\\u001b[Bsecret\\r"')
        assert screen.screen.count("secret") == 1
        await eventually(lambda: screen.echoes)
        screen.type("rs\n")
        await screen.shows("choose: ")
        await eventually(lambda: not screen.echoes)
        screen.type("rs\r")
        await screen.shows('chosen "rs')
        screen.type(CTRL_C)
        assert await screen.ended() == 130
        assert screen.echoes, "the terminal is left as it was found"


_SECRETS = {
    "getpass": ("python3", "import getpass; print('length', len(getpass.getpass('Token: ')))\nwhile True: input()\n"),
    "stty": ("sh", "printf 'Token: '; stty -echo; read x; stty echo; echo length ${#x}; sleep 1000\n"),
    "stty of the terminal": (
        "sh",
        "printf 'Token: '; exec </dev/tty; stty -echo; read x; stty echo; echo length ${#x}; sleep 1000\n",
    ),
}


@pytest.mark.parametrize("name", _SECRETS)
async def test_a_secret_is_not_shown_and_what_follows_is(project: Project, name: str) -> None:
    program, text = _SECRETS[name]
    (project.folder / "ask").write_text(text)
    async with terminal(project, command=[program, "ask"]) as screen:
        await screen.shows("Token: ")
        await eventually(lambda: not screen.echoes)
        screen.type("s3cret-word\n")
        await screen.shows("length 11")
        assert "s3cret-word" not in screen.screen
        await eventually(lambda: screen.echoes)
        screen.type("in the open")
        await screen.shows("in the open")


async def test_the_echo_follows_a_bot_that_writes_nothing(project: Project) -> None:
    (project.folder / "ask").write_text("echo up; sleep 0.3; stty -echo; read x; stty echo; sleep 1000\n")
    async with terminal(project, command=["sh", "ask"]) as screen:
        await screen.shows("up")
        await eventually(lambda: not screen.echoes)
        screen.type("hidden\n")
        await eventually(lambda: screen.echoes)
        assert "hidden" not in screen.screen


_READER = """
process.stdin.on('data', (text) => console.log(`got <${String(text).trim()}>`)).on('end', () => console.log('the end'));
console.log('up'); setInterval(() => {}, 1e6);
"""


async def test_ctrl_d_ends_the_input_of_this_bot_and_the_keys_stay_ours(project: Project) -> None:
    (project.folder / "reader.js").write_text(_READER)
    async with terminal(project, command=["node", "reader.js"]) as screen:
        await screen.shows("up")
        screen.type("a line\n")
        await screen.shows("got <a line>")
        screen.type("\x04")
        await screen.shows("the end")
        screen.type("rs\n")
        await screen.shows("up\r\n")
        screen.type("another\n")
        await screen.shows("got <another>")


async def test_half_a_line_is_passed_on_by_ctrl_d(project: Project) -> None:
    (project.folder / "reader.js").write_text(_READER)
    async with terminal(project, command=["node", "reader.js"]) as screen:
        await screen.shows("up")
        screen.type("half\x04")
        await screen.shows("got <half>")
        assert "the end" not in screen.screen


@pytest.mark.parametrize("command", [["node", "ask.js"], ["sh", "-c", "node ask.js; exit 0"]], ids=["bot", "wrapped"])
async def test_a_bot_asks_on_its_controlling_terminal(project: Project, command: list[str]) -> None:
    (project.folder / "ask.js").write_text(
        "const fs = require('fs'); const fd = fs.openSync('/dev/tty', 'rs+'); fs.writeSync(fd, 'Number? ');"
        "const b = Buffer.alloc(99); const n = fs.readSync(fd, b, 0, 99);"
        "console.log(`answer <${b.toString('utf8', 0, n).trim()}>`); setInterval(() => {}, 1e6);"
    )
    async with terminal(project, command=command) as screen:
        await screen.shows("Number? ")
        screen.type("4711\n")
        await screen.shows("answer <4711>")


def _is_stopped(screen: Terminal) -> bool:
    """Whether the bot stands still; a node that was started ahead waits anyway, and is not stopped."""
    found = psutil.Process(screen.process.pid).children(recursive=True)
    return any(one.status() == psutil.STATUS_STOPPED for one in found if one.cmdline()[1:] == ["menu.js"])


@pytest.mark.parametrize("raw", [True, False], ids=["single keys", "lines"])
async def test_ctrl_z_stops_the_bot_and_leaves_the_terminal_to_the_shell(project: Project, raw: bool) -> None:
    (project.folder / "menu.js").write_text(f"if ({str(raw).lower()}) process.stdin.setRawMode(true);\n{_READER}")
    async with on_terminal(project.folder, ["node", "menu.js"], project.environment, in_shell=True) as screen:
        await screen.shows("PROMPT$ ")
        screen.type("$BOT\n")
        await screen.shows("online in")
        await screen.shows("up")
        await eventually(lambda: screen.echoes is not raw)
        for _ in range(2):
            screen.type("\x1a")
            await screen.shows("Stopped")
            assert screen.echoes
            await eventually(lambda: _is_stopped(screen))
            screen.type("fg\n")
            await eventually(lambda: screen.echoes is not raw and not _is_stopped(screen))
        screen.type("hello\n")
        await screen.shows("got <h" if raw else "got <hello>")
        screen.type(CTRL_C)
        await screen.shows("PROMPT$ ")
        assert screen.echoes
    project.is_left_alone()


async def test_keys_work_once_it_is_in_the_foreground(project: Project) -> None:
    (project.folder / "reader.js").write_text(_READER)
    async with on_terminal(project.folder, ["node", "reader.js"], project.environment, in_shell=True) as screen:
        await screen.shows("PROMPT$ ")
        screen.type("$BOT &\n")
        await screen.shows("online in")
        screen.type("fg\n")
        await screen.shows("BOT")
        screen.type("hello\n")
        await screen.shows("got <hello>")
        screen.type("\x1a")
        await screen.shows("Stopped")
        screen.type("bg\n")
        await screen.shows("BOT")
        screen.type("fg\n")
        await screen.shows("BOT")
        screen.type("rs\n")
        await screen.shows("online in")
        screen.type("q\n")
        await screen.shows("PROMPT$ ")
    project.is_left_alone()


async def test_ctrl_c_stops_cleanly(project: Project) -> None:
    async with terminal(project, f"browser={project.profile('1')}") as screen:
        await project.noted("browser", "start")
        await screen.shows("online in")
        screen.type(CTRL_C)
        assert await screen.ended() == 130
        await project.noted("browser", "clean")


async def test_ctrl_c_again_says_what_it_does(project: Project) -> None:
    project.configure('[stop]\ngrace = "10min"\nidle = "10min"\n')
    async with terminal(project, "deaf-term", "echo") as screen:
        await screen.shows("online in")
        await project.noted("bot", "up")
        screen.type(CTRL_C)
        await screen.shows("stopping (SIGINT)")
        screen.type(CTRL_C)
        await screen.shows("stopping faster: a second for each step")
        screen.type(CTRL_C)
        assert await screen.ended() == 130


async def test_a_window_of_another_size_is_the_bots_as_well(project: Project) -> None:
    async with terminal(project, "report-size") as screen:
        await project.noted("bot", "up")
        screen.resize(132, 43)
        await project.noted("bot", "size", 2)
        assert [note.more for note in project.notes("bot", "size")] == ["120x50", "132x43"]
        screen.type("q\n")
        assert await screen.ended() == 0


async def test_colours_of_the_bot_pass_and_ours_stand_beside_them(project: Project) -> None:
    project.configure(AHEAD)
    coloured = "\x1b[35mviolet\x1b[0m"
    async with terminal(project, f"write={coloured}") as screen:
        await screen.shows(coloured)
        await screen.shows(f"{DIM}scanonce{RESET}  {GREEN}online in ")
        screen.type("q\n")
        assert await screen.ended() == 0
