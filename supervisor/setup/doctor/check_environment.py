"""Checks the environment of the running bot, which need not be that of the terminal. No secret is quoted."""

import os
import re
from collections.abc import Iterator, Mapping

from supervisor.log.redact import HIDDEN, Redactor, names_secret
from supervisor.setup.doctor.finding import Finding, first_of, ok, unknown, warning
from supervisor.setup.doctor.project import CheckedProject
from supervisor.system.escape import printable

#: Variables by which a browser library, Chromium, node or a proxy behaves differently.
_TELLING = re.compile(
    r"(?:PUPPETEER|PLAYWRIGHT|CHROME|CHROMIUM)_\w+|NODE_(?:OPTIONS|ENV|PATH|EXTRA_CA_CERTS|TLS_REJECT_UNAUTHORIZED)"
    r"|(?:https?|all|no|npm_config_https?)_proxy",
    re.IGNORECASE,
)
_LONGEST = 120  # characters of a value
_MOST = 20  # variables
_QUERY = re.compile(r"(://[^\s?#]*)[?#]\S+")


def environment(project: CheckedProject) -> Iterator[Finding]:
    """`environment`."""
    own = dict(os.environ) | project.config.bot.env
    if project.supervisor is None:
        yield ok("environment", f"No bot runs here. From this terminal it would get {_described(own)}.")
        return
    if (bot := project.running) is None:
        why = (
            f"scanonce runs here (process {project.supervisor}), but it runs no bot now, or its environment may not be"
        )
        yield unknown("environment", f"{why} read. The checks assume this terminal's: {_described(own)}.")
        return
    seen = f"The running bot (process {bot.pid}) got {_described(bot.environment)}."
    differing = [name for name in sorted(bot.environment.keys() | own.keys()) if _TELLING.fullmatch(name)]
    differing = [name for name in differing if bot.environment.get(name) != own.get(name)]
    configured = [name for name, value in project.config.bot.env.items() if bot.environment.get(name) != value]
    if configured:
        seen += f" Of bot.env it has other values, or none: {printable(first_of(sorted(configured), 5))}."
        remedy = "They apply from the next start of scanonce: scanonce stop, then start it again."
        yield warning("environment", seen, remedy)
    elif differing:
        yield ok("environment", f"{seen} This terminal differs in {printable(first_of(differing, 5))}.")
    else:
        yield ok("environment", seen)


def _described(variables: Mapping[str, str]) -> str:
    redactor = Redactor(variables)
    found = [
        f"{name}={_shown(name, variables[name], redactor)}" for name in sorted(variables) if _TELLING.fullmatch(name)
    ]
    return printable(first_of(found, _MOST)) if found else "no variable for a browser, node or a proxy"


def _shown(name: str, value: str, redactor: Redactor) -> str:
    if names_secret(name):
        return HIDDEN
    words = [_without_login(word, name) for word in redactor.command(value.split(" "))]
    text = _QUERY.sub(rf"\1?{HIDDEN}", " ".join(words))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _without_login(word: str, name: str) -> str:
    """The word without the user and password of a URL, or of a proxy that is written without `http://`."""
    before, at, host = word.rpartition("@")
    scheme, separator, _ = before.partition("://")
    if not at or not (separator or name.lower().endswith("_proxy")):
        return word
    return f"{scheme}{separator}{HIDDEN}@{host}" if separator else f"{HIDDEN}@{host}"
