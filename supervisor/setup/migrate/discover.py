"""Finds the configuration of nodemon, npm scripts and pm2 in a folder, and makes a `scanonce.toml` of it."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supervisor.config.issues import ConfigError
from supervisor.config.loader import load
from supervisor.config.modes import Mode
from supervisor.setup.migrate import nodemon_flags, npm_scripts, pm2
from supervisor.setup.migrate.bot_command import INTERPRETERS, ScriptError, is_script, local, run_script
from supervisor.setup.migrate.draft import Draft, render
from supervisor.setup.migrate.nodemon_file import COMMAND_SETTINGS, NodemonReader, settings_of_flags
from supervisor.setup.migrate.settings_reader import FOR_BOTH_MODES, read_json

#: Files that are probably the bot if nothing names it.
ENTRIES = (
    *("index.js", "bot.js", "app.js", "main.js", "server.js", "src/index.js"),
    *("index.mjs", "index.ts", "src/index.ts"),
)


@dataclass(frozen=True, slots=True)
class Migration:
    """The result of `scanonce init`: the text of the file, and the draft from which it was made."""

    text: str
    command: Sequence[str] | None
    """The command in the file; None if it has none."""
    draft: Draft
    scripts: Sequence[str]
    """The scripts in the folder, of any name."""

    @property
    def has_bot(self) -> bool:
        """Whether anything was found that can be a bot, or the settings of one."""
        return bool(self.command or self.draft.read or self.draft.left or self.scripts)


@dataclass(slots=True)
class _Search:
    project: Path
    draft: Draft = field(default_factory=Draft)
    package: Mapping[str, Any] = field(default_factory=dict)
    nodemon_file: str = "nodemon.json"

    def nodemon(self, source: str, settings: Mapping[str, Any], folder: str = "") -> NodemonReader:
        return NodemonReader(source, settings, self.project, self.draft, folder)


class NoSuchAppError(Exception):
    """pm2 has no application of the requested name; the message lists those that it has."""


def discover(project: Path, app: str | None = None) -> Migration:
    """Read the configuration of nodemon, npm and pm2 in `project`; `app` selects one of several pm2 applications.

    Raises `NoSuchAppError` if there is none of that name.
    """
    search = _Search(project)
    search.package = _object(search, "package.json") or {}
    # The scripts' own flags come first: in nodemon they win over its files.
    _take_scripts(search)
    _take_nodemon_files(search)
    _take_pm2(search, app)
    scripts = _scripts_in(project)
    guess = _guess(search, scripts)
    text = _valid_text(search.draft, guess)
    return Migration(text, search.draft.values.get("bot.command", guess), search.draft, scripts)


def _object(search: _Search, name: str) -> dict[str, Any] | None:
    """The object in a JSON file of the project; None if the file does not exist or is not usable."""
    try:
        found = read_json(search.project / name)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        search.draft.leave(name, "the file", f"it cannot be read: {error}")
        return None
    search.draft.read.append(name)
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
            continue  # `dev` has set it; `start` is the same without watching
        elif script.nodemon is not None:
            _take_nodemon_line(search, source, script.nodemon)
        else:
            command = local(script.command, search.project)
            search.draft.take(source, "the command", text, "bot.command", command, script.note)
        if script.env:
            search.draft.take(source, "variables", sorted(script.env), "bot.env", script.env, FOR_BOTH_MODES)


def _take_nodemon_line(search: _Search, source: str, words: list[str]) -> None:
    """Take over a command line of nodemon; the command is made of it and nodemon's file together."""
    flags = nodemon_flags.parse(words)
    search.nodemon_file = flags.settings.get("config", search.nodemon_file)
    data = settings_of_flags(flags, search.draft, source)
    search.nodemon(source, {k: v for k, v in data.items() if k not in COMMAND_SETTINGS}).take_settings()
    # The file's other settings are taken over later, by `_take_nodemon_files`.
    settings = _nodemon_settings(search)
    data = {key: settings[key] for key in COMMAND_SETTINGS if key in settings} | data
    folder = str(search.draft.values.get("bot.cwd", settings.get("cwd", "")))
    search.nodemon(source, data, folder).take_command(npm_scripts.entry(search.package) or "index.js")


