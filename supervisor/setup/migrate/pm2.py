"""pm2's ecosystem file.

Source: pm2's documentation, "Configuration File" and its list of attributes. A `.js` file is a program: node runs it to
find out what it exports, as pm2 does.
"""

import json
import posixpath
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from supervisor.setup.migrate.bot_command import ScriptError, is_script, local, run_script, run_with
from supervisor.setup.migrate.settings_reader import (
    AS_IN_GITIGNORE,
    Counterpart,
    SettingsReader,
    duration,
    read_json,
    strings,
)
from supervisor.system.reading import parse_json, read_file, read_text

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
_ALWAYS_SO = {"exec_mode": ("fork", "fork_mode"), "instances": (1,), "autorestart": (True,), "treekill": (True,)}
_OF_COMMAND = ("script", "args", "interpreter", "exec_interpreter", "node_args", "interpreter_args", "cwd")
_MS_NOTE = "in milliseconds there"
_OF_BOTH = "for bot and browsers together here, for the bot alone there"


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
                return parse_json(read_file(answer))
            except (OSError, ValueError):
                raise EvaluationError("node gave no answer that can be parsed") from None
    said = done.stderr.decode(errors="replace").strip().splitlines()
    raise EvaluationError(f"node ended with status {done.returncode}{f': {said[-1]}' if said else ''}")


def apps(found: Any) -> list[dict[str, Any]]:
    """The applications of an ecosystem file, in any of the shapes that pm2 accepts."""
    if isinstance(found, dict) and "apps" in found:
        found = found["apps"]
    candidates = found if isinstance(found, list) else [found]
    return [app for app in candidates if isinstance(app, dict) and ("script" in app or "name" in app)]


def _words(value: Any) -> list[str]:
    return value.split() if isinstance(value, str) else strings(value) or []


def _patterns(value: Any) -> list[str] | None:
    return [pattern for pattern in strings(value) or [] if pattern] or None


def _uptime(value: Any) -> str | None:
    units = isinstance(value, str) and re.fullmatch(r"\d+\s*(s|m|h)", value)
    return value.replace(" ", "") if units else duration(value)


def _limit(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 1 else None


def _memory(value: Any) -> str | None:
    match = None if isinstance(value, bool) else _SIZE.fullmatch(str(value).strip())
    return f"{match[1]}{match[2].upper()}{'iB' if match[2] else 'B'}" if match else None


def _exit_codes(value: Any) -> list[int] | None:
    codes = value if isinstance(value, list) else [value]
    return codes if codes and all(isinstance(code, int) and not isinstance(code, bool) for code in codes) else None


def _is_written(value: Any, text: str) -> bool:
    """Whether a name or value is in the text of the program that gave it, as a word or literal of its own."""
    if isinstance(value, bool) or value is None:
        return True
    escaped = json.dumps(value, ensure_ascii=False)[1:-1] if isinstance(value, str) else str(value)
    return any(re.search(rf"(?<![\w]){re.escape(one)}(?![\w])", text) for one in {str(value), escaped})


@dataclass(slots=True)
class Pm2Reader(SettingsReader):
    """One application of an ecosystem file."""

    def take_settings(self) -> None:
        """Take over every attribute."""
        self._cwd()
        self._command()
        for name, value in self.data.items():
            if self.take_known(name, value):
                continue
            if name in _NO_COUNTERPART:
                if not (value is None or value is False or value in _ALWAYS_SO.get(name, ())):
                    self.leave(name, _NO_COUNTERPART[name])
            elif name == "env":
                self._environment(name, value)
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

    def _environment(self, name: str, value: Any) -> None:
        """Take over the variables that the file has written down: others come from a shell, and may be secrets."""
        if not isinstance(value, dict) or self.source.endswith(".json"):
            self.take_environment(name, value)
            return
        text = read_text(self.project / self.source, follow=True, errors="replace")
        written = {one: given for one, given in value.items() if _is_written(one, text) and _is_written(given, text)}
        if written:
            self.take_environment(name, written)
        if computed := sorted(value.keys() - written.keys()):
            shown_names = ", ".join(computed[:5]) + (f" and {len(computed) - 5} more" if len(computed) > 5 else "")
            self.leave(
                name,
                f"{shown_names}: the values are computed, not written there (such as process.env), and may be secrets; "
                "the bot inherits scanonce's own environment",
            )

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

    def _grace(self, name: str, value: Any) -> None:
        grace = duration(value)
        if grace is None:
            self.reject(name, "milliseconds", value)
            return
        # An ordinary bot never exits by itself: in development every restart would take that long.
        self.draft.run_flags.append(f"--grace {grace}")
        self.leave(name, f"in this file it would also apply in development: scanonce run --grace {grace}")

    def _name(self, name: str, _value: Any) -> None:
        self.leave(name, _FOLDER)

    COUNTERPARTS: ClassVar = {
        "ignore_watch": Counterpart("watch.ignore", _patterns, "patterns", AS_IN_GITIGNORE),
        "watch_delay": Counterpart("watch.quiet", duration, "milliseconds", _MS_NOTE),
        "restart_delay": Counterpart("restart.backoff_initial", duration, "milliseconds", _MS_NOTE),
        "exp_backoff_restart_delay": Counterpart("restart.backoff_initial", duration, "milliseconds", _MS_NOTE),
        "min_uptime": Counterpart("restart.reset_after", _uptime, "milliseconds", f"{_MS_NOTE}, unless it has a unit"),
        "max_restarts": Counterpart("restart.limit", _limit, "a number of at least 1", "within restart.window"),
        "max_memory_restart": Counterpart("health.max_memory", _memory, 'a size such as "300M"', _OF_BOTH),
        "cron_restart": Counterpart("restart.schedule", lambda value: value, "a cron expression"),
        "cron": Counterpart("restart.schedule", lambda value: value, "a cron expression"),
        "stop_exit_codes": Counterpart("restart.no_restart_codes", _exit_codes, "exit codes"),
    }
    HANDLERS: ClassVar = {
        "name": _name,
        "watch": _watch,
        "kill_timeout": _grace,
    }
