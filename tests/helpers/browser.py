"""A fake Chromium: argv, process tree, locks and ways of exiting as the real one's.

Run it by `run.py`, under the name `chromium` (`Bot.open`). `--user-data-dir=DIR` as the real one;
`--fake=WORD,WORD,...` scripts it:

    devtools        offer a DevTools port; the page's socket state stands in DIR/page (CONNECTED when absent; CRASHED:
                    its renderer is gone; BUSY: readings are cut short), the text of its QR code in DIR/qr; in DIR/url
                    the address of a page of another application, which has loaded once DIR/page is CONNECTED
    port=NUMBER     the same on this port, which is on its command line, and without a file; none if another program
                    has the port
    incognito       `--incognito` is on its command line
    pipe            `--remote-debugging-pipe` is on its command line
    page=STATE      have DIR/page say so if it is not there
    deaf-close      never answer Browser.close
    deaf-int, deaf-term   ignore the signal
    bare-children   give the children an empty environment, as sandboxed renderers have
    children=N      start N renderers (2)
    slow=SECONDS    take that long to write everything down
    waits=FILE      write nothing down before FILE is there

SIGINT and Browser.close are clean exits: it writes what it holds to DIR/Default/flushed and removes its locks. On
SIGTERM it exits without either. Its renderers go with it, however it ends.
"""

# pathlib takes longer to import than all the rest:
# ruff: noqa: PTH103, PTH108, PTH110, PTH115, PTH123, PTH211

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from typing import TYPE_CHECKING

from tests.helpers import journal

if TYPE_CHECKING:
    from tests.helpers.devtools import DevToolsPort

COOKIE, LOCK, SOCKET = "SingletonCookie", "SingletonLock", "SingletonSocket"
IN_USE = 21  # chrome::ResultCode, RESULT_CODE_PROFILE_IN_USE


def main(argv: list[str]) -> int:
    """Run until told to exit; returns the exit status."""
    switches = dict(word.partition("=")[::2] for word in argv)
    script = dict(word.partition("=")[::2] for word in switches.get("--fake", "").split(",") if word)
    profile = switches["--user-data-dir"]
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    for number, word in ((signal.SIGINT, "deaf-int"), (signal.SIGTERM, "deaf-term")):
        signal.signal(number, signal.SIG_IGN if word in script else lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    os.makedirs(f"{profile}/Default", exist_ok=True)
    if (holder := lock(profile)) is not None:
        journal.note("browser", "conflict", f"{profile} {holder}")
        return IN_USE
    tether = spawn_children(profile, int(script.get("children", 2)), bare="bare-children" in script)
    journal.note("browser", "start", profile)
    if "page" in script and not os.path.exists(f"{profile}/page"):
        with open(f"{profile}/page", "w") as file:
            file.write(script["page"])
    devtools: DevToolsPort | None = None
    if "devtools" in script or "port" in script:
        from tests.helpers.devtools import DevToolsPort  # its imports cost more than all the rest

        with contextlib.suppress(OSError):  # the port is in use
            devtools = DevToolsPort(profile, deaf="deaf-close" in script, port=int(script.get("port", 0)))
    clean = serve(wake, devtools)
    if clean:
        journal.note("browser", "asked", profile)
        time.sleep(float(script.get("slow", 0)))
        while "waits" in script and not os.path.exists(script["waits"]):
            time.sleep(0.01)
        flush(profile)
        journal.note("browser", "clean", profile)
    else:
        journal.note("browser", "fast", profile)
    os.close(tether)
    return 0


def lock(profile: str) -> int | None:
    """Take the profile's lock as Chromium does; the pid of its living holder if there is one."""
    name = f"{profile}/{LOCK}"
    try:
        os.symlink(f"{os.uname().nodename}-{os.getpid()}", name)
    except FileExistsError:
        holder = int(os.readlink(name).rpartition("-")[2])
        if journal.lives(holder):
            return holder
        for mark in (SOCKET, COOKIE, LOCK):
            if os.path.lexists(f"{profile}/{mark}"):
                os.unlink(f"{profile}/{mark}")
        return lock(profile)
    os.symlink("0123456789", f"{profile}/{COOKIE}")
    os.symlink("/nowhere/SingletonSocket", f"{profile}/{SOCKET}")
    return None


def spawn_children(profile: str, count: int, *, bare: bool) -> int:
    """Start renderers that end when the returned descriptor is closed, as the real ones do with their channel."""
    inner, outer = os.pipe()
    title = f"chromium --type=renderer --user-data-dir={profile}"
    for _ in range(count):
        os.posix_spawn(
            "/bin/cat",
            [title],  # one string: Chromium's children overwrite the separators
            {} if bare else os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, inner, 0)],
        )
    os.close(inner)
    return outer


def serve(wake: int, devtools: DevToolsPort | None) -> bool:
    """Wait for the end; True if it is a clean one."""
    while True:
        sockets = {} if devtools is None else {one.fileno(): one for one in devtools.sockets}
        ready, _, _ = select.select([wake, *sockets], [], [])
        if wake in ready:
            for number in os.read(wake, 64):
                if number in (signal.SIGINT, signal.SIGTERM):
                    return number == signal.SIGINT
        if devtools is not None:
            closing = [devtools.take(sockets[one]) for one in ready if one != wake]
            if any(closing):
                return True


def flush(profile: str) -> None:
    """Write down what is held, and let go of the profile."""
    with open(f"{profile}/Default/flushed", "a") as file:
        file.write(f"{os.getpid()}\n")
    for mark in (SOCKET, COOKIE, LOCK):
        os.unlink(f"{profile}/{mark}")
