"""nodemon's settings, from `nodemon.json`, `nodemonConfig` in `package.json`, or a command line, as ours."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.setup.migrate.command import ScriptError, local, run_script, run_with
from supervisor.setup.migrate.draft import (
    HOLDS_FOR_BOTH,
    Draft,
    duration,
    environment,
    milliseconds,
    shown,
    strings,
)
from supervisor.setup.migrate.nodemon_flags import WITHOUT_MEANING, Flags, delay_of_flag, extensions

_NO_COUNTERPART: Mapping[str, str] = {
    "verbose": "it belongs on the command line: scanonce dev --verbose",
    "quiet": "it belongs on the command line: scanonce dev --quiet",
    "runOnChangeOnly": "it belongs on the command line: scanonce dev --on-change-only",
    "events": "commands on nodemon's events have no counterpart; scanonce tells its own with --log-format json",
    "ignoreRoot": "the folders that are never watched are fixed, and are more than nodemon's: see --explain-watch",
    "pollingInterval": WITHOUT_MEANING["--polling-interval"],
    "stdin": WITHOUT_MEANING["--stdin"],
    "stdout": "the bot's output passes through as it is",
    "colours": WITHOUT_MEANING["--colors"],
    "colors": WITHOUT_MEANING["--colors"],
    "dump": WITHOUT_MEANING["--dump"],
    "spawn": WITHOUT_MEANING["--spawn"],
    "exitCrash": WITHOUT_MEANING["--exitcrash"],
    "exitcrash": WITHOUT_MEANING["--exitcrash"],
}
_OF_COMMAND = ("script", "exec", "args", "nodeArgs", "execMap")
_EVERYTHING = {".", "./", "*", "*.*", "**", "**/*", "./**/*"}


@dataclass(slots=True)
class NodemonFile:
    """One object of nodemon's settings, found in `source`; `project` is where it lies."""

    source: str
    data: Mapping[str, Any]
    project: Path
    draft: Draft
    folder: str = ""
    """nodemon's `cwd`, once it is known."""

    def take(self) -> None:
        """Take over every setting but those that make the command."""
        self.folder = self._cwd()
        for name, value in self.data.items():
            how = _TAKES.get(name)
            if how is not None:
                how(self, name, value)
            elif name in _NO_COUNTERPART:
                self._leave(name, _NO_COUNTERPART[name])
            elif name not in (*_OF_COMMAND, "cwd", "$schema"):
                self._leave(name, "nodemon has no such setting")

    def take_command(self, script: str | None) -> None:
        """Take over the command; `script` is what nodemon runs when nothing names one, such as `main`."""
        named = self.data.get("script")
        program = self.data.get("exec")
        arguments = strings(self.data.get("args", [])) or []
        words = [*(strings(self.data.get("nodeArgs", [])) or [])]
        target = named if isinstance(named, str) and named else None if program else script
        if isinstance(program, str) and program.strip():
            command = run_with(program, [*([target] if target else []), *arguments])
        elif target is None:
            return
        else:
            try:
                command = run_script([target, *arguments], self.project / self.folder, self._exec_map())
            except ScriptError as error:
                self._leave("script", str(error))
                return
            command[1:1] = words if command[0] == "node" else []
        names = ", ".join(name for name in _OF_COMMAND if name in self.data) or "what it runs by default"
        self._take(names, " ".join(command), "bot.command", local(command, self.project, self.folder))

    def _exec_map(self) -> dict[str, str]:
        given = self.data.get("execMap")
        found = given if isinstance(given, dict) else {}
        return {name.lstrip("."): value for name, value in found.items() if isinstance(value, str) and value.strip()}

    def _cwd(self) -> str:
        value = self.data.get("cwd")
        if not isinstance(value, str) or posixpath.normpath(value) == ".":
            return ""
        self._take("cwd", value, "bot.cwd", value)
        return value

    def _below(self, path: str) -> str:
        """A path as seen from the project: nodemon changes into its `cwd` first."""
        return posixpath.normpath(posixpath.join(self.folder, path)) if self.folder else path

    def _take(self, name: str, value: Any, key: str, becomes: Any, note: str = "") -> None:
        self.draft.take(self.source, name, value, key, becomes, note)

    def _leave(self, name: str, why: str) -> None:
        self.draft.leave(self.source, name, why)

    # -- one setting each ----------------------------------------------------------------------------------------------

    def _watch(self, name: str, value: Any) -> None:
        paths = strings(value)
        if paths is None or not all(paths):
            self._leave(name, f"expected paths (got {shown(value)})")
            return
        wanted = [self._below(path) for path in paths if not path.startswith("!") and path not in _EVERYTHING]
        if wanted and not any(path in _EVERYTHING for path in paths):
            self._take(name, value, "watch.paths", wanted)
        elif not wanted:
            self._leave(name, "the whole folder is watched anyway")
        else:
            self._leave(name, "among other paths it names the whole folder, which is watched anyway")
        if unwanted := [path[1:] for path in paths if len(path) > 1 and path.startswith("!")]:
            self._ignore(f"{name} (!)", unwanted)

    def _ignore(self, name: str, value: Any) -> None:
        patterns = strings(value)
        if patterns is None:
            self._leave(name, f"expected patterns (got {shown(value)})")
            return
        for regular in [pattern for pattern in patterns if pattern.startswith(":")]:
            self._leave(name, f"{regular} is a regular expression; write it as a pattern of .gitignore")
        kept = [pattern for pattern in patterns if pattern and not pattern.startswith(":")]
        if kept:
            self._take(name, value, "watch.ignore", kept, "read as in .gitignore, from this folder")

    def _ext(self, name: str, value: Any) -> None:
        given = strings(value)
        found = extensions(",".join(given)) if given is not None else None
        if found is None or (not found and "*" not in str(value)):
            self._leave(name, f'expected extensions such as "js,json" (got {shown(value)})')
        else:
            self._take(name, value, "watch.ext", found, "" if found else "every file")

    def _delay(self, name: str, value: Any) -> None:
        ms = milliseconds(value)
        if ms is None:
            self._leave(name, f"expected milliseconds (got {shown(value)})")
        else:
            self._take(name, value, "watch.quiet", duration(ms), "in milliseconds, as a file")

    def _signal(self, name: str, value: Any) -> None:
        self._take(name, value, "stop.signal", value.upper() if isinstance(value, str) else value)

    def _poll(self, name: str, value: Any) -> None:
        if value is True:
            self._take(name, value, "watch.poll", True)
        else:
            self._leave(name, "polling starts by itself where no events arrive")

    def _env(self, name: str, value: Any) -> None:
        found, bad = environment(value)
        if found:
            self._take(name, sorted(found), "bot.env", found, HOLDS_FOR_BOTH)
        for one in bad:
            self._leave(f"{name}.{one}" if one != name else name, "expected a name and a text")

    def _restartable(self, name: str, value: Any) -> None:
        self._leave(
            name, "it is rs + Enter here, on a terminal" + ("" if value == "rs" else "; that cannot be changed")
        )


