"""Make a large, real profile: Chromium itself writes the records, so every file is as in normal use.

    python -m benchmarks.profile_generator DIR --records 60000

writes 60,000 records of about 2 KB into one IndexedDB (130 MB, 60 tables), and their number into localStorage. The
records are synthetic. The tests that kill the browser while it writes use `StorageServer` and `Chromium`, too.
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

import psutil

from supervisor.demo.offline_bot import find_chromium

if TYPE_CHECKING:
    from types import TracebackType

_START_TIMEOUT = 30.0  # seconds until a page has read the existing records
_WRITE_TIMEOUT = 600.0  # seconds; 60,000 records take about 8 on a laptop's disk
_END_TIMEOUT = 20.0  # seconds until a browser has exited after the signal
_FLAGS = (
    "--headless",
    "--no-sandbox",  # so that it also starts as root, as in a container
    "--disable-gpu",
    "--no-first-run",
    "--disable-breakpad",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# Record n goes to slot n modulo `ring`, in one transaction with the number of the last record. So the database is
# complete if and only if every slot holds the newest record that belongs there.
_PAGE = """<!doctype html><title>storage</title><script>
const query = new URLSearchParams(location.search);
const [records, size, ring, batch] = ['records', 'size', 'ring', 'batch'].map(name => Number(query.get(name)));
const report = message => fetch('/report', {method: 'POST', body: JSON.stringify(message)});
const result = request => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});
const committed = transaction => new Promise((resolve, reject) => {
  transaction.oncomplete = resolve;
  transaction.onabort = () => reject(transaction.error);
});
function open() {
  const request = indexedDB.open('records', 1);
  request.onupgradeneeded = () => ['records', 'meta'].forEach(name => request.result.createObjectStore(name));
  return result(request);
}
function text(length) {
  let made = '';
  while (made.length < length) made += Math.random().toString(36).slice(2);
  return made.slice(0, length);
}
async function read(database) {
  const transaction = database.transaction(['records', 'meta']);
  const last = await result(transaction.objectStore('meta').get('last')) || 0;
  const keys = await result(transaction.objectStore('records').getAllKeys());
  const values = await result(transaction.objectStore('records').getAll());
  const stale = values.filter((value, i) => value.number !== keys[i] + ring * Math.floor((last - keys[i]) / ring));
  return {read: last, whole: keys.length === Math.min(last, ring) && stale.length === 0,
          local: Number(localStorage.getItem('last'))};
}
async function write(database, first, end) {
  const reports = [];
  for (let number = first; number < end;) {
    const transaction = database.transaction(['records', 'meta'], 'readwrite', {durability: 'relaxed'});
    for (let i = 0; i < batch && number < end; i++, number++)
      transaction.objectStore('records').put({number, text: text(size)}, number % ring);
    transaction.objectStore('meta').put(number - 1, 'last');
    await committed(transaction);
    localStorage.setItem('last', number - 1);
    reports.push(report({committed: number - 1}));
  }
  await Promise.all(reports);  // one that came after the last would be taken for the next page's
}
(async () => {
  try {
    const database = await open();
    const found = await read(database);
    await report(found);
    await write(database, found.read + 1, found.read + records + 1);
    await report({done: true});
  } catch (error) {
    report({error: String(error)});
  }
})();
</script>
"""


class StorageServer:
    """Serves the page on loopback, always from one origin, and collects its reports. Use it in a `with`."""

    def __init__(self) -> None:
        self.reports: queue.Queue[dict[str, Any]] = queue.Queue()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.reports = self.reports
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, *, records: int = 0, size: int = 2000, ring: int = 10**9, batch: int = 100) -> str:
        """The page that reads everything back, then writes `records` more of `size` bytes, `batch` to a transaction.

        Record n replaces record n - `ring`. It reports ``read``, ``whole`` and ``local`` first, then ``committed``
        after each transaction (the number of its last record), then ``done``.
        """
        query = urlencode({"records": records, "size": size, "ring": ring, "batch": batch})
        return f"http://127.0.0.1:{self._server.server_address[1]}/?{query}"

    def wait_for(self, key: str, timeout: float) -> dict[str, Any]:
        """The next report that has `key`; `TimeoutError` after `timeout` seconds, `RuntimeError` if the page failed."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                report = self.reports.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"the page did not report {key!r} within {timeout:g} s") from None
            if "error" in report:
                raise RuntimeError(f"the page failed: {report['error']}")
            if key in report:
                return report


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    reports: queue.Queue[dict[str, Any]]

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: a browser that is killed breaks its connections."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        page = _PAGE.encode() if self.path.startswith("/?") else b""
        self.send_response(200 if page else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def do_POST(self) -> None:
        self.server.reports.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class names it so
        """Print nothing."""


class Chromium:
    """A headless Chromium on a profile, showing one page. As a `with`, it is killed at the end if it still runs."""

    def __init__(self, profile: Path, url: str) -> None:
        """Start it. Its files outside the profile go into a folder that is removed with it."""
        self._outside = tempfile.TemporaryDirectory(prefix="chromium-")
        names = ("TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
        self._process = psutil.Popen(
            [str(find_chromium()), *_FLAGS, f"--user-data-dir={profile}", url],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | dict.fromkeys(names, self._outside.name),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._outside.cleanup()

    def close(self) -> None:
        """End it cleanly: on SIGINT (not SIGTERM) Chromium writes all buffered data to disk."""
        family = self._family()
        if self._process.is_running():
            self._process.send_signal(signal.SIGINT)
        self._process.wait(_END_TIMEOUT)
        _wait_until_dead(family)

    def kill(self) -> None:
        """Kill all of its processes with SIGKILL, and return when none can write any more."""
        family = self._family()
        for process in (self._process, *family):
            if process.is_running():
                process.kill()
        self._process.wait(_END_TIMEOUT)
        _wait_until_dead(family)

    def _family(self) -> list[psutil.Process]:
        try:
            return self._process.children(recursive=True)
        except psutil.NoSuchProcess:
            return []


def _wait_until_dead(processes: list[psutil.Process]) -> None:
    """Wait until each is gone or a zombie: another process reaps the orphans, which may take seconds."""
    deadline = time.monotonic() + _END_TIMEOUT
    while any(map(_alive, processes)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"still alive {_END_TIMEOUT:g} s after the end: {processes}")
        time.sleep(0.002)  # between two tries


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def generate(profile: Path, *, records: int, size: int = 2000) -> None:
    """Write `records` records of `size` bytes into a database of their own; creates the profile if it is missing."""
    with StorageServer() as server, Chromium(profile, server.url(records=records, size=size)) as browser:
        server.wait_for("read", _START_TIMEOUT)
        server.wait_for("done", _WRITE_TIMEOUT)
        browser.close()


def main(arguments: list[str]) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile_generator", description=__doc__.split("\n")[0])
    parser.add_argument("profile", type=Path, metavar="DIR", help="the profile folder, created if it is missing")
    parser.add_argument("--records", type=int, default=60_000)
    parser.add_argument("--size", type=int, default=2000, help="bytes of each record (default: %(default)s)")
    options = parser.parse_args(arguments)
    generate(options.profile, records=options.records, size=options.size)
    sizes = [path.stat().st_size for path in options.profile.rglob("*.leveldb/*")]
    print(f"{options.profile}: {sum(sizes) / 1e6:.0f} MB of IndexedDB in {len(sizes)} files")


if __name__ == "__main__":
    main(sys.argv[1:])
