"""What there is to take over in a folder, and the configuration that comes of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supervisor.config.issues import ConfigError
from supervisor.config.loader import load
from supervisor.config.modes import Mode
from supervisor.setup.migrate import nodemon_flags, npm_scripts, pm2
from supervisor.setup.migrate.command import INTERPRETERS, ScriptError, is_script, local, run_script
from supervisor.setup.migrate.draft import HOLDS_FOR_BOTH, Draft, Left, Taken
from supervisor.setup.migrate.nodemon_file import NodemonFile, of_flags
from supervisor.setup.migrate.pm2 import Pm2App
from supervisor.setup.migrate.toml_writer import text_of

#: Files that are probably the bot, where nothing says so.
_ENTRIES = (
    "index.js",
    "bot.js",
    "app.js",
    "main.js",
    "server.js",
    "src/index.js",
    "index.mjs",
    "index.ts",
    "src/index.ts",
)


@dataclass(frozen=True, slots=True)
class Found:
    """What `scanonce init` writes and says. `command` is that of the file, None if it has none."""

    text: str
    command: list[str] | None
    taken: tuple[Taken, ...]
    left: tuple[Left, ...]
    read: tuple[str, ...]
    """The files that were read."""
    remarks: tuple[str, ...]
    flags: tuple[str, ...]
    """Options for `scanonce run` that the file does not hold, since they would hold in development as well."""


@dataclass(slots=True)
class _Search:
    project: Path
    draft: Draft = field(default_factory=Draft)
    read: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    package: Mapping[str, Any] = field(default_factory=dict)
    nodemon_file: str = "nodemon.json"


class NoSuchAppError(Exception):
    """pm2 knows no application of the name that was asked for; the message says which it knows."""


def discover(project: Path, app: str | None = None) -> Found:
    """Read what nodemon, npm and pm2 know of the bot in `project`; `app` names one of several of pm2's applications.

    Raises `NoSuchAppError` if there is none of that name.
    """
    search = _Search(project)
    search.package = _object(search, "package.json") or {}
    # The scripts' own flags come first: nodemon lets them win over its files.
    _take_scripts(search)
    _take_nodemon_files(search)
    _take_pm2(search, app)
    guess = _guess(search)
    text = _valid_text(search.draft, guess)
    command = search.draft.values.get("bot.command", guess)
    return Found(
        text,
        list(command) if command else None,
        tuple(search.draft.taken),
        tuple(search.draft.left),
        tuple(search.read),
        tuple(search.remarks),
        tuple(search.draft.run_flags),
    )


def _object(search: _Search, name: str) -> dict[str, Any] | None:
    """The object in a JSON file of the project; None if there is no such file, or nothing that can be used."""
    try:
        found = json.loads((search.project / name).read_text("utf-8-sig"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        search.draft.leave(name, "the file", f"it cannot be read: {error}")
        return None
    search.read.append(name)
    if not isinstance(found, dict):
        search.draft.leave(name, "the file", "expected an object")
        return None
    return found


def _take_scripts(search: _Search) -> None:
    scripts = search.package.get("scripts")
    if not isinstance(scripts, dict):
        return
    for name in npm_scripts.SCRIPTS:
        text = scripts.get(name)
        if not isinstance(text, str) or not text.strip():
            continue
        source = f"package.json scripts.{name}"
        script = npm_scripts.read(text, scripts)
        if script.why_not:
            search.draft.leave(source, "the command", script.why_not)
        elif "bot.command" in search.draft.values:
            continue  # `dev` says it, and `start` is the same without the watching
        elif script.nodemon is not None:
            _take_nodemon_line(search, source, script.nodemon)
        else:
            command = local(script.command, search.project)
            search.draft.take(source, "the command", text, "bot.command", command, script.note)
        if script.env:
            search.draft.take(source, "variables", sorted(script.env), "bot.env", script.env, HOLDS_FOR_BOTH)


def _take_nodemon_line(search: _Search, source: str, words: list[str]) -> None:
    """nodemon's command line, and the file that goes with it: together they make the command."""
    flags = nodemon_flags.parse(words)
    search.nodemon_file = flags.config or search.nodemon_file
    data = of_flags(flags, search.draft, source)
    NodemonFile(source, {k: v for k, v in data.items() if k not in _COMMAND}, search.project, search.draft).take()
    name, settings = _nodemon_settings(search)
    if name is not None and name != source:
        # Read again by itself below; here only for what it adds to the command.
        data = {key: settings[key] for key in _COMMAND if key in settings} | data
    line = NodemonFile(source, data, search.project, search.draft)
    line.folder = str(search.draft.values.get("bot.cwd", settings.get("cwd", "")))
    line.take_command(npm_scripts.entry(search.package) or "index.js")


