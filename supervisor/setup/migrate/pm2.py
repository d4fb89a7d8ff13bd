"""pm2's ecosystem file as ours.

Source: pm2's documentation, "Configuration File" and its list of attributes. A `.js` file is a program: node runs it to
find out what it exports, as pm2 does.
"""

from __future__ import annotations

import json
import posixpath
import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.setup.migrate.command import ScriptError, is_script, local, run_script, run_with
from supervisor.setup.migrate.draft import (
    HOLDS_FOR_BOTH,
    Draft,
    duration,
    environment,
    milliseconds,
    shown,
    strings,
)

#: Where pm2 looks, and what its users call the file.
NAMES = (
    "ecosystem.config.js", "ecosystem.config.cjs", "ecosystem.config.mjs", "ecosystem.config.json", "ecosystem.json",
    "pm2.config.js", "pm2.config.cjs", "pm2.json", "process.json",
)  # fmt: skip

#: Where pm2 looks as well.
UNREAD = ("ecosystem.config.yml", "ecosystem.config.yaml", "ecosystem.yml", "ecosystem.yaml", "process.yml")

#: Seconds that node may take for a configuration file.
EVALUATION_LIMIT = 10.0

_EVALUATE = """
const { writeFileSync } = require('node:fs');
const { pathToFileURL } = require('node:url');
const [file, answer] = process.argv.slice(1);
import(pathToFileURL(file).href).then((loaded) => {
    writeFileSync(answer, JSON.stringify(loaded.default ?? loaded) ?? 'null');
    process.exit(0);
}, (error) => { console.error(String(error && error.message || error).split('\\n')[0]); process.exit(1); });
"""

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMG]?)B?", re.IGNORECASE)

_LOGS = "scanonce run keeps the bot's output by itself: see scanonce logs, and [log]"

_NO_COUNTERPART: Mapping[str, str] = {
    "exec_mode": "one bot holds one session: it is never run several times at once",
    "instances": "one bot holds one session: it is never run several times at once",
    "increment_var": "one bot holds one session: it is never run several times at once",
    "wait_ready": "process.send('ready') has no reader here; say READY=1 on NOTIFY_SOCKET, or set ready.output",
    "listen_timeout": "it belongs to wait_ready; ready.timeout is how long a bot may take until it is ready",
    "shutdown_with_message": "the bot is asked by a signal (stop.signal)",
    "autorestart": "a bot that is to end with certain codes has them in restart.no_restart_codes",
    "out_file": _LOGS,
    "error_file": _LOGS,
    "log_file": _LOGS,
    "output": _LOGS,
    "error": _LOGS,
    "log": _LOGS,
    "log_date_format": _LOGS,
    "time": _LOGS,
    "merge_logs": _LOGS,
    "combine_logs": _LOGS,
    "log_type": _LOGS,
    "user": "run scanonce as that user",
    "uid": "run scanonce as that user",
    "gid": "run scanonce as that user",
    "treekill": "whatever the bot has started is always ended with it",
    "namespace": "a project is known by its folder",
    "force": "one supervisor a project, always",
    "watch_options": "how files are watched is found out; [watch] has what can be set",
}


#: What is so in any case, and needs no word.
_AS_ANYWAY = (
    ("exec_mode", "fork"),
    ("exec_mode", "fork_mode"),
    ("instances", 1),
    ("autorestart", True),
    ("treekill", True),
)


class EvaluationError(Exception):
    """The configuration file could not be read; the message says why."""


