"""A fake bot. Its arguments script it; without any it runs until SIGTERM or SIGINT.

    browser=DIR[,WORD,...]  open a browser on the profile DIR, and wait until it is up or has failed, as puppeteer does;
                            the words as in browser.py; may be repeated
    launch=DIR[,WORD,...]   the same without waiting for it
    relaunch[=SECONDS]      open a browser again as soon as it is gone, as some frameworks do, or that much later
    falls=CODE              exit with this status as soon as a browser is gone, as node does that has nothing left to do
    relaunch-on-term        ignore SIGTERM, and open the browsers again on it
    closes-browsers         on SIGTERM close the browsers (SIGINT), wait for them, and exit: a bot-first bot
    deaf-term               ignore SIGTERM
    asks-on-term=PORT       on SIGTERM ask somebody on this TCP port, wait until he hangs up, and exit
    connect=PORT            connect to this TCP port, and stay connected
    hang                    stop itself once it has started (SIGSTOP)
    hold=BYTES              hold so much memory
    pings=NUMBER            send WATCHDOG=1 so many times, at half the time that WATCHDOG_USEC grants, before it goes on
    tell=TEXT               send a line to NOTIFY_SOCKET
    child-tells=TEXT        start a process that sends a line to NOTIFY_SOCKET, and then does nothing
    children=N              start N processes that do nothing
    orphans=N               start N such processes that fork away: a session of their own, the parent gone
    other-user              start a process that does nothing and has changed its user
    hop=SECONDS             fork away, and for that long go on by forking and exiting; then do nothing
    escape                  fork away altogether: the leader exits, the bot goes on as an orphan
    bomb=SECONDS            fork without pause for that long, every child as well
    after=SECONDS           wait before what follows
    until=FILE              wait until FILE is there before what follows
    exit=CODE               exit by itself
    exit-killing=CODE       the same, killing the browsers at the last moment, as puppeteer does
    close=DIR               close the browser on the profile DIR in good order, and wait until it is gone
    opens=DIR               open a browser on each profile `session-...` in DIR
    obeys=FILE              carry out the words that are added to FILE, one a line; each is noted as `obeyed`
    remove=DIR, empty=DIR   remove a profile, or what it holds
    crash-browsers=NUMBER   have each browser die of a signal
    die=NUMBER              die of a signal
    write=TEXT              write a line to its standard output
    fill=BYTES              write so many bytes with no newline to its standard output
    raw=HEX                 write these bytes to its standard output
    flood=SECONDS[,STREAM[,RATE]]  write lines, 64 KiB at once, 200 (RATE) megabytes a second, to its standard output
                            (1) or error (2); notes the longest write in milliseconds, and how many megabytes it wrote
    err=TEXT                write a line to its standard error
    notify                  send READY=1 to NOTIFY_SOCKET
    echo                    answer each line of its standard input with `got LINE`, and its end with `eof`
    report-env              note the variables that the supervisor sets
    report-size             note the size of its terminal, again at every SIGWINCH
    when=FILE:WORD:...      carry the rest out only while FILE exists

Everything is noted in the journal. A start beside another living bot is noted as `overlap`.
"""

# pathlib takes longer to import than all the rest:
# ruff: noqa: PTH102, PTH110, PTH112, PTH118, PTH120, PTH123, PTH202, PTH208

from __future__ import annotations

import os
import select
import signal
import time
from typing import NoReturn

from tests.helpers import journal

CHUNK = b"x" * 65536
LINES = (b"x" * 127 + b"\n") * 512


