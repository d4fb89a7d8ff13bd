"""Snapshots and checks of a 126 MB profile against cp, rsync, restic, borg and RemoteAuth's zip.

    python -m benchmarks sessions [--rounds 7] [--profile DIR]

A real Chromium writes the profile first (`profile_generator`), unless one is given. Every tool works on its own copy,
the tools take turns, and each figure is printed as minimum, median and maximum. Peers are measured as whole processes,
scanonce's own steps inside one, as the supervisor runs them; each figure names the work that it includes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.profile_generator import main as generate
from supervisor.demo.offline_bot import find_chromium
from supervisor.session.leveldb.check import verify
from supervisor.session.profiles.check_report import CheckContext
from supervisor.session.profiles.profile import Profile
from supervisor.session.store import SessionStore

RECORDS = 60_000
_BLOB_BYTES = 1_900_000_000

_REMOTE_AUTH = """
const { RemoteAuth } = require('whatsapp-web.js');
const [dataPath, name] = process.argv.slice(1);
const auth = Object.create(RemoteAuth.prototype);
Object.assign(auth, {
    dataPath, sessionName: name, userDataDir: `${dataPath}/${name}`, tempDir: `${dataPath}/wwebjs_temp_session_${name}`,
    requiredDirs: ['Default', 'IndexedDB', 'Local Storage'], rmMaxRetries: 4,
});
auth.compressSession();
"""


class Table:
    """Figures in milliseconds, printed in the form used in `docs/benchmarks.md`."""

    def __init__(self) -> None:
        self._figures: dict[str, list[float]] = {}

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add the duration of the block."""
        began = time.perf_counter()
        yield
        self._figures.setdefault(what, []).append((time.perf_counter() - began) * 1000)

    def median(self, what: str) -> float:
        """The median of a figure."""
        return statistics.median(self._figures[what])

    def ratio(self, what: str, to: str) -> str:
        """The ratio, pair by pair: minimum, median and maximum."""
        ratios = [one / other for one, other in zip(self._figures[what], self._figures[to], strict=True)]
        return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"

    def print(self) -> None:
        """The figures as a Markdown table."""
        print("| what | min | median | max |\n|---|---|---|---|")
        for what, values in self._figures.items():
            print(f"| {what} | {min(values):.0f} ms | {statistics.median(values):.0f} ms | {max(values):.0f} ms |")


