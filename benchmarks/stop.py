"""The time from a service manager's SIGTERM to the exit, for the stock bot under `scanonce run` without configuration.

    python -m benchmarks stop --stops 20

One linked bot is started, and stopped by SIGTERM to the supervisor once its page has written something. Each time the
bot must exit by itself and the browser must be closed cleanly, and the next start must find every write.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import time
from pathlib import Path

from benchmarks.launchers import describe
from benchmarks.soak import bot_folder
from supervisor.demo.offline_bot import ensure_node_modules
from tests.e2e.supervised import NOTHING, supervised

FOR_EVER = "setInterval(() => {}, 1000);\n"
"""Code that keeps a bot running for ever, as a server or a timer of its own does."""


async def stops(folder: Path, count: int) -> tuple[list[float], int]:
    """Start and stop the bot; returns the seconds from each SIGTERM to the exit, and how many stops lost nothing."""
    seconds: list[float] = []
    whole, before = 0, NOTHING
    for number in range(count + 1):
        async with supervised(folder, "run") as bot:
            done = await bot.until("restart.done")
            if number == 0:
                await bot.link()
            else:
                whole += done["outcome"] == "ready" and before.lost_in(await bot.found()) == NOTHING
            before = await bot.written()
            began = time.monotonic()
            bot.process.send_signal(signal.SIGTERM)
            await bot.process.wait()
            seconds.append(time.monotonic() - began)
            await bot.ended()
            assert bot.named("supervisor.stopped")[-1]["clean"]
    return seconds[1:], whole


def main(arguments: list[str]) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks stop", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--stops", type=int, default=20, help="number of stops (%(default)s)")
    parser.add_argument("--for-ever", action="store_true", help="use a bot that never ends by itself")
    options = parser.parse_args(arguments)
    ensure_node_modules()
    print(f"load before: {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores")
    with bot_folder() as folder:
        if options.for_ever:
            with (folder / "index.js").open("a") as program:
                program.write(FOR_EVER)
        seconds, whole = asyncio.run(stops(folder, options.stops))
    print(f"SIGTERM to exit, s: {describe(seconds, '.2f')}")
    print(f"ready and nothing lost at the next start: {whole} of {options.stops}")
    return 0 if whole == options.stops else 1
