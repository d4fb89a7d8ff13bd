"""Repeated restarts: nothing may be lost, left behind, or grow.

    python -m benchmarks soak --links 20 --restarts 200 --scripted 2000

First a new device is linked, a source file is saved a second later, and the bot must come back without a QR code; this
is repeated `--links` times, each in a new folder. Then one bot is restarted `--restarts` times in a row, each time as
soon as its page has written something. Last, the scripted bot with a scripted browser is restarted `--scripted` times,
each time as soon as it is ready, every tenth time by a crash. The supervisor's resources at rest are recorded after the
first restart, after a tenth of them (60 at least), after half and after all. The status is 1 if something was lost or
left, or if the supervisor has grown.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.control import restart as ask_for_restart
from benchmarks.growth import Growth, marks
from benchmarks.launchers import Launched, describe
from supervisor.demo.offline_bot import ensure_node_modules, find_chromium, prepare
from supervisor.demo.phone import Tally
from supervisor.system.runtime_dir import project_key
from tests.e2e.supervised import Supervised, supervised, temporary_files
from tests.helpers.command import Project, Running
from tests.helpers.processes import processes_of, variables

NODEMON_RESTARTS = 5

SCRIPTED = """
[ready]
method = "page"
[restart]
backoff_initial = "20ms"
backoff_max = "20ms"
limit = 100000
"""
_CRASH_EVERY = 10


@contextmanager
def bot_folder() -> Iterator[Path]:
    """A new bot's folder, with private runtime and log folders in this process's environment."""
    with tempfile.TemporaryDirectory(prefix="soak-") as top:
        folder, temporary = Path(top) / "bot", Path(top) / "t"
        temporary.mkdir()
        before = dict(os.environ)
        os.environ.update(variables(folder, temporary, find_chromium()))
        try:
            yield prepare(folder)
        finally:
            os.environ.clear()
            os.environ.update(before)


async def restart(bot: Supervised) -> tuple[bool, Tally, Mapping[str, int]]:
    """Save a source file; returns whether the bot came back linked, what was lost, and the milliseconds by phase."""
    written = await bot.written()
    bot.save()
    done = await bot.until("restart.done")
    return done["outcome"] == "ready", written.lost_in(await bot.found()), done["phases_ms"]


async def link_and_save(folder: Path) -> bool:
    """Link a device and save a file a second later; returns whether the bot is back, linked, without a loss."""
    async with supervised(folder) as bot:
        await bot.until("restart.done", outcome="needs_link")
        await bot.link()
        await asyncio.sleep(1)
        linked, lost, _ = await restart(bot)
    return linked and not lost


async def soak(folder: Path, restarts: int) -> bool:
    """Restart one bot repeatedly and print the results; returns whether every condition held."""
    total, linked, down = Tally(0, 0, 0), 0, []
    async with supervised(folder) as bot:
        await bot.until("restart.done", outcome="needs_link")
        await bot.link()
        growth = Growth(bot.process.pid, [folder.parent])
        for number in range(1, restarts + 1):
            back, lost, phases = await restart(bot)
            linked += back
            total = Tally(
                total.indexed_db + lost.indexed_db,
                total.local_storage + lost.local_storage,
                total.cookie + lost.cookie,
            )
            down.append(float(sum(phases[name] for name in ("close", "stop", "prove"))))
            growth.look()
            if number in marks(restarts):
                await growth.mark(number)
        status = await bot.stop()
        clean = bot.named("supervisor.stopped")[-1]["clean"]
    processes, files = processes_of(folder), temporary_files(folder)
    frozen = [process for process in processes if process.status() == psutil.STATUS_STOPPED]
    print(f"back without a QR code: {linked} of {restarts}")
    print(f"writes lost in IndexedDB / localStorage / cookies: {' / '.join(map(str, (*_numbers(total),)))}")
    print(f"stopped {'cleanly' if clean else 'not cleanly'} with status {status}")
    print(f"left: {len(processes)} processes, {len(frozen)} of them frozen, {len(files)} temporary files")
    print(f"close + stop + prove, ms: {describe(down, '.0f')}")
    print(f"descriptors at most: {growth.most}; grown: {', '.join(growth.grown()) or 'nothing'}")
    return linked == restarts and not total and clean and not processes and not files and not growth.grown()


async def soak_scripted(project: Project, restarts: int) -> bool:
    """The same with the scripted bot."""
    project.configure(SCRIPTED)
    running = await project.start("run", f"browser={project.profile('1')},devtools")
    await running.until("restart.done", outcome="ready")
    socket = project.runtime / "scanonce" / project_key(project.folder.resolve()) / "control"
    growth = Growth(running.process.pid, [project.home, project.runtime])
    unclean = 0
    for number in range(1, restarts + 1):
        if number % _CRASH_EVERY:
            unclean += not (await ask_for_restart(socket))["clean"]
        else:
            await _crash(project, running)
        growth.look()
        if number in marks(restarts):
            await growth.mark(number)
    ready = sum(event["outcome"] == "ready" for event in running.all("restart.done")) - 1
    errors, status = len(running.all("error")), await running.stop()
    project.is_left_alone()
    print(f"back ready: {ready} of {restarts}")
    print(f"restarts asked for and not clean: {unclean}; errors told: {errors}; stopped with status {status}")
    print(f"descriptors at most: {growth.most}; grown: {', '.join(growth.grown()) or 'nothing'}")
    return ready == restarts and not unclean and not errors and not growth.grown() and status == 143


async def _crash(project: Project, running: Running) -> None:
    """Kill the bot, and wait until it is back."""
    os.kill(project.notes("bot", "start")[-1].pid, signal.SIGKILL)
    await running.until("restart.done", reason="crash", outcome="ready")


async def _in_a_new_project(restarts: int) -> bool:
    with tempfile.TemporaryDirectory(prefix="soak-") as home, tempfile.TemporaryDirectory(prefix="run-") as runtime:
        project = Project(Path(home), Path(runtime))
        try:
            return await soak_scripted(project, restarts)
        finally:
            await project.close()


def _numbers(tally: Tally) -> tuple[int, int, int]:
    return tally.indexed_db, tally.local_storage, tally.cookie


async def nodemon(folder: Path) -> float:
    """nodemon's memory after some restarts of the same bot, in megabytes."""
    temporary = folder.parent / "n"
    launched = await Launched.start("nodemon", folder, None, temporary)
    try:
        for _ in range(NODEMON_RESTARTS):
            await launched.edit()
        return launched.rss()
    finally:
        await launched.stop()