_TAKES: Mapping[str, Callable[[NodemonFile, str, Any], None]] = {
    "watch": NodemonFile._watch,
    "ignore": NodemonFile._ignore,
    "ext": NodemonFile._ext,
    "delay": NodemonFile._delay,
    "signal": NodemonFile._signal,
    "legacyWatch": NodemonFile._poll,
    "legacy-watch": NodemonFile._poll,
    "env": NodemonFile._env,
    "restartable": NodemonFile._restartable,
}


def of_flags(flags: Flags, draft: Draft, source: str) -> dict[str, Any]:
    """A command line's flags in the names of nodemon's file; what only a command line can say is noted as left."""
    data: dict[str, Any] = {
        name: value
        for name, value in {
            "watch": flags.watch,
            "ignore": flags.ignore,
            "ext": flags.ext,
            "exec": flags.exec,
            "signal": flags.signal,
            "cwd": flags.cwd,
            "legacyWatch": flags.legacy_watch,
            "verbose": flags.verbose,
            "quiet": flags.quiet,
            "runOnChangeOnly": flags.on_change_only,
            "nodeArgs": flags.of_node,
        }.items()
        if value
    }
    if flags.command:
        data["script"] = flags.command[0]
    if flags.command[1:]:
        data["args"] = flags.command[1:]
    if flags.delay is not None:
        try:
            quiet = duration(delay_of_flag(flags.delay) * 1000)
            draft.take(source, "--delay", flags.delay, "watch.quiet", quiet, "in seconds, as a flag")
        except ValueError as error:
            draft.leave(source, "--delay", str(error))
    for flag in flags.unknown:
        draft.leave(source, flag, "it has no meaning here; scanonce dev says why")
    return data
