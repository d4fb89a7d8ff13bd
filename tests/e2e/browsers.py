"""A real Chromium of the test's own, and pages for it on the loopback."""

from __future__ import annotations

import contextlib
import http.server
import os
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING

from supervisor.browser.devtools import read_endpoint
from supervisor.session.profiles import singleton

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = "/usr/bin/chromium"
START_LIMIT = 60.0


class Chromium:
    """A running headless Chromium on `profile`, in a process group of its own."""

    def __init__(self, profile: Path) -> None:
        self.profile = profile
        self.process = subprocess.Popen(
            [PROGRAM, "--headless", "--no-sandbox", "--remote-debugging-port=0", f"--user-data-dir={profile}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def endpoint(self) -> str:
        """Where it listens, once it does."""
        deadline = time.monotonic() + START_LIMIT
        while self.process.poll() is None and time.monotonic() < deadline:
            if (endpoint := read_endpoint(self.profile)) is not None:
                return endpoint
            time.sleep(0.01)
        raise AssertionError(f"Chromium did not start; exit status {self.process.poll()}")

    def kill(self) -> None:
        """End it, all of its processes and what they leave in the temporary folder."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        singleton.clear(self.profile)


@contextlib.contextmanager
def chromium(profile: Path) -> Iterator[Chromium]:
    """A Chromium that has its DevTools open."""
    browser = Chromium(profile)
    try:
        browser.endpoint()
        yield browser
    finally:
        browser.kill()


@contextlib.contextmanager
def pages() -> Iterator[dict[str, str]]:
    """Serve HTML from a mapping of paths, which may change meanwhile; its key `base` holds the server's URL."""
    documents: dict[str, str] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        # Chromium opens connections ahead of their use. One that stays idle must not keep its thread past the test.
        timeout = 0.2

        def do_GET(self) -> None:
            body = documents.get(self.path.partition("?")[0], "").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    # A server that handled one connection at a time would wait on the idle ones.
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        documents["base"] = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield documents
        finally:
            server.shutdown()
            thread.join()