_COMMAND = ("script", "exec", "args", "nodeArgs", "execMap")


def _nodemon_settings(search: _Search) -> tuple[str | None, Mapping[str, Any]]:
    """nodemon's own file, or what `package.json` has in its place: nodemon reads the latter only without the former."""
    if (search.project / search.nodemon_file).is_file():
        return search.nodemon_file, _object(_Search(search.project), search.nodemon_file) or {}
    inner = search.package.get("nodemonConfig")
    return ("package.json nodemonConfig", inner) if isinstance(inner, dict) else (None, {})


def _take_nodemon_files(search: _Search) -> None:
    settings = _object(search, search.nodemon_file)
    inner = search.package.get("nodemonConfig")
    if settings is None:
        if inner is None:
            return
        if not isinstance(inner, dict):
            search.draft.leave("package.json", "nodemonConfig", "expected an object")
            return
        source, settings = "package.json nodemonConfig", inner
    else:
        source = search.nodemon_file
        if inner is not None:
            search.draft.leave("package.json", "nodemonConfig", "nodemon ignores it where there is a nodemon.json")
    one = NodemonFile(source, settings, search.project, search.draft)
    one.take()
    if "bot.command" not in search.draft.values:
        one.take_command(npm_scripts.entry(search.package) or _first_entry(search.project))


def _take_pm2(search: _Search, app: str | None) -> None:
    name = next((name for name in (*pm2.NAMES, *pm2.UNREAD) if (search.project / name).is_file()), "")
    found = _apps(search, name) if name else []
    if app is not None and not any(one.get("name") == app for one in found):
        names = ", ".join(str(one.get("name")) for one in found)
        unread = f": {name}, {search.draft.left[-1].why}" if name and not found and search.draft.left else ""
        raise NoSuchAppError(f"no application of pm2's is called {app}; there is {names or f'none{unread}'}")
    if name not in search.read:
        return
    wanted = [one for one in found if app is None or one.get("name") == app]
    if not wanted:
        search.draft.leave(name, "apps", "no application in it")
        return
    for other in (one for one in found if one is not wanted[0]):
        search.draft.leave(name, f"app {other.get('name')}", "one supervisor a folder; choose it with --app NAME")
    Pm2App(name, wanted[0], search.project, search.draft).take()


def _apps(search: _Search, name: str) -> list[dict[str, Any]]:
    """The applications in an ecosystem file; none, which is noted, if it cannot be read."""
    try:
        if name in pm2.UNREAD:
            raise pm2.EvaluationError("YAML is not read; write the same as ecosystem.json, then init --force")
        found = pm2.apps(pm2.read(search.project / name))
    except pm2.EvaluationError as error:
        search.draft.leave(name, "the file", str(error))
        return []
    search.read.append(name)
    if not name.endswith(".json"):
        search.remarks.append(f"{name} is a program: node ran it, to see what it exports.")
    return found


def _first_entry(project: Path) -> str | None:
    return next((name for name in _ENTRIES if (project / name).is_file()), None)


def _guess(search: _Search) -> list[str] | None:
    """The command where nothing says one: `main`, or a file that is usually the bot."""
    if "bot.command" in search.draft.values:
        return None
    main = npm_scripts.entry(search.package)
    if main is not None and not is_script(main):
        main = next(
            (f"{main}{tail}" for tail in (".js", "/index.js") if (search.project / f"{main}{tail}").is_file()), None
        )
    script = main if main is not None and (search.project / main).is_file() else _first_entry(search.project)
    if script is None:
        return None
    try:
        return local(run_script([script], search.project), search.project)
    except ScriptError:
        return [INTERPRETERS[Path(script).suffix[1:]][0], script]


def _valid_text(draft: Draft, guess: list[str] | None) -> str:
    """The text of a file that loads: what the configuration refuses is given up, with its reason."""
    while True:
        text = text_of(draft, guess)
        problem = _refused(text)
        if problem is None:
            return text
        key, why = problem
        if not draft.drop(key, why):
            raise AssertionError(f"a file without {key} is refused for it: {why}")


def _refused(text: str) -> tuple[str, str] | None:
    """The first key that the configuration refuses, and why; None if it takes the text."""
    with tempfile.TemporaryDirectory(prefix="scanonce-") as name:
        folder = Path(name)
        file = folder / "scanonce.toml"
        file.write_text(text, "utf-8")
        for mode in Mode:
            try:
                load(folder, file, mode=mode)
            except ConfigError as error:
                issue = error.issues[0]
                return issue.key, issue.message
    return None
