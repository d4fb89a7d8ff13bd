"""The CPU time of scanonce's reading commands, compared with `nodemon --version`.

    python -m benchmarks startup --rounds 15

The commands run in turns, in a folder whose supervisor is running. CPU time is the user and system time of the process
as reported by `wait4`; it depends far less on the load of the machine than elapsed time. The status is 1 if the median
of a command exceeds its limit, which is a share of nodemon's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.launchers import NODEMON, describe, from_npm
from supervisor.demo.offline_bot import SetupError
from tests.helpers.shell import SCANONCE

_EMPTY = "empty"  # a folder in which no supervisor runs

LIMITS: Mapping[str, float] = {
    "scanonce --version": 0.65,
    "scanonce --help": 0.65,
    "scanonce status": 1.0,
    f"scanonce status -C {_EMPTY}": 1.0,
}
"""The limits, as shares of nodemon's CPU time."""

_NODEMON = "nodemon --version"
_STARTS = 100  # tries to reach the supervisor, each a `scanonce status`, until it counts as failed


def commands() -> dict[str, list[str]]:
    """The measured commands, by the name that is printed."""
    words = (["--version"], ["--help"], ["status"], ["status", "-C", _EMPTY], ["session", "list"])
    return {
        _NODEMON: ["node", str(from_npm("nodemon", NODEMON, "bin/nodemon.js")), "--version"],
        "python -c pass": [sys.executable, "-c", "pass"],
        **{f"scanonce {' '.join(some)}": [str(SCANONCE), *some] for some in words},
    }


def cpu_time(command: Sequence[str], folder: Path) -> float:
    """Run a command, and return its CPU time in milliseconds. Raises `SetupError` if it fails."""
    process = subprocess.Popen(
        command, cwd=folder, env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in {0, 1}:  # 1 from `scanonce status` where no supervisor runs
        raise SetupError(f"{' '.join(command)} ended with exit status {process.returncode}")
    return (used.ru_utime + used.ru_stime) * 1000


@contextmanager
def supervised(folder: Path) -> Iterator[None]:
    """Run a supervisor with an idle bot until the block ends."""
    supervisor = subprocess.Popen(
        [SCANONCE, "run", "--", "sleep", "infinity"], cwd=folder, env=_environment(), stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(_STARTS):
            if (
                subprocess.run([SCANONCE, "status"], cwd=folder, env=_environment(), capture_output=True).returncode
                == 0
            ):
                break
        else:
            raise SetupError("the supervisor under which to measure could not be reached")
        yield
    finally:
        supervisor.terminate()
        supervisor.wait()


def _environment() -> dict[str, str]:
    """This process's environment, but with compiled bytecode kept, as in an ordinary installation."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def main(arguments: list[str]) -> int:
    """Measure all commands, print minimum, median, maximum and the ratio; 1 if one is above its limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks startup", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="how often each command is run")
    rounds = parser.parse_args(arguments).rounds
    measured = commands()
    times: dict[str, list[float]] = {name: [] for name in measured}
    with tempfile.TemporaryDirectory() as temporary, supervised(Path(temporary)):
        (Path(temporary) / _EMPTY).mkdir()
        for _ in range(rounds + 1):
            for name, command in measured.items():
                times[name].append(cpu_time(command, Path(temporary)))
    for taken in times.values():
        del taken[0]  # the first run compiles, and fills the page cache
    print(f"{'CPU time in ms, of ' + str(rounds) + ' runs':32} {'min / median / max':>20}  ratio  limit")
    for name, taken in times.items():
        ratio = median(taken) / median(times[_NODEMON])
        limit = f"{LIMITS[name]:5.2f}" if name in LIMITS else ""
        print(f"{name:32} {describe(taken, '.0f'):>20}  {ratio:5.2f}  {limit}".rstrip())
    return int(any(median(times[name]) > limit * median(times[_NODEMON]) for name, limit in LIMITS.items()))