def main(arguments: list[str] | None = None) -> int:
    """Run all measurements and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks sessions", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--profile", type=Path, help="a closed profile to copy, instead of generating one")
    options = parser.parse_args(arguments)
    print(f"load before: {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="scanonce-bench-", dir=Path.cwd()) as folder:
        base = Path(folder)
        original = options.profile or base / "original"
        if options.profile is None:
            generate([str(original), "--records", str(RECORDS)])
        size = sum(path.stat().st_size for path in original.rglob("*") if path.is_file())
        print(
            f"profile: {size / 1e6:.0f} MB, {sum(1 for p in original.rglob('*') if p.is_file())} files", file=sys.stderr
        )
        table = Table()
        _firsts(table, base, original, options.rounds)
        _agains(table, base, original, options.rounds)
        _large(table, base, original, options.rounds)
        table.print()
        print(f"\nfirst snapshot / (cp -a, sync): {table.ratio(FIRST, CP)}")
        print(f"the same of a profile that nobody has checked / (cp -a, sync): {table.ratio(COLD, CP)}")
        print(f"nothing changed / rsync --link-dest: {table.ratio(AGAIN, RSYNC_AGAIN)}")
        print(f"nothing changed, 2 GB / 126 MB: {table.median(LARGE) / table.median(AGAIN):.2f}")
        print(f"deep verify: {size / 1e6 / (table.median(DEEP) / 1000):.0f} MB/s")
    return 0


FULL_CHECK = "full check, before the first start"
FIRST = "first snapshot after that: read, fsync, publish"
COLD = "first snapshot of a profile that nobody has checked: read, verify, fsync, publish"
CAPTURE = "of which until the bot may start again"
CP = "cp -a, then sync -f"
AGAIN = "nothing changed: check and snapshot"
CHANGED = "after a start and a clean stop of Chromium: snapshot until the bot may start again"
CHECK = "check of a profile unchanged since its clean stop"
DEEP = "deep verify of the LevelDB databases"
RSYNC_AGAIN = "rsync -a --link-dest, nothing changed"
LARGE = "nothing changed, 2 GB profile: check and snapshot"


def _store(project: Path, original: Path) -> tuple[SessionStore, Profile]:
    """A project with its own copy of the profile."""
    path = project / "sessions" / "session-1"
    shutil.copytree(original, path, symlinks=True)
    store = SessionStore(project)
    return store, store.profile_at(path)


def _snapshot(store: SessionStore, profile: Profile) -> None:
    store.check(profile, context=CheckContext(free=True))
    store.capture(profile, linked=True, browser_version="1").publish()


def _run(*command: str, **variables: str) -> None:
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | variables
    )


def _firsts(table: Table, base: Path, original: Path, rounds: int) -> None:
    """Measure the first copy of a profile, by each tool into an empty folder."""
    for number in range(rounds):
        project = base / f"first-{number}"
        store, profile = _store(project, original)
        _run("sync", "-f", str(base))
        with table.timed(FULL_CHECK):  # made before every start anyway; what it has verified is not verified again
            assert store.check(profile, context=CheckContext(free=True)).may_start
        with table.timed(FIRST):
            with table.timed(CAPTURE):
                capture = store.capture(profile, linked=True, browser_version="1")
            capture.publish()
        shutil.rmtree(store.cache)  # also removes the results of the check
        _run("sync", "-f", str(base))
        with table.timed(COLD):
            assert store.capture(profile, linked=True, browser_version="1").publish().good
        with table.timed(CP):
            _run("sh", "-c", f"cp -a '{profile.path}' '{project / 'cp'}' && sync -f '{project}'")
        for name, work in _peers(project, profile.path).items():
            with table.timed(f"{name}, first"):
                work()
        with table.timed(f"{REMOTE_AUTH}, every time"):
            _remote_auth(profile.path)
        shutil.rmtree(project)


REMOTE_AUTH = "whatsapp-web.js RemoteAuth (stage and zip)"


def _remote_auth(profile: Path) -> None:
    modules = Path(__file__).parents[1] / "examples" / "whatsapp-bot"
    subprocess.run(["node", "-e", _REMOTE_AUTH, str(profile.parent), profile.name], check=True, cwd=modules)


def _peers(project: Path, profile: Path) -> dict[str, Callable[[], None]]:
    """Backup tools from Debian, each with a repository in the project; those that are not installed are skipped."""
    peers: dict[str, Callable[[], None]] = {}
    counter = iter(range(1000))
    if shutil.which("restic"):
        restic = {"RESTIC_PASSWORD": "benchmark", "RESTIC_REPOSITORY": str(project / "restic")}
        _run("restic", "init", **restic)
        peers["restic"] = lambda: _run("restic", "backup", str(profile), **restic)
    if shutil.which("borg"):
        borg = {"BORG_REPO": str(project / "borg"), "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
        borg["BORG_BASE_DIR"] = str(project / "borg-base")
        _run("borg", "init", "-e", "none", **borg)
        peers["borg"] = lambda: _run("borg", "create", f"::a{next(counter)}", str(profile), **borg)
    return peers


def _agains(table: Table, base: Path, original: Path, rounds: int) -> None:
    """Measure the same profile again: unchanged, then after a start of the browser."""
    project = base / "again"
    store, profile = _store(project, original)
    _snapshot(store, profile)
    if rsync := shutil.which("rsync"):
        _run(rsync, "-a", f"{profile.path}/", f"{project}/r0/")
    peers = _peers(project, profile.path)
    for work in peers.values():
        work()
    [database] = (profile.path / "Default" / "IndexedDB").glob("*.leveldb")
    for number in range(rounds):
        with table.timed(AGAIN):
            _snapshot(store, profile)
        if rsync:
            with table.timed(RSYNC_AGAIN):
                source, target = f"{profile.path}/", f"{project}/r{number + 1}/"
                _run(rsync, "-a", f"--link-dest={project}/r{number}", source, target)
        for name, work in peers.items():
            with table.timed(f"{name}, nothing changed"):
                work()
        with table.timed(CHECK):
            assert store.check(profile, context=CheckContext(free=True)).unchanged
        with table.timed(DEEP):
            verify(database, deep=True)
    for _ in range(rounds):
        _start_and_close(profile.path)
        with table.timed(CHANGED):
            assert store.check(profile, context=CheckContext(free=True)).may_start
            capture = store.capture(profile, linked=True, browser_version="1")
        capture.publish()


def _start_and_close(profile: Path) -> None:
    """Let Chromium open the profile and close it cleanly."""
    command = [
        str(find_chromium()),
        "--headless",
        "--no-sandbox",
        f"--user-data-dir={profile}",
        "--dump-dom",
        "about:blank",
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _large(table: Table, base: Path, original: Path, rounds: int) -> None:
    """Measure a profile with as many files but 2 GB; the difference is one IndexedDB blob."""
    project = base / "large"
    store, profile = _store(project, original)
    [database] = (profile.path / "Default" / "IndexedDB").glob("*.leveldb")
    blob = database.with_suffix(".blob") / "1" / "00" / "1"
    blob.parent.mkdir(parents=True)
    with blob.open("wb") as file:
        for _ in range(_BLOB_BYTES // 10_000_000):
            file.write(os.urandom(10_000_000))
    _snapshot(store, profile)
    for _ in range(rounds):
        with table.timed(LARGE):
            _snapshot(store, profile)
