"""A bot that opens, closes, adds and removes accounts and helper browsers at random: nothing may be undone, or lost.

    python -m benchmarks orderly --minutes 60

The scripted bot with scripted browsers does one of these after the other, and is restarted on request now and then. No
restart may come that was not requested, no account back that was removed, and none may be lost. The status is 1 if one
of these conditions failed.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import random
import tempfile
import time
from pathlib import Path

from tests.helpers import build
from tests.helpers.command import Project

CONFIGURATION = """
[browser]
lost_patience = "500ms"
[ready]
method = "page"
"""
_MOST_ACCOUNTS = 6
_UNWANTED = ("session.restored", "session.damaged", "browser.lost", "snapshot.failed", "error", "bot.crashed")


async def series(project: Project, seconds: float, seed: int) -> bool:
    """Do it for so long; returns whether every condition held."""
    chance, done = random.Random(seed), collections.Counter[str]()
    project.configure(CONFIGURATION, quick=False)
    orders = project.home / "orders"
    orders.touch()
    sessions, temporary = project.folder / "sessions", project.home / "t"
    temporary.mkdir()
    accounts, numbers = {"0"}, 0
    build.profile(sessions / "session-0")
    running = await project.start("run", f"opens={sessions}", f"obeys={orders}", environment={"TMPDIR": str(temporary)})
    await running.until("restart.done", outcome="ready")
    await project.noted("bot", "obeying")
    open_now, wanted, unexpected = {"0"}, 0, 0

    async def order(*words: str) -> None:
        before = len(project.notes("bot", "obeyed"))
        with orders.open("a") as file:
            file.write("".join(f"{word}\n" for word in words))
        await project.noted("bot", "obeyed", before + len(words))

    over = time.monotonic() + seconds
    while time.monotonic() < over:
        closed = sorted(accounts - open_now)
        choices = {
            "add": len(accounts) < _MOST_ACCOUNTS,
            "open": bool(closed),
            "close": bool(open_now),
            "remove": len(accounts) > 1 and bool(open_now),
            "helper": True,
            "restart": bool(open_now),
        }
        what = chance.choice([name for name, possible in choices.items() if possible])
        done[what] += 1
        if what == "add":
            numbers += 1
            accounts.add(str(numbers))
            open_now.add(str(numbers))
            build.profile(sessions / f"session-{numbers}")
            await order(f"browser={sessions}/session-{numbers},devtools")
        elif what == "open":
            open_now.add(name := chance.choice(closed))
            await order(f"browser={sessions}/session-{name},devtools")
        elif what in {"close", "remove"}:
            open_now.discard(name := chance.choice(sorted(open_now)))
            words = [f"close={sessions}/session-{name}", f"remove={sessions}/session-{name}"]
            await order(*words[: 1 if what == "close" else 2])
            if what == "remove":
                accounts.discard(name)
        elif what == "helper":
            profile = f"{temporary}/puppeteer_dev_chrome_profile-{chance.randrange(10**6):06}"
            await order(f"browser={profile},devtools", f"close={profile}", f"remove={profile}")
        else:
            wanted += 1
            await _restart(project)
            await running.until("restart.done", reason="control")
            await project.noted("bot", "obeying", wanted + 1)
            open_now = set(accounts)
        await asyncio.sleep(chance.choice([0.0, 0.05, 0.3, 1.0]))
        there = {path.name.removeprefix("session-") for path in sessions.glob("session-*")}
        unexpected += there != accounts
    restarts = len(running.all("restart.done")) - 1
    told = {name: len(running.all(name)) for name in _UNWANTED if running.all(name)}
    status = await running.stop()
    print(", ".join(f"{count} x {name}" for name, count in done.most_common()))
    print(
        f"restarts: {restarts}, requested: {wanted}; accounts back or lost: {unexpected}; reported: {told or 'nothing'}"
    )
    return restarts == wanted and not unexpected and not told and status == 143


async def _restart(project: Project) -> None:
    process = await asyncio.create_subprocess_exec(
        *project.scanonce("restart", "--no-wait"), cwd=project.folder, env=project.environment
    )
    await process.wait()


async def _in_a_new_project(minutes: float, seed: int) -> bool:
    with tempfile.TemporaryDirectory(prefix="orderly-") as home, tempfile.TemporaryDirectory(prefix="run-") as runtime:
        project = Project(Path(home), Path(runtime))
        try:
            return await series(project, minutes * 60, seed)
        finally:
            await project.close()


def main(arguments: list[str]) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks orderly", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0, help="for how long (%(default)s)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="to repeat a series (the time)")
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}")
    return 0 if asyncio.run(_in_a_new_project(options.minutes, options.seed)) else 1