class Bot:
    """One bot and its browsers."""

    def __init__(self) -> None:
        self.browsers: dict[int, tuple[str, str]] = {}
        self.relaunch: float | None = None
        self.falls: int | None = None
        self.port = 0
        self.on_term = "exit"
        self.echo = False
        self.orders: str | None = None
        self.obeyed = 0
        self.report_size = False
        self.wake, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGWINCH):
            signal.signal(number, lambda *_: None)

    def do(self, word: str) -> None:
        """Carry out one word of the script."""
        name, _, value = word.partition("=")
        getattr(self, "do_" + name.replace("-", "_"))(value)

    def do_browser(self, value: str) -> None:
        profile, _, words = value.partition(",")
        self.browsers[open_browser(profile, words)] = (profile, words)

    def do_launch(self, value: str) -> None:
        profile, _, words = value.partition(",")
        self.browsers[launch_browser(profile, words)] = (profile, words)

    def do_relaunch(self, value: str) -> None:
        self.relaunch = float(value or 0)

    def do_falls(self, value: str) -> None:
        self.falls = int(value)

    def do_crash_browsers(self, value: str) -> None:
        for pid in self.browsers:
            os.kill(pid, int(value))

    def do_opens(self, value: str) -> None:
        for name in sorted(os.listdir(value) if os.path.isdir(value) else ()):
            if name.startswith("session-"):
                self.do_browser(f"{value}/{name},devtools")

    def do_obeys(self, value: str) -> None:
        self.orders, self.obeyed = value, os.path.getsize(value)
        journal.note("bot", "obeying")

    def obey(self) -> None:
        assert self.orders is not None
        with open(self.orders) as file:
            file.seek(self.obeyed)
            given = file.read()
        given = given[: given.rfind("\n") + 1]
        self.obeyed += len(given)
        for word in given.splitlines():
            self.do(word)
            journal.note("bot", "obeyed", word)

    def do_close(self, value: str) -> None:
        for pid in [pid for pid, (profile, _) in self.browsers.items() if profile == value]:
            del self.browsers[pid]
            os.kill(pid, signal.SIGINT)
            os.waitpid(pid, 0)

    def do_remove(self, value: str) -> None:
        import shutil

        shutil.rmtree(value)
        journal.note("bot", "removed", value)

    def do_empty(self, value: str) -> None:
        self.do_remove(value)
        os.mkdir(value)

    def do_relaunch_on_term(self, _: str) -> None:
        self.on_term = "relaunch"

    def do_closes_browsers(self, _: str) -> None:
        self.on_term = "close"

    def do_deaf_term(self, _: str) -> None:
        self.on_term = "ignore"

    def do_asks_on_term(self, value: str) -> None:
        self.on_term = "ask"
        self.port = int(value)

    def do_connect(self, value: str) -> None:
        import socket

        self.connected = socket.create_connection(("127.0.0.1", int(value)))

    def do_hang(self, _: str) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    def do_children(self, value: str) -> None:
        for _ in range(int(value)):
            idle()

    def do_orphans(self, value: str) -> None:
        if os.fork() == 0:
            os.setsid()
            for _ in range(int(value)):
                idle()
            os._exit(0)
        os.wait()

    def do_other_user(self, _: str) -> None:
        there, here = os.pipe()
        pid = os.fork()
        if pid == 0:
            if os.geteuid() == 0:
                os.setuid(65534)
            idle(here=True)
        os.close(here)
        os.read(there, 1)  # closed by the exec: whoever reads the note finds a process that has changed its user
        os.close(there)
        journal.note("bot", "other-user", str(pid))

    def do_hop(self, value: str) -> None:
        end = time.monotonic() + float(value)
        if os.fork() == 0:
            while time.monotonic() < end:
                if os.fork() != 0:
                    os._exit(0)
                time.sleep(0.001)
            idle(here=True)
        self.reap()

    def do_escape(self, _: str) -> None:
        if os.fork() != 0:
            journal.note("bot", "escaped")
            os._exit(0)
        os.setsid()
        journal.note("bot", "start")

    def do_bomb(self, value: str) -> None:
        # Every process forks on until the time is over; none of them waits for its children.
        end = time.monotonic() + float(value)
        while time.monotonic() < end:
            os.fork()
            time.sleep(0.05)
        signal.pause()

    def do_after(self, value: str) -> None:
        time.sleep(float(value))

    def do_until(self, value: str) -> None:
        while not os.path.exists(value):
            time.sleep(0.01)

    def do_exit(self, value: str) -> None:
        journal.note("bot", "exit", value)
        os._exit(int(value))

    def do_exit_killing(self, value: str) -> None:
        self.do_crash_browsers(str(int(signal.SIGKILL)))
        for pid in self.browsers:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # it is gone before the bot is, and nobody has reaped it
        self.do_exit(value)

    def do_die(self, value: str) -> None:
        number = int(value)
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def do_write(self, value: str) -> None:
        put(1, value.encode() + b"\n")

    def do_err(self, value: str) -> None:
        put(2, value.encode() + b"\n")

    def do_raw(self, value: str) -> None:
        put(1, bytes.fromhex(value))

    def do_fill(self, value: str) -> None:
        left = int(value)
        while left:
            left -= os.write(1, CHUNK[: min(left, len(CHUNK))])

    def do_hold(self, value: str) -> None:
        self.held = b"x" * int(value)

    def do_pings(self, value: str) -> None:
        for _ in range(int(value)):
            self.do_tell("WATCHDOG=1")
            time.sleep(int(os.environ["WATCHDOG_USEC"]) / 2e6)

    def do_flood(self, value: str) -> None:
        seconds, stream, rate = (value.split(",") + ["1", "200"][value.count(",") :])[:3]
        start, longest, written = time.monotonic(), 0.0, 0
        while (began := time.monotonic()) < start + float(seconds):
            written += os.write(int(stream), LINES)
            longest = max(longest, time.monotonic() - began)
            time.sleep(max(0.0, start + written / (float(rate) * 1e6) - time.monotonic()))
        journal.note("bot", "flooded", f"{longest * 1000:.1f} {written / 1e6:.1f}")

    def do_notify(self, _: str) -> None:
        self.do_tell("READY=1")

    def do_tell(self, value: str) -> None:
        import socket

        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(value.encode(), os.environ["NOTIFY_SOCKET"])

    def do_child_tells(self, value: str) -> None:
        if os.fork() == 0:
            self.do_tell(value)
            journal.note("bot", "child-told", value)
            idle(here=True)

    def do_echo(self, _: str) -> None:
        self.echo = True

    def do_report_env(self, _: str) -> None:
        for name, value in os.environ.items():
            if name.startswith(("SCANONCE", "NOTIFY_", "WATCHDOG_")):
                journal.note("bot", f"{name}={value}")
        if (changes := os.environ.get("SCANONCE_CHANGES")) is not None:
            with open(changes, encoding="utf-8", errors="backslashreplace") as file:  # names need not be UTF-8
                journal.note("bot", "changes", " ".join(map(os.path.basename, file.read().split())))

    def do_report_size(self, _: str) -> None:
        self.report_size = True
        self.note_size()

    def note_size(self) -> None:
        size = os.get_terminal_size(1)
        journal.note("bot", "size", f"{size.columns}x{size.lines}")

    def run(self) -> NoReturn:
        """Wait for signals and input, until told to exit."""
        journal.note("bot", "up")
        while True:
            patience = None if self.orders is None else 0.02
            ready, _, _ = select.select([self.wake, 0] if self.echo else [self.wake], [], [], patience)
            if self.orders is not None:
                self.obey()
            if 0 in ready:
                self.answer()
            if self.wake in ready:
                for number in os.read(self.wake, 64):
                    self.react(number)

    def answer(self) -> None:
        line = os.read(0, 65536)
        if not line:
            self.echo = False
            put(1, b"eof\n")
        for part in line.splitlines():
            put(1, b"got " + part + b"\n")

    def react(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self.reap()
        elif number == signal.SIGWINCH and self.report_size:
            self.note_size()
        elif number == signal.SIGTERM:
            journal.note("bot", "term")
            self.react_to_term()
        elif number == signal.SIGINT:
            journal.note("bot", "int")
            os._exit(0)

    def react_to_term(self) -> None:
        if self.on_term == "close":
            for pid in self.browsers:
                os.kill(pid, signal.SIGINT)
            for pid in self.browsers:
                os.waitpid(pid, 0)
        if self.on_term == "ask":
            import socket

            with socket.create_connection(("127.0.0.1", self.port)) as asked:
                asked.recv(1)
        if self.on_term in ("exit", "close", "ask"):
            journal.note("bot", "stop")
            os._exit(0)
        if self.on_term == "relaunch":
            self.reap()
            gone, self.browsers = self.browsers, {}
            for profile, words in gone.values():
                self.browsers[launch_browser(profile, words)] = (profile, words)

    def reap(self) -> None:
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self.browsers and self.on_term != "relaunch":
                profile, words = self.browsers.pop(pid)
                journal.note("bot", "lost", profile)
                if self.falls is not None:
                    self.do_exit(str(self.falls))
                if self.relaunch is not None:
                    time.sleep(self.relaunch)
                    self.browsers[launch_browser(profile, words)] = (profile, words)


def open_browser(profile: str, words: str) -> int:
    """Start a fake browser, and wait until it is up, or has ended; returns its pid."""
    pid = launch_browser(profile, words)
    while journal.lives(pid) and not journal.has_started("browser", pid):
        time.sleep(0.005)
    return pid


def launch_browser(profile: str, words: str) -> int:
    """Start a fake browser detached, as puppeteer does it; returns its pid."""
    program, script = os.environ["FAKE_CHROMIUM"], os.path.join(os.path.dirname(__file__), "run.py")
    given = dict(word.partition("=")[::2] for word in words.split(","))
    switches = ["--incognito"] * ("incognito" in given) + ["--remote-debugging-pipe"] * ("pipe" in given)
    switches += [f"--remote-debugging-port={given['port']}"] if "port" in given else []
    argv = [program, "-I", "-S", script, "browser", f"--user-data-dir={profile}", f"--fake={words}", *switches]
    # Python would make an exception of an early SIGINT, and swallow it at times: the browser lets it in when ready.
    return os.posix_spawn(program, argv, os.environ, setsid=True, setsigmask=[signal.SIGINT])


def idle(*, here: bool = False) -> None:
    """A process that does nothing, for ten minutes at most; `here` this one becomes it."""
    if here:
        os.execv("/bin/sleep", ["fake-idle", "600"])
    os.posix_spawn("/bin/sleep", ["fake-idle", "600"], os.environ)


def put(fd: int, data: bytes) -> None:
    """Write all of it."""
    while data:
        data = data[os.write(fd, data) :]


def main(words: list[str]) -> int:
    """Carry out the script, then run until told to exit."""
    for pid in journal.others("bot"):
        journal.note("bot", "overlap", str(pid))
    bot = Bot()
    journal.note("bot", "start")  # whoever has read this may send a signal
    for word in words:
        if word.startswith("when="):
            path, *inner = word.removeprefix("when=").split(":")
            if os.path.exists(path):
                for one in inner:
                    bot.do(one)
        else:
            bot.do(word)
    return bot.run()