def main(arguments: list[str]) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks soak", description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--links", type=int, default=20, help="number of new devices, each with a save a second later (%(default)s)"
    )
    parser.add_argument(
        "--restarts", type=int, default=200, help="number of restarts of one bot in a row (%(default)s)"
    )
    parser.add_argument(
        "--scripted", type=int, default=2000, help="number of restarts of the scripted bot (%(default)s)"
    )
    options = parser.parse_args(arguments)
    ensure_node_modules()
    print(f"load before: {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores")
    survived, good = 0, True
    for _ in range(options.links):
        with bot_folder() as folder:
            survived += asyncio.run(link_and_save(folder))
    if options.links:
        print(f"linked, saved 1 s later, back without a QR code and without loss: {survived} of {options.links}")
    if options.restarts:
        with bot_folder() as folder:
            good &= asyncio.run(soak(folder, options.restarts))
        with bot_folder() as folder:
            print(f"nodemon after {NODEMON_RESTARTS} restarts: {asyncio.run(nodemon(folder)):.1f} MB")
    if options.scripted:
        print(f"the scripted bot, {options.scripted} restarts")
        good &= asyncio.run(_in_a_new_project(options.scripted))
    print(f"load after: {os.getloadavg()[0]:.2f}")
    return 0 if good and survived == options.links else 1
