"""Memory at rest, compared with pm2's daemon and supervisord: each supervises the same plain node bot.

    python -m benchmarks memory --rest 60 --samples 9

The launchers run one after the other, each in a folder of its own, at rest; only scanonce's metrics, where they are on,
are requested before each sample. Only the launcher's own process is measured, without the bot. RSS is the resident
memory, USS the part that is not shared with other processes, and PSS the USS plus a proportional part of the shared
memory; a launcher written in node shares node's code with the bot. The status is 1 if `scanonce run` needs more than
pm2 (RSS).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.launchers import cached, describe, from_npm
from benchmarks.plain import BOT, PATIENCE
from tests.helpers.shell import SCANONCE

PM2, SUPERVISORD = "7.0.4", "4.3.0"
OURS, THEIRS = "scanonce run", f"pm2 {PM2}"

#: Of psutil's figures, those that the system has.
_KINDS = ("rss", "pss", "uss")


@dataclass(frozen=True, slots=True)
class Resting:
    """A launcher whose bot is up: its own pid, and a function to call before each sample."""

    pid: int
    ask: Callable[[], object] = lambda: None


def _outside(folder: Path) -> dict[str, str]:
    """An environment that keeps the launchers away from this user's files."""
    names = ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")
    return os.environ | dict.fromkeys(names, str(folder)) | {"PM2_HOME": str(folder / "pm2")}


def _until(what: str, found: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not found():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {PATIENCE:g} s")
        time.sleep(0.05)  # between two tries


@contextlib.contextmanager
def _foreground(command: Sequence[str], folder: Path, outside: Path) -> Iterator[int]:
    """A launcher that stays in the foreground, once its bot is there; it is ended as by a service manager."""
    null = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=folder, env=_outside(outside), stdin=null, stdout=null, stderr=null) as process:
        try:
            _until(command[0], psutil.Process(process.pid).children)
            yield process.pid
        finally:
            process.terminate()


@contextlib.contextmanager
def _scanonce(folder: Path, outside: Path) -> Iterator[Resting]:
    with _foreground([str(SCANONCE), "run", "--", "node", "index.js"], folder, outside) as pid:
        yield Resting(pid)


@contextlib.contextmanager
def _scanonce_with_metrics(folder: Path, outside: Path) -> Iterator[Resting]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "scanonce.toml").write_text(f'[metrics]\nlisten = "127.0.0.1:{port}"\n')

    def ask() -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as answer:
            assert b"scanonce_" in answer.read()

    with _scanonce(folder, outside) as resting:
        yield Resting(resting.pid, ask)


@contextlib.contextmanager
def _pm2(folder: Path, outside: Path) -> Iterator[Resting]:
    pm2 = ["node", str(from_npm("pm2", PM2, "bin/pm2"))]
    environment = _outside(outside)
    try:
        subprocess.run([*pm2, "start", "index.js"], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
        daemon = int((outside / "pm2" / "pm2.pid").read_text())
        _until("pm2", psutil.Process(daemon).children)
        yield Resting(daemon)
    finally:
        subprocess.run([*pm2, "kill"], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def _supervisord(folder: Path, outside: Path) -> Iterator[Resting]:
    def install(place: Path) -> list[list[str]]:
        pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", f"supervisor=={SUPERVISORD}"]
        return [[sys.executable, "-m", "venv", str(place)], pip]

    program = cached(f"supervisor-{SUPERVISORD}", "bin/supervisord", install)
    configuration = outside / "supervisord.conf"
    configuration.write_text(
        f"[supervisord]\nnodaemon = true\nlogfile = {outside}/log\npidfile = {outside}/pid\n"
        f"[program:bot]\ncommand = node index.js\ndirectory = {folder}\n"
    )
    with _foreground([str(program), "-n", "-c", str(configuration)], folder, outside) as pid:
        yield Resting(pid)


LAUNCHERS: Mapping[str, Callable[[Path, Path], contextlib.AbstractContextManager[Resting]]] = {
    OURS: _scanonce,
    f"{OURS}, metrics asked for": _scanonce_with_metrics,
    THEIRS: _pm2,
    f"supervisord {SUPERVISORD}": _supervisord,
}


def sample(resting: Resting) -> Mapping[str, float]:
    """The launcher's present memory in megabytes."""
    resting.ask()
    held = psutil.Process(resting.pid).memory_full_info()
    return {kind: getattr(held, kind) / 1e6 for kind in _KINDS if hasattr(held, kind)}


def measure(name: str, rest: float, samples: int, pause: float) -> list[Mapping[str, float]]:
    """Start a launcher, let it rest for that many seconds, and take so many samples."""
    with tempfile.TemporaryDirectory(prefix="mem-") as top:
        folder, outside = Path(top, "bot"), Path(top, "o")
        folder.mkdir()
        outside.mkdir(mode=0o700)
        (folder / "index.js").write_text(BOT)
        with LAUNCHERS[name](folder, outside) as resting:
            time.sleep(rest)
            found = []
            for _ in range(samples):
                found.append(sample(resting))
                time.sleep(pause)
            return found


def report(found: Mapping[str, Sequence[Mapping[str, float]]]) -> Iterator[str]:
    """The rows of the table."""
    kinds = list(next(iter(found.values()))[0])
    yield f"| min / median / max, MB | {' | '.join(kind.upper() for kind in kinds)} |"
    yield "|---" * (len(kinds) + 1) + "|"
    for name, samples in found.items():
        cells = (describe([one[kind] for one in samples], ".1f") for kind in kinds)
        yield f"| {name} | {' | '.join(cells)} |"


def main(arguments: list[str]) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks memory", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rest", type=float, default=60.0, help="seconds before the first sample (%(default)s)")
    parser.add_argument("--samples", type=int, default=9, help="samples of each launcher (%(default)s)")
    parser.add_argument("--pause", type=float, default=5.0, help="seconds between two samples (%(default)s)")
    options = parser.parse_args(arguments)
    print(f"load before: {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores")
    found = {name: measure(name, options.rest, options.samples, options.pause) for name in LAUNCHERS}
    print("\n".join(report(found)))
    print(f"load after: {os.getloadavg()[0]:.2f}")
    ours, theirs = (statistics.median(one["rss"] for one in found[name]) for name in (OURS, THEIRS))
    return 0 if ours < theirs else 1
