"""What the bot's own source does about signals, its browser and its session: hints from its text, which is not run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from supervisor.setup.doctor.finding import Finding, ok, problem, unknown, warning
from supervisor.setup.doctor.project import Place
from supervisor.setup.doctor.source import Source
from supervisor.setup.package_json import installed
from supervisor.supervise.triggers.files import watch_rules
from supervisor.system.escape import printable

NAMES = ("signal-handlers", "stop-order", "devtools", "auth-strategy", "data-path")

_HANDLER = re.compile(
    r"""\bprocess\s?\.\s?(?:on|once|addListener|prependListener)\(\s{0,20}(?:['"`](SIG\w{1,12})['"`]|(\w{1,60}))"""
)
_LOOPED = re.compile(r"""['"`](SIG(?:INT|TERM|HUP|QUIT|USR1|USR2))['"`]""")
_CLOSES = re.compile(r"(?i)\b\w{0,40}(?:client|browser|whatsapp)\w{0,40}\s?\.\s?(?:destroy|close)\(")
_EXITS = re.compile(r"\bprocess\s?\.\s?exit\(")
_LEFT_TO_THE_BOT = re.compile(r"\bhandleSIG(?:TERM|INT|HUP)\s{0,5}:\s{0,5}false\b")
_PIPE = re.compile(r"\bpipe\s{0,5}:\s{0,5}true\b")
_CLIENT = re.compile(r"\bnew\s{1,5}Client\(")
_STRATEGY = re.compile(r"\b(?:LocalAuth|RemoteAuth|authStrategy|userDataDir)\b")
_DATA_PATH = re.compile(r"""\b(?:dataPath|userDataDir)\s{0,5}:\s{0,5}(['"`])([^'"`$\n]{1,500})\1""")
_TEMPORARY = re.compile(r"\b(?:dataPath|userDataDir)\s{0,5}:[^,\n]{0,200}\btmpdir\(")
_TEMPORARY_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/run")  # noqa: S108 - to be recognised, not to be used
_HINT = "A hint from the text alone:"


@dataclass(frozen=True, slots=True)
class _Handler:
    signals: frozenset[str]
    where: str
    body: str


def look(place: Place) -> Iterator[Finding]:
    """The bot's handlers, its browser's options, and where it keeps its session."""
    if not place.directory.is_dir():
        return
    sources = place.sources
    if not sources.files and not sources.all:
        yield unknown("signal-handlers", "The bot's source files could not be read.")
        return
    handlers = list(_handlers(place))
    yield _signal_handlers(handlers, place)
    yield _stop_order(handlers, place)
    yield _devtools(place)
    yield _auth_strategy(place)
    yield from _data_path(place)


def _handlers(place: Place) -> Iterator[_Handler]:
    for source, match in place.sources.search(_HANDLER):
        call = source.enclosed(source.text.index("(", match.start()))
        signals = {match[1]} if match[1] else set()
        if match[2]:  # process.on(signal, ...) in a loop over names
            around = source.text[max(0, match.start() - 300) : match.start()]
            signals = set(_LOOPED.findall(around))
        if signals:
            yield _Handler(frozenset(signals), source.at(match.start()), call + _function_named(call, source))


def _function_named(call: str, source: Source) -> str:
    """The body of the function that a handler is only the name of, if it is in the same file."""
    named = re.search(r",\s{0,20}(\w{1,60})\s{0,20}\)", call) or re.search(r"\b(\w{1,60})\(", call[1:])
    if named is None:
        return ""
    name = re.escape(named[1])
    made = re.search(rf"\bfunction\s{{1,5}}{name}\s?\(|\b{name}\s?=\s?(?:async\s?)?(?:function\b|\()", source.text)
    if made is None:
        return ""
    opening = source.text.find("{", made.end())
    return source.enclosed(opening) if opening >= 0 else ""


def _signal_handlers(handlers: list[_Handler], place: Place) -> Finding:
    stop = place.config.stop
    asked = [handler for handler in handlers if stop.signal in handler.signals]
    if not asked:
        return ok("signal-handlers", f"{_HINT} the bot has no handler of its own for {stop.signal}.")
    first = asked[0]
    where = printable(first.where)
    if stop.order == "browser-first" and _CLOSES.search(first.body):
        return warning(
            "signal-handlers",
            f"{_HINT} the handler at {where} seems to close the browser itself. scanonce has closed it before the bot "
            "gets the signal, so it finds none: nothing is lost, but errors may be shown.",
            'Nothing; or, if the bot must use the page before it ends, let it go first: stop.order = "bot-first", with '
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


def _stop_order(handlers: list[_Handler], place: Place) -> Finding:
    stop = place.config.stop
    left = [source.at(match.start()) for source, match in place.sources.search(_LEFT_TO_THE_BOT)]
    if stop.order == "browser-first":
        where = f" ({printable(left[0])} keeps puppeteer from killing it, which does no harm)" if left else ""
        return ok("stop-order", f"The browser is closed first, then the bot is asked to stop{where}.")
    if not left:
        seen = f'stop.order is "bot-first", and {_HINT.lower()} nothing says handleSIGTERM: false.'
        remedy = (
            "Add it to puppeteer's options: else puppeteer kills the browser on the bot's signal, and data is lost."
        )
        return warning("stop-order", seen, remedy)
    if not any(stop.signal in handler.signals and _CLOSES.search(handler.body) for handler in handlers):
        seen = f'stop.order is "bot-first", and {_HINT.lower()} no handler for {stop.signal} closes the browser.'
        return warning("stop-order", seen, 'Close it there (client.destroy()), or take "browser-first".')
    return ok("stop-order", f"The bot closes its own browser; {printable(left[0])} keeps puppeteer from killing it.")


def _devtools(place: Place) -> Finding:
    for source, match in place.sources.search(_PIPE):
        where = printable(source.at(match.start()))
        seen = f"{_HINT} pipe: true at {where} leaves the browser without a DevTools port."
        return warning("devtools", seen, "Leave it out: else scanonce cannot see whether the session is linked.")
    return ok("devtools", f"{_HINT} nothing keeps the browser from offering its DevTools port.")


def _auth_strategy(place: Place) -> Finding:
    if installed("whatsapp-web.js", place.directory) is None:
        return ok("auth-strategy", "whatsapp-web.js is not installed here.")
    client = next(place.sources.search(_CLIENT), None)
    if client is None or not place.sources.all or next(place.sources.search(_STRATEGY), None) is not None:
        return ok("auth-strategy", f"{_HINT} the bot keeps its session, or makes its client elsewhere.")
    where = printable(client[0].at(client[1].start()))
    seen = f"{_HINT} the client at {where} has no authStrategy: it keeps no session, and asks for a scan at each start."
    return warning("auth-strategy", seen, "new Client({ authStrategy: new LocalAuth({ dataPath: './sessions' }) }).")


def _data_path(place: Place) -> Iterator[Finding]:
    paths = [
        (place.directory / match[2], source.at(match.start())) for source, match in place.sources.search(_DATA_PATH)
    ]
    temporary = [source.at(match.start()) for source, match in place.sources.search(_TEMPORARY)]
    temporary += [where for path, where in paths if _in_temporary(path, place)]
    temporary += [printable(profile.path) for profile in place.profiles if _in_temporary(profile.path, place)]
    if temporary:
        seen = f"The session is kept in a temporary folder ({printable(temporary[0])}), which a reboot empties."
        yield problem("data-path", seen, "Keep it in the project: dataPath: './sessions'.")
        return
    for path, where in paths:
        if _among_the_watched(path, place):
            line = f"{place.shown(path)}/"
            seen = f"{_HINT} the session's folder at {printable(where)} lies among the watched files."
            remedy = (
                f"scanonce leaves out profiles once it has seen them; for the first run, watch.ignore = [{line!r}]."
            )
            yield warning("data-path", seen, remedy)
            return
    yield ok("data-path", "No session is kept in a temporary folder or among the watched files.")


def _in_temporary(path: Path, place: Place) -> bool:
    """Whether a path leads into a temporary folder in which the project itself does not lie, as in tests."""
    return any(
        path.is_relative_to(folder) and not place.project.is_relative_to(folder) for folder in _TEMPORARY_FOLDERS
    )


def _among_the_watched(path: Path, place: Place) -> bool:
    if not path.is_relative_to(place.project) or any(profile.path.is_relative_to(path) for profile in place.profiles):
        return False
    if path.parent == place.directory and path.name in {"sessions", "tokens"} and not path.exists():
        return False  # where it is looked for anyway
    return watch_rules(place.project, place.config, place.store).enters(str(path))
