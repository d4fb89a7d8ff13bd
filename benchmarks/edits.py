"""Random edits of a tree of 5,000 files: each final content runs soon after, and nothing else causes a restart.

    python -m benchmarks edits --minutes 10

The bot is a plain node script that reads every source file at its start and prints a digest of them all. Files are
created, written, renamed and removed, one by one or in bursts; some of them are watched, some are not, and some saves
change nothing. Each round ends with a quiet time. Then the running bot must have read exactly the content on the disk,
and the number of restarts must fit the round: one or more if a watched file has changed, otherwise none.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks.launchers import describe
from benchmarks.plain import Plain

FILES, PER_FOLDER = 5000, 10
LIMIT = 1.0  # seconds

#: Reads what counts here, in order, and says so; then waits.
BOT = """
const fs = require('fs'), path = require('path'), hash = require('crypto').createHash('sha256');
(function walk(folder) {
    for (const name of fs.readdirSync(folder).sort()) {
        const file = path.join(folder, name);
        if (fs.statSync(file).isDirectory()) { if (name !== 'node_modules') walk(file); }
        else if (name.endsWith('.js')) hash.update(file + '\\0').update(fs.readFileSync(file)).update('\\0');
    }
})('src');
fs.writeSync(1, `read ${hash.digest('hex')}\\n`);
setInterval(() => {}, 60000);
"""


class Tree:
    """The bot's source files, and the random edits of them."""

    def __init__(self, root: Path, chance: random.Random) -> None:
        self.root = root
        self.chance = chance
        self._number = 0
        for i in range(FILES):
            top = "src" if i % 5 else "node_modules"
            file = root / top / f"d{i // PER_FOLDER}" / f"f{i}.js"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"module.exports = {i};\n")
        (root / "index.js").write_text(BOT)

    def digest(self) -> str:
        """The digest that a bot started now would print."""
        found = hashlib.sha256()

        def walk(folder: Path, name: str) -> None:
            for entry in sorted(folder.iterdir()):
                below = f"{name}/{entry.name}"
                if entry.is_dir():
                    walk(entry, below)
                elif entry.suffix == ".js":
                    found.update(below.encode() + b"\0" + entry.read_bytes() + b"\0")

        walk(self.root / "src", "src")
        return found.hexdigest()

    def some(self) -> Path:
        """A random watched file."""
        folder = self.chance.choice([folder for folder in (self.root / "src").iterdir() if any(folder.iterdir())])
        return self.chance.choice(list(folder.iterdir()))

    def _text(self) -> str:
        self._number += 1
        return f"module.exports = {self._number};\n"

    def write(self) -> None:
        """Write a file in place."""
        self.some().write_text(self._text())

    def safe_write(self) -> None:
        """Write a file as most editors do: to a temporary file, then renamed."""
        file = self.some()
        temporary = file.with_name(f"{file.name}~")
        temporary.write_text(self._text())
        temporary.replace(file)

    def create(self) -> None:
        """Create a file, sometimes in a new folder."""
        self._number += 1
        folder = self.some().parent if self.chance.random() < 0.7 else self.root / "src" / f"n{self._number}"
        folder.mkdir(exist_ok=True)
        (folder / f"new{self._number}.js").write_text(self._text())

    def rename(self) -> None:
        """Rename a file to a new name, over another file, or into another folder."""
        file, other = self.some(), self.some()
        file.rename(other if self.chance.random() < 0.3 else other.with_name(f"moved{self._number}{file.name}"))

    def delete(self) -> None:
        """Remove a file."""
        self.some().unlink()

    def same(self) -> None:
        """Save a file unchanged."""
        file = self.some()
        file.write_bytes(file.read_bytes())

    def there_and_back(self) -> None:
        """Remove a file and put it back."""
        file = self.some()
        content = file.read_bytes()
        file.unlink()
        file.write_bytes(content)

    def elsewhere(self) -> None:
        """Write a file that is not watched."""
        (self.root / "node_modules" / "d0" / "x.js").write_text(self._text())
        (self.root / "src" / "d1").mkdir(exist_ok=True)
        (self.root / "src" / "d1" / "notes.txt").write_text(self._text())
        (self.root / "src" / "d1" / "notes.txt").unlink()

    def edit(self) -> list[str]:
        """Make one edit or a burst of edits; returns their names."""
        verbs: list[Callable[[], None]] = [self.write, self.safe_write, self.create, self.rename, self.delete]
        verbs += [self.same, self.there_and_back, self.elsewhere]
        burst = self.chance.choice([1, 1, 1, 2, 5, 20, 100])
        chosen = self.chance.choices(verbs, k=burst)
        for verb in chosen:
            verb()
            if self.chance.random() < 0.2:
                time.sleep(self.chance.uniform(0, 0.04))  # within the quiet time, or just after it
        return [verb.__name__ for verb in chosen]


def run(minutes: float, root: Path, chance: random.Random) -> str:
    """Edit for that long and print the results. Raises AssertionError at the first round that fails."""
    tree = Tree(root, chance)
    done: Counter[str] = Counter()
    rounds = restarts = 0
    delays: list[float] = []
    with Plain("scanonce", root) as launcher:
        said = launcher.line("read ")[1].split()[1]
        time.sleep(2)  # every file has been hashed by then
        until = time.monotonic() + 60 * minutes
        while time.monotonic() < until:
            before = tree.digest()
            assert said == before
            names = tree.edit()
            quiet = time.monotonic()
            after = tree.digest()
            cause = after != before
            while cause and said != after:
                at, line = launcher.line("read ")
                restarts += 1
                said = line.split()[1]
                if said == after:
                    delays.append(at - quiet)
            # An unnecessary restart is seen until here, or in the next round.
            time.sleep(chance.uniform(0.3, 0.6))
            told = launcher.waiting("")
            late = cause and delays[-1] > LIMIT
            while late and not (phases := _phases(told)):
                time.sleep(0.05)  # between two reads of the output
                told += launcher.waiting("")
            more = [line for line in told if line.startswith("read ")]
            assert cause or not more, f"a restart without cause after {names}"
            assert len(more) == 0, f"a restart more than needed after {names}"
            if late:
                print(f"{delays[-1]:.2f} s after {len(names)} edits, load {os.getloadavg()[0]:.1f}: {phases}")
            rounds += 1
            done.update(names)
    edits = ", ".join(f"{number} {name}" for name, number in sorted(done.items()))
    return (
        f"{rounds} rounds ({edits}), {len(delays)} with a change: {restarts} restarts, none without cause\n"
        f"from the last edit until the bot had read the final content, s: {describe(delays, '.2f')}; "
        f"{sum(delay > LIMIT for delay in delays)} over {LIMIT:g} s"
    )


def _phases(lines: list[str]) -> str:
    """The phases of the last restart in milliseconds; empty if its end has not been logged."""
    events = [json.loads(line) for line in lines if line.startswith("{")]
    done = [event["phases_ms"] for event in events if event["event"] == "restart.done"]
    return ", ".join(f"{name} {ms}" for name, ms in done[-1].items() if ms) if done else ""


def main(arguments: list[str]) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks edits", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="duration (%(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="seed of the random edits, to repeat a run")
    options = parser.parse_args(arguments)
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    print(f"load before: {os.getloadavg()[0]:.2f}, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        print(run(options.minutes, Path(folder), random.Random(seed)))
    print(f"load after: {os.getloadavg()[0]:.2f}")
