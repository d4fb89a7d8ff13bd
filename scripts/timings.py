#!/usr/bin/env python3
"""Make the samples in docs/timings.md from a real run: restarts of the offline bot, and a change halfway through.

Needs what `scanonce demo` needs. Run it again when what `scanonce timings` prints has changed: `make timings`.
"""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from supervisor.demo.offline_bot import bot_environment, ensure_node_modules, prepare, profile_of
from supervisor.demo.phone import DEFAULT_NUMBER, Phone, SocketState
from supervisor.demo.scanonce_process import Scanonce

PAGE = Path(__file__).resolve().parents[1] / "docs" / "timings.md"
COLUMNS = 100
RESTARTS = 15
"""In each half."""


async def restart(folder: Path, *, link: bool) -> None:
    """Run scanonce in the folder, and save the bot's source again and again."""
    environment = {**bot_environment(), "BOT_NUMBER": DEFAULT_NUMBER}
    async with await Scanonce.start(folder, environment, lambda _line: None) as scanonce:
        if link:
            await scanonce.until("session.needs_link")
            async with await Phone.connect(profile_of(folder, DEFAULT_NUMBER)) as phone:
                await phone.wait_state(SocketState.UNPAIRED)
                await phone.scan()
        await scanonce.until_printed("ready: ")
        source = folder / "index.js"
        text = source.read_text()
        for number in range(RESTARTS):
            source.write_text(text.replace("'pong'", f"'pong {number}'"))
            await scanonce.until("restart.done")
            await scanonce.until_printed("ready: ")
        source.write_text(text)
        await scanonce.until("restart.done")
        await scanonce.until_printed("ready: ")
        await scanonce.stop()


def printed(folder: Path, *words: str) -> str:
    """A block for the page: a command, and what it prints there."""
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "supervisor", "timings", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
    said = "\n".join(line.rstrip() for line in done.stdout.decode().rstrip().split("\n"))
    return f"```\n$ scanonce timings {' '.join(words)}\n{said}\n```"


def main() -> None:
    """Run the bot, and replace the samples in the page."""
    ensure_node_modules()
    with tempfile.TemporaryDirectory(prefix="scanonce-") as name:
        folder = prepare(Path(name) / "bot")
        asyncio.run(restart(folder, link=True))
        (folder / "scanonce.toml").write_text('[watch]\nquiet = "1s"\n')
        asyncio.run(restart(folder, link=False))
        page = PAGE.read_text(encoding="utf-8")
        for words in (("--rows", "5"), ("--compare",)):
            block = printed(folder, *words)
            beginning = re.escape(block.split("\n")[1])
            page, count = re.subn(rf"```\n{beginning}\n.*?\n```", lambda _, new=block: new, page, flags=re.DOTALL)  # type: ignore[misc]
            assert count == 1, f"{PAGE} has {count} samples of {beginning}"
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