def _nodemon_settings(search: _Search) -> Mapping[str, Any]:
    """nodemon's own file, or what `package.json` has instead: nodemon reads the latter only without the former."""
    if (search.project / search.nodemon_file).is_file():
        return _object(_Search(search.project), search.nodemon_file) or {}
    inner = search.package.get("nodemonConfig")
    return inner if isinstance(inner, dict) else {}


def _take_nodemon_files(search: _Search) -> None:
    source, settings = search.nodemon_file, _object(search, search.nodemon_file)
    inner = search.package.get("nodemonConfig")
    if settings is not None:
        if inner is not None:
            search.draft.leave("package.json", "nodemonConfig", "nodemon ignores it if there is a nodemon.json")
    elif isinstance(inner, dict):
        source, settings = "package.json nodemonConfig", inner
    else:
        if inner is not None:
            search.draft.leave("package.json", "nodemonConfig", "expected an object")
        return
    reader = search.nodemon(source, settings)
    reader.take_settings()
    if "bot.command" not in search.draft.values:
        reader.take_command(npm_scripts.entry(search.package) or _first_entry(search.project))


def _take_pm2(search: _Search, app: str | None) -> None:
    name = next((name for name in (*pm2.NAMES, *pm2.UNREAD) if (search.project / name).is_file()), "")
    found = _apps(search, name) if name else []
    if app is not None and not any(one.get("name") == app for one in found):
        names = ", ".join(str(one.get("name")) for one in found)
        unread = f": {name}, {search.draft.left[-1].why}" if name and not found and search.draft.left else ""
        raise NoSuchAppError(f"no application of pm2 is called {app}; there is {names or f'none{unread}'}")
    if name not in search.draft.read:
        return
    wanted = [one for one in found if app is None or one.get("name") == app]
    if not wanted:
        search.draft.leave(name, "apps", "no application in it")
        return
    for other in (one for one in found if one is not wanted[0]):
        search.draft.leave(name, f"app {other.get('name')}", "one supervisor per folder; choose it with --app NAME")
    pm2.Pm2Reader(name, wanted[0], search.project, search.draft).take_settings()


def _apps(search: _Search, name: str) -> list[dict[str, Any]]:
    """The applications in an ecosystem file; none, which is recorded, if it cannot be read."""
    try:
        if name in pm2.UNREAD:
            raise pm2.EvaluationError("YAML is not read; write the same as ecosystem.json, then init --force")
        found = pm2.apps(pm2.read(search.project / name))
    except pm2.EvaluationError as error:
        search.draft.leave(name, "the file", str(error))
        return []
    search.draft.read.append(name)
    if not name.endswith(".json"):
        search.draft.remarks.append(f"{name} is a program: node ran it, to see what it exports.")
    return found


def _first_entry(project: Path) -> str | None:
    return next((name for name in ENTRIES if (project / name).is_file()), None)


def _scripts_in(project: Path) -> list[str]:
    """The scripts in the folder itself, without the configuration of tools (`eslint.config.js`, `.eslintrc.js`)."""
    return sorted(
        path.name
        for path in project.iterdir()
        if is_script(path.name) and path.is_file() and "." not in path.stem and path.name != "setup.py"
    )


def _guess(search: _Search, scripts: Sequence[str]) -> list[str] | None:
    """The command if no source has one: `main`, a file that is usually the bot, or the only script."""
    if "bot.command" in search.draft.values:
        return None
    main = npm_scripts.entry(search.package)
    candidates = [main] if main is None or is_script(main) else [f"{main}.js", f"{main}/index.js"]
    script = next((one for one in candidates if one is not None and (search.project / one).is_file()), None)
    script = script or _first_entry(search.project) or (scripts[0] if len(scripts) == 1 else None)
    if script is None:
        return None
    try:
        return local(run_script([script], search.project), search.project)
    except ScriptError:
        return [INTERPRETERS[Path(script).suffix[1:]][0], script]


def _valid_text(draft: Draft, guess: list[str] | None) -> str:
    """The text of a file that loads: settings that the configuration rejects are dropped, with the reason."""
    while (rejected := _rejected(text := render(draft, guess))) is not None:
        key, why = rejected
        if not draft.drop(key, why):
            raise AssertionError(f"a file without {key} is rejected for it: {why}")
    return text


def _rejected(text: str) -> tuple[str, str] | None:
    """The first key that the configuration rejects, and why; None if it accepts the text."""
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
