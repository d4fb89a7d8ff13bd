"""nodemon's settings, from `nodemon.json`, `nodemonConfig` in `package.json`, or a command line."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from supervisor.setup.migrate.bot_command import ScriptError, local, run_script, run_with, split_variables
from supervisor.setup.migrate.draft import Draft
from supervisor.setup.migrate.nodemon_flags import WITHOUT_MEANING, NodemonFlags, delay_of_flag, extensions
from supervisor.setup.migrate.settings_reader import AS_IN_GITIGNORE, Counterpart, SettingsReader, duration, strings

_NO_COUNTERPART: Mapping[str, str] = {
    "verbose": "use the command line: scanonce dev --verbose",
    "quiet": "use the command line: scanonce dev --quiet",
    "runOnChangeOnly": "use the command line: scanonce dev --on-change-only",
    "events": "commands on nodemon's events have no counterpart; --log-format json prints scanonce's own events",
    "ignoreRoot": "the folders that are never watched are fixed, and include nodemon's: see --explain-watch",
    "pollingInterval": WITHOUT_MEANING["--polling-interval"],
    "stdin": WITHOUT_MEANING["--stdin"],
    "stdout": "the bot's output is passed through unchanged",
    "colours": WITHOUT_MEANING["--colors"],
    "colors": WITHOUT_MEANING["--colors"],
    "dump": WITHOUT_MEANING["--dump"],
    "spawn": WITHOUT_MEANING["--spawn"],
    "exitCrash": WITHOUT_MEANING["--exitcrash"],
    "exitcrash": WITHOUT_MEANING["--exitcrash"],
}
COMMAND_SETTINGS = ("script", "exec", "args", "nodeArgs", "execMap")
"""The settings that together make the command."""
_EVERYTHING = {".", "./", "*", "*.*", "**", "**/*", "./**/*"}


@dataclass(slots=True)
class NodemonReader(SettingsReader):
    """One object of nodemon's settings."""

    def take_settings(self) -> None:
        """Take over every setting except those that make the command."""
        cwd = self.data.get("cwd")
        if isinstance(cwd, str) and posixpath.normpath(cwd) != ".":
            self.take("cwd", cwd, "bot.cwd", cwd)
            self.folder = cwd
        for name, value in self.data.items():
            if self.take_known(name, value):
                continue
            if name in _NO_COUNTERPART:
                self.leave(name, _NO_COUNTERPART[name])
            elif name not in (*COMMAND_SETTINGS, "cwd", "$schema"):
                self.leave(name, "nodemon has no such setting")

    def take_command(self, script: str | None) -> None:
        """Take over the command; `script` is the one that nodemon runs if none is named, such as `main`."""
        named, program = self.data.get("script"), self.data.get("exec")
        arguments = strings(self.data.get("args", [])) or []
        target = named if isinstance(named, str) and named else script
        if not named and program and "filename}}" not in str(program).replace(" ", ""):
            target = None
        if isinstance(program, str) and program.strip():
            command = run_with(program, [*([target] if target else []), *arguments])
        elif target is None:
            return
        else:
            try:
                command = run_script([target, *arguments], self.project / self.folder, self._exec_map())
            except ScriptError as error:
                self.leave("script", str(error))
                return
        variables, command = split_variables(command)
        if command[:1] == ["node"]:
            command[1:1] = strings(self.data.get("nodeArgs", [])) or []
        if variables:
            self.take_environment("exec", variables)
        names = ", ".join(name for name in COMMAND_SETTINGS if name in self.data) or "what it runs by default"
        self.take(names, " ".join(command), "bot.command", local(command, self.project, self.folder))

    def _exec_map(self) -> dict[str, str]:
        given = self.data.get("execMap")
        found = given if isinstance(given, dict) else {}
        return {name.lstrip("."): value for name, value in found.items() if isinstance(value, str) and value.strip()}

    def _watch(self, name: str, value: Any) -> None:
        paths = strings(value)
        if paths is None or not all(paths):
            self.reject(name, "paths", value)
            return
        wanted = [self.path(path) for path in paths if not path.startswith("!") and path not in _EVERYTHING]
        if not wanted:
            self.leave(name, "the whole folder is watched anyway")
        elif any(path in _EVERYTHING for path in paths):
            self.leave(name, "it includes the whole folder, which is watched anyway")
        else:
            self.take(name, value, "watch.paths", wanted)
        if unwanted := [path[1:] for path in paths if len(path) > 1 and path.startswith("!")]:
            self._ignore(f"{name} (!)", unwanted)

    def _ignore(self, name: str, value: Any) -> None:
        patterns = strings(value)
        if patterns is None:
            self.reject(name, "patterns", value)
            return
        for regular in [pattern for pattern in patterns if pattern.startswith(":")]:
            self.leave(name, f"{regular} is a regular expression; write it as a pattern of .gitignore")
        kept = [pattern for pattern in patterns if pattern and not pattern.startswith(":")]
        if kept:
            self.take(name, value, "watch.ignore", kept, AS_IN_GITIGNORE)

    def _ext(self, name: str, value: Any) -> None:
        given = strings(value)
        found = extensions(",".join(given)) if given is not None else None
        if found is None or (not found and "*" not in str(value)):
            self.reject(name, 'extensions such as "js,json"', value)
        else:
            self.take(name, value, "watch.ext", found, "" if found else "every file")

    def _poll(self, name: str, value: Any) -> None:
        if value is True:
            self.take(name, value, "watch.poll", True)
        else:
            self.leave(name, "polling starts automatically where there are no events")

    def _restartable(self, name: str, value: Any) -> None:
        fixed = "" if value == "rs" else "; that cannot be changed"
        self.leave(name, f"it is rs + Enter here, on a terminal{fixed}")

    COUNTERPARTS: ClassVar = {
        "delay": Counterpart("watch.quiet", duration, "milliseconds", "in milliseconds, as a file"),
        "signal": Counterpart("stop.signal", lambda value: str(value).upper(), "the name of a signal"),
    }
    HANDLERS: ClassVar = {
        "watch": _watch,
        "ignore": _ignore,
        "ext": _ext,
        "legacyWatch": _poll,
        "legacy-watch": _poll,
        "env": SettingsReader.take_environment,
        "restartable": _restartable,
    }


def settings_of_flags(flags: NodemonFlags, draft: Draft, source: str) -> dict[str, Any]:
    """The settings on a command line that may also be in nodemon's file; the others go into `draft`."""
    delay = flags.settings.get("delay")
    if delay is not None:
        try:
            quiet = duration(delay_of_flag(delay), scale=1000)
            draft.take(source, "--delay", delay, "watch.quiet", quiet, "in seconds, as a flag")
        except ValueError as error:
            draft.leave(source, "--delay", str(error))
    for flag in flags.unknown:
        draft.leave(source, flag, "it has no meaning here; scanonce dev says why")
    return {name: value for name, value in flags.settings.items() if name not in {"delay", "config"}}