def read(file: Path) -> Any:
    """What an ecosystem file holds. Raises `EvaluationError`."""
    if file.suffix == ".json":
        try:
            return json.loads(file.read_text("utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            raise EvaluationError(f"it cannot be read: {error}") from None
    with tempfile.TemporaryDirectory(prefix="scanonce-") as folder:
        answer = Path(folder, "answer")
        try:
            done = subprocess.run(
                ["node", "--input-type=commonjs", "-e", _EVALUATE, "--", str(file), str(answer)],
                cwd=file.parent,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # what it prints is not for us
                stderr=subprocess.PIPE,
                timeout=EVALUATION_LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise EvaluationError(f"node took more than {EVALUATION_LIMIT:g} s over it") from None
        except OSError as error:
            raise EvaluationError(f"it is a program, and there is no node to run it ({error.strerror})") from None
        if done.returncode == 0:
            try:
                return json.loads(answer.read_text("utf-8"))
            except (OSError, ValueError, RecursionError):
                raise EvaluationError("node gave no answer that can be understood") from None
    said = done.stderr.decode(errors="replace").strip().splitlines()
    raise EvaluationError(f"node ended with status {done.returncode}{f': {said[-1]}' if said else ''}")


def apps(found: Any) -> list[dict[str, Any]]:
    """The applications of an ecosystem file, in any of the shapes that pm2 takes."""
    if isinstance(found, dict) and "apps" in found:
        found = found["apps"]
    candidates = found if isinstance(found, list) else [found]
    return [app for app in candidates if isinstance(app, dict) and ("script" in app or "name" in app)]


@dataclass(slots=True)
class Pm2App:
    """One application, found in `source`."""

    source: str
    data: Mapping[str, Any]
    project: Path
    draft: Draft
    _folder: str = ""

    def take(self) -> None:
        """Take over every attribute."""
        self._cwd()
        self._command()
        for name, value in self.data.items():
            how = _TAKES.get(name)
            if how is not None:
                how(self, name, value)
            elif name in _NO_COUNTERPART:
                if not (value is None or value is False or (name, value) in _AS_ANYWAY):
                    self._leave(name, _NO_COUNTERPART[name])
            elif name.startswith("env_"):
                self._leave(
                    name, f"those of one environment; put them into a file for scanonce run --config {name[4:]}.toml"
                )
            elif name not in _OF_COMMAND:
                self._leave(name, "it has no counterpart")

    def _command(self) -> None:
        script = self.data.get("script")
        if not isinstance(script, str) or not script.strip():
            return
        given = self.data.get("args", [])
        arguments = given.split() if isinstance(given, str) else strings(given) or []
        interpreter = self.data.get("interpreter") or self.data.get("exec_interpreter")
        flags = self.data.get("node_args") or self.data.get("interpreter_args") or []
        words = flags.split() if isinstance(flags, str) else strings(flags) or []
        try:
            command = self._run(script, arguments, interpreter if isinstance(interpreter, str) else None, words)
        except ScriptError as error:
            self._leave("script", str(error))
            return
        names = ", ".join(name for name in _OF_COMMAND if name in self.data and name not in {"name", "cwd"})
        self._take(names, " ".join(command), "bot.command", local(command, self.project, self._folder))

    def _run(self, script: str, arguments: list[str], interpreter: str | None, words: list[str]) -> list[str]:
        if interpreter == "none":
            return [*run_with(script, []), *arguments]
        if interpreter:
            return [interpreter, *words, script, *arguments]
        if not is_script(script) and not (self.project / self._folder / script).is_file():
            return [*run_with(script, []), *arguments]  # "npm", or a whole command line
        command = run_script([script, *arguments], self.project / self._folder)
        return [command[0], *words, *command[1:]]

    def _cwd(self) -> None:
        value = self.data.get("cwd")
        if not isinstance(value, str) or not value:
            return
        below = Path(value)
        if below.is_absolute() and below.is_relative_to(self.project):
            below = below.relative_to(self.project)
        self._folder = posixpath.normpath(below.as_posix())
        if self._folder == ".":
            self._folder = ""
        else:
            self._take("cwd", value, "bot.cwd", self._folder)

    def _take(self, name: str, value: Any, key: str, becomes: Any, note: str = "") -> None:
        self.draft.take(self.source, name, value, key, becomes, note)

    def _leave(self, name: str, why: str) -> None:
        self.draft.leave(self.source, name, why)

    # -- one attribute each --------------------------------------------------------------------------------------------

    def _env(self, name: str, value: Any) -> None:
        found, bad = environment(value)
        if found:
            self._take(name, sorted(found), "bot.env", found, HOLDS_FOR_BOTH)
        for one in bad:
            self._leave(f"{name}.{one}" if one != name else name, "expected a name and a text")

    def _watch(self, name: str, value: Any) -> None:
        paths = strings(value)
        if isinstance(value, bool):
            self._leave(name, "scanonce dev watches, scanonce run does not")
        elif paths and all(paths):
            self._take(
                name, value, "watch.paths", [posixpath.normpath(posixpath.join(self._folder, path)) for path in paths]
            )
        else:
            self._leave(name, f"expected paths (got {shown(value)})")

    def _ignore(self, name: str, value: Any) -> None:
        patterns = [pattern for pattern in strings(value) or [] if pattern]
        if patterns:
            self._take(name, value, "watch.ignore", patterns, "read as in .gitignore, from this folder")
        else:
            self._leave(name, f"expected patterns (got {shown(value)})")

    def _grace(self, name: str, value: Any) -> None:
        ms = milliseconds(value)
        if ms is None:
            self._leave(name, f"expected milliseconds (got {shown(value)})")
            return
        # A stock bot never exits by itself: in development every restart would last that long.
        self.draft.run_flags.append(f"--grace {duration(ms)}")
        self._leave(name, f"in this file it would hold in development as well: scanonce run --grace {duration(ms)}")

    def _duration(self, name: str, value: Any, key: str) -> None:
        ms = milliseconds(value)
        if ms is None:
            self._leave(name, f"expected milliseconds (got {shown(value)})")
        else:
            self._take(name, value, key, duration(ms), "in milliseconds there")

    def _limit(self, name: str, value: Any) -> None:
        if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            self._take(name, value, "restart.limit", value, "within restart.window")
        else:
            self._leave(name, f"expected a number of at least 1 (got {shown(value)})")

    def _uptime(self, name: str, value: Any) -> None:
        if isinstance(value, str) and re.fullmatch(r"\d+\s*(s|m|h)", value):
            self._take(name, value, "restart.reset_after", value.replace(" ", ""))
        else:
            self._duration(name, value, "restart.reset_after")

    def _memory(self, name: str, value: Any) -> None:
        match = _SIZE.fullmatch(str(value).strip())
        if match is None or isinstance(value, bool):
            self._leave(name, f'expected a size such as "300M" (got {shown(value)})')
            return
        size = f"{match[1]}{match[2].upper()}{'iB' if match[2] else 'B'}"
        self._take(name, value, "health.max_memory", size, "of bot and browsers together here, of the bot alone there")

    def _schedule(self, name: str, value: Any) -> None:
        self._take(name, value, "restart.schedule", value)

    def _codes(self, name: str, value: Any) -> None:
        codes = value if isinstance(value, list) else [value]
        if codes and all(isinstance(code, int) and not isinstance(code, bool) for code in codes):
            self._take(name, value, "restart.no_restart_codes", codes)
        else:
            self._leave(name, f"expected exit codes (got {shown(value)})")

    def _name(self, name: str, _value: Any) -> None:
        self._leave(name, "a project is known by its folder")


_OF_COMMAND = ("script", "args", "interpreter", "exec_interpreter", "node_args", "interpreter_args", "cwd")
_TAKES: Mapping[str, Callable[[Pm2App, str, Any], None]] = {
    "name": Pm2App._name,
    "env": Pm2App._env,
    "watch": Pm2App._watch,
    "ignore_watch": Pm2App._ignore,
    "watch_delay": lambda app, name, value: app._duration(name, value, "watch.quiet"),
    "kill_timeout": Pm2App._grace,
    "restart_delay": lambda app, name, value: app._duration(name, value, "restart.backoff_initial"),
    "exp_backoff_restart_delay": lambda app, name, value: app._duration(name, value, "restart.backoff_initial"),
    "max_restarts": Pm2App._limit,
    "min_uptime": Pm2App._uptime,
    "max_memory_restart": Pm2App._memory,
    "cron_restart": Pm2App._schedule,
    "cron": Pm2App._schedule,
    "stop_exit_codes": Pm2App._codes,
}
