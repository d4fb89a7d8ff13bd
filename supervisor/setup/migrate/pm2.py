"""pm2's ecosystem file.

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

from supervisor.setup.migrate.bot_command import ScriptError, is_script, local, run_script, run_with
from supervisor.setup.migrate.settings_reader import (
    AS_IN_GITIGNORE,
    SettingsReader,
    duration,
    milliseconds,
    read_json,
    strings,
)

#: The names under which pm2 looks for the file, and others that are usual.
NAMES = (
    "ecosystem.config.js", "ecosystem.config.cjs", "ecosystem.config.mjs", "ecosystem.config.json", "ecosystem.json",
    "pm2.config.js", "pm2.config.cjs", "pm2.json", "process.json",
)  # fmt: skip

#: Further names under which pm2 looks.
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

_ONE_BOT = "a bot has one session: it never runs several times at once"
_READY = "there is no process.send('ready') here; send READY=1 to NOTIFY_SOCKET, or set ready.output"
_LOGS = "scanonce run keeps the bot's output: see scanonce logs, and [log]"
_USER = "run scanonce as that user"
_FOLDER = "a project is identified by its folder"

_NO_COUNTERPART: Mapping[str, str] = {
    **dict.fromkeys(("exec_mode", "instances", "increment_var"), _ONE_BOT),
    "wait_ready": _READY,
    "listen_timeout": "it belongs to wait_ready; ready.timeout is how long a bot may take until it is ready",
    "shutdown_with_message": "the bot is stopped by a signal (stop.signal)",
    "autorestart": "list the exit codes after which the bot is not to be restarted in restart.no_restart_codes",
    **dict.fromkeys(("out_file", "error_file", "log_file", "output", "error", "log", "log_date_format"), _LOGS),
    **dict.fromkeys(("time", "merge_logs", "combine_logs", "log_type"), _LOGS),
    **dict.fromkeys(("user", "uid", "gid"), _USER),
    "treekill": "everything that the bot has started is always ended with it",
    "namespace": _FOLDER,
    "force": "there is always one supervisor per project",
    "watch_options": "how files are watched is detected; [watch] has the options",
}

#: Values that are always true of scanonce, and need no mention.
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
    """The contents of an ecosystem file. Raises `EvaluationError`."""
    if file.suffix == ".json":
        try:
            return read_json(file)
        except (OSError, ValueError) as error:
            raise EvaluationError(f"it cannot be read: {error}") from None
    with tempfile.TemporaryDirectory(prefix="scanonce-") as folder:
        answer = Path(folder, "answer")
        try:
            done = subprocess.run(
                ["node", "--input-type=commonjs", "-e", _EVALUATE, "--", str(file), str(answer)],
                cwd=file.parent,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # the program may print anything
                stderr=subprocess.PIPE,
                timeout=EVALUATION_LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise EvaluationError(f"node took more than {EVALUATION_LIMIT:g} s to run it") from None
        except OSError as error:
            raise EvaluationError(f"it is a program, and there is no node to run it ({error.strerror})") from None
        if done.returncode == 0:
            try:
                return json.loads(answer.read_text("utf-8"))
            except (OSError, ValueError, RecursionError):
                raise EvaluationError("node gave no answer that can be parsed") from None
    said = done.stderr.decode(errors="replace").strip().splitlines()
    raise EvaluationError(f"node ended with status {done.returncode}{f': {said[-1]}' if said else ''}")


def apps(found: Any) -> list[dict[str, Any]]:
    """The applications of an ecosystem file, in any of the shapes that pm2 accepts."""
    if isinstance(found, dict) and "apps" in found:
        found = found["apps"]
    candidates = found if isinstance(found, list) else [found]
    return [app for app in candidates if isinstance(app, dict) and ("script" in app or "name" in app)]


@dataclass(slots=True)
class Pm2Reader(SettingsReader):
    """One application of an ecosystem file."""

    def take_settings(self) -> None:
        """Take over every attribute."""
        self._cwd()
        self._command()
        for name, value in self.data.items():
            handler = _HANDLERS.get(name)
            if handler is not None:
                handler(self, name, value)
            elif name in _NO_COUNTERPART:
                if not (value is None or value is False or (name, value) in _AS_ANYWAY):
                    self.leave(name, _NO_COUNTERPART[name])
            elif name.startswith("env_"):
                self.leave(name, f"put variables of one environment into a file: scanonce run --config {name[4:]}.toml")
            elif name not in _OF_COMMAND:
                self.leave(name, "it has no counterpart")

    def _command(self) -> None:
        script = self.data.get("script")
        if not isinstance(script, str) or not script.strip():
            return
        interpreter = self.data.get("interpreter") or self.data.get("exec_interpreter")
        flags = _words(self.data.get("node_args") or self.data.get("interpreter_args") or [])
        arguments = _words(self.data.get("args", []))
        try:
            command = self._run(script, arguments, interpreter if isinstance(interpreter, str) else None, flags)
        except ScriptError as error:
            self.leave("script", str(error))
            return
        names = ", ".join(name for name in _OF_COMMAND if name in self.data and name != "cwd")
        self.take(names, " ".join(command), "bot.command", local(command, self.project, self.folder))

    def _run(self, script: str, arguments: list[str], interpreter: str | None, flags: list[str]) -> list[str]:
        if interpreter and interpreter != "none":
            return [interpreter, *flags, script, *arguments]
        if interpreter or (not is_script(script) and not (self.project / self.folder / script).is_file()):
            return [*run_with(script, []), *arguments]  # "npm", or a whole command line
        command = run_script([script, *arguments], self.project / self.folder)
        return [command[0], *flags, *command[1:]]

    def _cwd(self) -> None:
        value = self.data.get("cwd")
        if not isinstance(value, str) or not value:
            return
        below = Path(value)
        if below.is_absolute() and below.is_relative_to(self.project):
            below = below.relative_to(self.project)
        folder = posixpath.normpath(below.as_posix())
        if folder != ".":
            self.folder = folder
            self.take("cwd", value, "bot.cwd", folder)

    def _watch(self, name: str, value: Any) -> None:
        paths = strings(value)
        if isinstance(value, bool):
            self.leave(name, "scanonce dev watches, scanonce run does not")
        elif paths and all(paths):
            self.take(name, value, "watch.paths", [posixpath.normpath(self.path(path)) for path in paths])
        else:
            self.reject(name, "paths", value)

    def _ignore(self, name: str, value: Any) -> None:
        patterns = [pattern for pattern in strings(value) or [] if pattern]
        if patterns:
            self.take(name, value, "watch.ignore", patterns, AS_IN_GITIGNORE)
        else:
            self.reject(name, "patterns", value)

    def _grace(self, name: str, value: Any) -> None:
        ms = milliseconds(value)
        if ms is None:
            self.reject(name, "milliseconds", value)
            return
        # An ordinary bot never exits by itself: in development every restart would take that long.
        self.draft.run_flags.append(f"--grace {duration(ms)}")
        self.leave(name, f"in this file it would also apply in development: scanonce run --grace {duration(ms)}")

    def _duration(self, name: str, value: Any, key: str) -> None:
        self.take_milliseconds(name, value, key, "in milliseconds there")

    def _limit(self, name: str, value: Any) -> None:
        if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            self.take(name, value, "restart.limit", value, "within restart.window")
        else:
            self.reject(name, "a number of at least 1", value)

    def _uptime(self, name: str, value: Any) -> None:
        if isinstance(value, str) and re.fullmatch(r"\d+\s*(s|m|h)", value):
            self.take(name, value, "restart.reset_after", value.replace(" ", ""))
        else:
            self._duration(name, value, "restart.reset_after")

    def _memory(self, name: str, value: Any) -> None:
        match = _SIZE.fullmatch(str(value).strip())
        if match is None or isinstance(value, bool):
            self.reject(name, 'a size such as "300M"', value)
            return
        size = f"{match[1]}{match[2].upper()}{'iB' if match[2] else 'B'}"
        self.take(name, value, "health.max_memory", size, "for bot and browsers together here, for the bot alone there")

    def _schedule(self, name: str, value: Any) -> None:
        self.take(name, value, "restart.schedule", value)

    def _codes(self, name: str, value: Any) -> None:
        codes = value if isinstance(value, list) else [value]
        if codes and all(isinstance(code, int) and not isinstance(code, bool) for code in codes):
            self.take(name, value, "restart.no_restart_codes", codes)
        else:
            self.reject(name, "exit codes", value)


def _words(value: Any) -> list[str]:
    return value.split() if isinstance(value, str) else strings(value) or []


_OF_COMMAND = ("script", "args", "interpreter", "exec_interpreter", "node_args", "interpreter_args", "cwd")
_HANDLERS: Mapping[str, Callable[[Pm2Reader, str, Any], None]] = {
    "name": lambda app, name, _value: app.leave(name, _FOLDER),
    "env": Pm2Reader.take_environment,
    "watch": Pm2Reader._watch,
    "ignore_watch": Pm2Reader._ignore,
    "watch_delay": lambda app, name, value: app._duration(name, value, "watch.quiet"),
    "kill_timeout": Pm2Reader._grace,
    "restart_delay": lambda app, name, value: app._duration(name, value, "restart.backoff_initial"),
    "exp_backoff_restart_delay": lambda app, name, value: app._duration(name, value, "restart.backoff_initial"),
    "max_restarts": Pm2Reader._limit,
    "min_uptime": Pm2Reader._uptime,
    "max_memory_restart": Pm2Reader._memory,
    "cron_restart": Pm2Reader._schedule,
    "cron": Pm2Reader._schedule,
    "stop_exit_codes": Pm2Reader._codes,
}
