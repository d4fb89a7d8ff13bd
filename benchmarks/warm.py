"""Warm restarts: from a save to the new code's answer against nodemon, and events over many of them.

    python -m benchmarks warm --edits 20
    python -m benchmarks warm --restarts 1000 --rate 200

With `--edits` the bot's answer to a message is changed, and the page sends that message every 25 ms until the new
answer comes: that is what the person who saves waits for. The launchers are edited in turns. With `--restarts` the page
sends numbered messages at a rate while the bot is restarted at random moments; the bot writes each number to a file as
the first thing. What the page has sent and what the file holds must be the same.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks.launchers import LAUNCHERS, PATIENCE, Launched, describe, link_once
from supervisor.demo.offline_bot import ensure_node_modules
from supervisor.demo.page_connection import PageError
from supervisor.demo.phone import Phone

OURS, COLD, RIVAL = "scanonce, warm", "scanonce", "nodemon"

ANSWERED = """new Promise((done) => {
    const ask = () => __standin.receive('!ping').then((answer) => {
        if (answer !== WANTED) return;
        clearInterval(asking);
        done(Date.now());
    });
    const asking = setInterval(ask, 25);
    ask();
})"""

FEED = """(() => {
    const { Msg } = window.require('WAWebCollections');
    window.__sent = 0;
    window.__feed = setInterval(() => {
        for (let i = 0; i < PER; i += 1) {
            const n = ++window.__sent;
            const id = { fromMe: false, remote: '1@c.us', id: `M${n}`, _serialized: `false_1@c.us_M${n}` };
            const to = { _serialized: '2@c.us' };
            Msg.add({ id, type: 'chat', body: `#${n}`, from: { _serialized: '1@c.us' }, to, t: 1, isNewMsg: true });
        }
    }, 10);
})()"""

RECORDS = """
client.on('message', (message) => {
    if (message.body[0] === '#') require('node:fs').appendFileSync('seen.txt', `${message.body.slice(1)}\\n`);
});
"""

FIGURES = """(() => {
    const { Msg, Chat } = window.require('WAWebCollections');
    const { Socket } = window.require('WAWebSocketModel');
    window.gc?.();
    return { heap: performance.memory.usedJSHeapSize, listeners: [Msg, Chat, Socket].map((one) => one.listening()),
        origin: performance.timeOrigin, sent: window.__sent, unanswered: window.onAddMessageEvent.args?.size ?? 0 };
})()"""


async def edit(run: Launched, number: int) -> float:
    """Save another answer; seconds from just before the save until the bot gives it."""
    wanted = f"pong {number}"
    program = run.folder / "index.js"
    source = program.read_text()
    at = source.index("reply('pong") + len("reply('")
    changed = source[:at] + wanted + source[source.index("'", at) :]
    script = ANSWERED.replace("WANTED", repr(wanted))
    # Connected before the save: a page that is kept then answers on this connection.
    phone = await Phone.connect(run.profile, PATIENCE)
    began = time.time()
    answer = asyncio.create_task(phone.devtools.evaluate(script))
    program.write_text(changed)
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                at_ms = await answer
            except PageError:  # the page has gone with its browser, or is not what it was
                await phone.close()
                phone = await Phone.connect(run.profile, PATIENCE)
                answer = asyncio.create_task(phone.devtools.evaluate(script))
                continue
            await phone.close()
            return float(at_ms) / 1000 - began


async def edits_in_turns(names: Sequence[str], edits: int, pause: float, folder: Path) -> dict[str, list[float]]:
    """The seconds of each edit, by launcher."""
    linked = await link_once(folder / "linked", folder / "t0")
    runs: dict[str, Launched] = {}
    results: dict[str, list[float]] = {name: [] for name in names}
    try:
        for number, name in enumerate(names):
            runs[name] = await Launched.start(name, folder / f"bot-{number}", linked, folder / f"t{number + 1}")
        for number in range(edits + 1):
            for name, run in runs.items():
                await asyncio.sleep(pause)
                seconds = await edit(run, number)
                if number:  # the first one warms the caches
                    results[name].append(seconds)
    finally:
        for run in runs.values():
            await run.stop()
    return results


async def soak(restarts: int, rate: int, folder: Path) -> str:
    """Restart at random moments while the page sends messages; what came of it."""
    linked = await link_once(folder / "linked", folder / "t0")
    run = await Launched.start(OURS, folder / "bot", linked, folder / "t1")
    program = run.folder / "index.js"
    program.write_text(program.read_text() + RECORDS)
    done: list[Any] = [await _restarted(run)]
    lines = []
    try:
        async with await Phone.connect(run.profile, PATIENCE) as phone:
            await asyncio.sleep(1)
            first = await phone.devtools.evaluate(FIGURES)
            await phone.devtools.evaluate(FEED.replace("PER", str(max(1, rate // 100))))
            for number in range(restarts):
                await asyncio.sleep(random.uniform(0.0, 0.5))
                with program.open("a") as file:
                    file.write(f"// {number}\n")
                done.append(await _restarted(run))
                if number % max(1, restarts // 5) == 0:
                    lines.append(await _growth(run, phone, number))
            await phone.devtools.evaluate("clearInterval(window.__feed)")
            await asyncio.sleep(2)
            last = await phone.devtools.evaluate(FIGURES)
            lines.append(await _growth(run, phone, restarts))
    finally:
        await run.stop()
    seen = [int(line) for line in (run.folder / "seen.txt").read_text().split()]
    kinds = [one["kind"] for one in done[1:]]
    missing, doubled = last["sent"] - len(set(seen)), len(seen) - len(set(seen))
    lines.append(f"restarts: {kinds.count('warm')} warm, {kinds.count('cold')} cold; {last['sent']} messages sent")
    lines.append(f"lost {missing}, doubled {doubled}, in order: {'yes' if seen == sorted(seen) else 'no'}")
    reloaded = "no" if first["origin"] == last["origin"] else "yes"
    lines.append(f"page reloaded: {reloaded}; listeners {first['listeners']} -> {last['listeners']}")
    seconds = [one["total_ms"] / 1000 for one in done[1:] if one["kind"] == "warm"]
    lines.append(f"seconds, min / median / max: {describe(seconds, '.2f')}")
    return "\n".join(lines)


async def _restarted(run: Launched) -> Any:
    async with asyncio.timeout(PATIENCE):
        return await run.restarts.get()


async def _growth(run: Launched, phone: Phone, number: int) -> str:
    figures = await phone.devtools.evaluate(FIGURES)
    connections = sum(
        one.status == psutil.CONN_ESTABLISHED for one in psutil.Process(run.process.pid).net_connections("tcp")
    )
    return (
        f"after {number:4}: heap {figures['heap'] / 1e6:.1f} MB, listeners {figures['listeners']}, "
        f"unanswered {figures['unanswered']}, scanonce {run.rss():.1f} MB, its connections {connections}"
    )


def main(arguments: list[str]) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks warm", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--edits", type=int, default=0, help="edits under each launcher, in turns")
    parser.add_argument("--pause", type=float, default=4.0, help="seconds between two edits (%(default)s)")
    parser.add_argument("--restarts", type=int, default=0, help="restarts in a row while messages come")
    parser.add_argument("--rate", type=int, default=200, help="messages a second (%(default)s)")
    options = parser.parse_args(arguments)
    if not options.edits and not options.restarts:
        options.edits = 20
    ensure_node_modules()
    names = [OURS, COLD, RIVAL]
    for name in names:
        LAUNCHERS[name]()  # this may install it
    print(f"load before: {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        if options.restarts:
            print(asyncio.run(soak(options.restarts, options.rate, Path(folder))))
            return
        results = asyncio.run(edits_in_turns(names, options.edits, options.pause, Path(folder)))
    for name, seconds in results.items():
        ordered = sorted(seconds)
        p99 = ordered[min(len(ordered) - 1, round(0.99 * (len(ordered) - 1)))]
        print(f"{name:16} save to the new answer, s: {describe(seconds, '.2f')}   p99 {p99:.2f}")
    for name in names[:2]:
        ratios = [ours / theirs for ours, theirs in zip(results[name], results[RIVAL], strict=True)]
        print(f"{name:16} ratio to {RIVAL}, pair by pair: {describe(ratios, '.3f')}")
        whole = statistics.median(results[name]) / statistics.median(results[RIVAL])
        print(f"{name:16} ratio of the medians: {whole:.3f}")
