"""Checks the bot's source for signal handlers, browser options and the session's folder: hints from its text alone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from supervisor.config.toml_writer import toml_value
from supervisor.setup.doctor.finding import Finding, ok, problem, unknown, warning
from supervisor.setup.doctor.project import CheckedProject
from supervisor.setup.doctor.source_files import SourceFile
from supervisor.setup.package_json import installed_package
from supervisor.supervise.triggers.source_files import watch_rules
from supervisor.system.escape import printable

_HANDLER = re.compile(
    r"""\bprocess\s?\.\s?(?:on|once|addListener|prependListener)\(\s{0,20}(?:['"`](SIG\w{1,12})['"`]|(\w{1,60}))"""
)
_LOOPED = re.compile(r"""['"`](SIG(?:INT|TERM|HUP|QUIT|USR1|USR2))['"`]""")
_CLOSES = re.compile(r"(?i)\b\w{0,40}(?:client|browser|whatsapp)\w{0,40}\s?\.\s?(?:destroy|close)\(")
_EXITS = re.compile(r"\bprocess\s?\.\s?exit\(")
_HANDLED_BY_BOT = re.compile(r"\bhandleSIG(?:TERM|INT|HUP)\s{0,5}:\s{0,5}false\b")
_PIPE = re.compile(r"\bpipe\s{0,5}:\s{0,5}true\b")
_INCOGNITO = re.compile(r"""['"`]--(?:incognito|guest)['"`]|\bcreateIncognitoBrowserContext\(""")
_CLIENT = re.compile(r"\bnew\s{1,5}Client\(")
_STRATEGY = re.compile(r"\b(?:LocalAuth|RemoteAuth|authStrategy|userDataDir)\b")
_DATA_PATH = re.compile(r"""\b(?:dataPath|userDataDir)\s{0,5}:\s{0,5}(['"`])([^'"`$\n]{1,500})\1""")
_TEMPORARY = re.compile(r"\b(?:dataPath|userDataDir)\s{0,5}:[^,\n]{0,200}\btmpdir\(")
_TEMPORARY_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/run")  # noqa: S108 - to be recognised, not used
_HINT = "A hint from the source text:"


@dataclass(frozen=True, slots=True)
class _Handler:
    signals: frozenset[str]
    where: str
    body: str


def source(project: CheckedProject) -> Iterator[Finding]:
    """`signal-handlers`, `stop-order`, `devtools`, `incognito`, `auth-strategy`, `data-path`."""
    if not project.directory.is_dir():
        return
    if not project.sources.files and not project.sources.all:
        yield unknown("signal-handlers", "The bot's source files could not be read.")
        return
    handlers = list(_handlers(project))
    yield _signal_handlers(handlers, project)
    yield _stop_order(handlers, project)
    yield _devtools(project)
    yield _incognito(project)
    yield _auth_strategy(project)
    yield from _data_path(project)


def _handlers(project: CheckedProject) -> Iterator[_Handler]:
    for file, match in project.sources.search(_HANDLER):
        call = file.enclosed(file.text.index("(", match.start()))
        signals = {match[1]} if match[1] else set()
        if match[2]:  # process.on(signal, ...) in a loop over names
            signals = set(_LOOPED.findall(file.text[max(0, match.start() - 300) : match.start()]))
        if signals:
            yield _Handler(frozenset(signals), file.at(match.start()), call + _function_named(call, file))


def _function_named(call: str, file: SourceFile) -> str:
    """The body of the function that a handler only names, if it is in the same file."""
    named = re.search(r",\s{0,20}(\w{1,60})\s{0,20}\)", call) or re.search(r"\b(\w{1,60})\(", call[1:])
    if named is None:
        return ""
    name = re.escape(named[1])
    made = re.search(rf"\bfunction\s{{1,5}}{name}\s?\(|\b{name}\s?=\s?(?:async\s?)?(?:function\b|\()", file.text)
    if made is None:
        return ""
    opening = file.text.find("{", made.end())
    return file.enclosed(opening) if opening >= 0 else ""


def _signal_handlers(handlers: list[_Handler], project: CheckedProject) -> Finding:
    stop = project.config.stop
    first = next((handler for handler in handlers if stop.signal in handler.signals), None)
    if first is None:
        return ok("signal-handlers", f"{_HINT} the bot has no handler of its own for {stop.signal}.")
    where = printable(first.where)
    if stop.order == "browser-first" and _CLOSES.search(first.body):
        return warning(
            "signal-handlers",
            f"{_HINT} the handler at {where} seems to close the browser itself. Under scanonce the browser is closed "
            "by then: no data is lost, but the bot may log errors.",
            'Nothing; or, if the bot must use the page before it ends, stop it first: stop.order = "bot-first", with '
            "handleSIGTERM: false among puppeteer's options.",
        )
    if not _EXITS.search(first.body):
        return warning(
            "signal-handlers",
            f"{_HINT} the handler at {where} seems not to end the bot, which is then killed when its grace is over "
            f"({stop.grace:g} s in dev).",
            "Call process.exit() at its end, or lengthen stop.grace if the bot ends by itself.",
        )
    return ok("signal-handlers", f"{_HINT} the handler at {where} ends the bot; it has stop.grace for that.")


def _stop_order(handlers: list[_Handler], project: CheckedProject) -> Finding:
    stop = project.config.stop
    match = next(project.sources.search(_HANDLED_BY_BOT), None)
    where = printable(match[0].at(match[1].start())) if match else ""
    if stop.order == "browser-first":
        note = f" ({where} keeps puppeteer from killing it, which does no harm)" if where else ""
        return ok("stop-order", f"The browser is closed first, then the bot is asked to stop{note}.")
    if not where:
        seen = f'stop.order is "bot-first", and {_HINT.lower()} no option says handleSIGTERM: false.'
        remedy = (
            "Add it to puppeteer's options: otherwise puppeteer kills the browser on the bot's signal, losing data."
        )
        return warning("stop-order", seen, remedy)
    if not any(stop.signal in handler.signals and _CLOSES.search(handler.body) for handler in handlers):
        seen = f'stop.order is "bot-first", and {_HINT.lower()} no handler for {stop.signal} closes the browser.'
        return warning("stop-order", seen, 'Close it there (client.destroy()), or use "browser-first".')
    return ok("stop-order", f"The bot closes its own browser; {where} keeps puppeteer from killing it.")


def _devtools(project: CheckedProject) -> Finding:
    for file, match in project.sources.search(_PIPE):
        seen = f"{_HINT} pipe: true at {printable(file.at(match.start()))} leaves the browser without a DevTools port."
        return warning("devtools", seen, "Remove it: otherwise scanonce cannot see whether the session is linked.")
    return ok("devtools", f"{_HINT} no option keeps the browser from opening its DevTools port.")


def _incognito(project: CheckedProject) -> Finding:
    for file, match in project.sources.search(_INCOGNITO):
        seen = f"{_HINT} {match[0]} at {printable(file.at(match.start()))}: an incognito browser keeps nothing."
        return problem("incognito", seen, "Remove it: otherwise the session is lost at every restart.")
    return ok("incognito", f"{_HINT} no option keeps the browser from keeping the session.")


def _auth_strategy(project: CheckedProject) -> Finding:
    if installed_package("whatsapp-web.js", project.directory) is None:
        return ok("auth-strategy", "whatsapp-web.js is not installed here.")
    client = next(project.sources.search(_CLIENT), None)
    if client is None or not project.sources.all or next(project.sources.search(_STRATEGY), None) is not None:
        return ok("auth-strategy", f"{_HINT} the bot keeps its session, or creates its client elsewhere.")
    where = printable(client[0].at(client[1].start()))
    seen = f"{_HINT} the client at {where} has no authStrategy: no session is kept, and every start asks for a scan."
    return warning("auth-strategy", seen, "new Client({ authStrategy: new LocalAuth({ dataPath: './sessions' }) }).")


def _data_path(project: CheckedProject) -> Iterator[Finding]:
    paths = [
        (project.directory / match[2], file.at(match.start())) for file, match in project.sources.search(_DATA_PATH)
    ]
    temporary = [file.at(match.start()) for file, match in project.sources.search(_TEMPORARY)]
    temporary += [where for path, where in paths if _in_temporary(path, project)]
    temporary += [str(profile.path) for profile in project.profiles if _in_temporary(profile.path, project)]
    if temporary:
        seen = f"The session is kept in a temporary folder ({printable(temporary[0])}), which a reboot empties."
        yield problem("data-path", seen, "Keep it in the project: dataPath: './sessions'.")
        return
    for path, where in paths:
        if _is_watched(path, project):
            ignore = toml_value([f"{project.shown(path)}/"])
            seen = f"{_HINT} the session's folder at {printable(where)} is among the watched files."
            remedy = f"scanonce ignores profiles once it has seen them; for the first run, set watch.ignore = {ignore}."
            yield warning("data-path", seen, remedy)
            return
    yield ok("data-path", "No session is kept in a temporary folder or among the watched files.")


def _in_temporary(path: Path, project: CheckedProject) -> bool:
    """Whether a path is in a temporary folder that does not also hold the project, as in tests."""
    return any(path.is_relative_to(one) and not project.root.is_relative_to(one) for one in _TEMPORARY_FOLDERS)


def _is_watched(path: Path, project: CheckedProject) -> bool:
    if not path.is_relative_to(project.root) or any(one.path.is_relative_to(path) for one in project.profiles):
        return False
    if path.parent == project.directory and path.name in {"sessions", "tokens"} and not path.exists():
        return False  # searched for profiles anyway
    return watch_rules(project.root, project.config, project.profiles).enters(str(path))
