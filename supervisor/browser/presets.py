"""The state of a session as its page shows it, and the presets that read it.

A preset is a URL pattern, one read-only JavaScript expression, and a pure function from the expression's result to a
`PageState`. The expression runs in the page of a working bot: it must not write, wait or throw.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from supervisor.system.escape import one_line

_TEXT_LIMIT = 200
_QR_LIMIT = 2953
"""Bytes that the largest QR code holds (ISO/IEC 18004, version 40, level L)."""


class SessionStatus(StrEnum):
    """The status of a session, in the words that its user sees."""

    STARTING = "starting"
    """The page is loading, or (re)opening its connection; the link is not known yet."""
    NEEDS_LINK = "needs_link"
    """The page shows a QR code or a login form."""
    LINKING = "linking"
    """The device is being paired."""
    LINKED = "linked"
    """Linked, but still catching up."""
    READY = "ready"
    CONFLICT = "conflict"
    """The session has been opened in another browser, and this page waits."""
    LOGGED_OUT = "logged_out"
    """Logged out by the phone. Final: no snapshot can undo it."""
    BLOCKED = "blocked"
    """The service refuses this client; a person has to act."""
    STUCK = "stuck"
    """The page does not answer, or has crashed."""
    OPEN = "open"
    """The page has loaded; it is of an application that we do not know, so whether it is linked cannot be told."""
    UNKNOWN = "unknown"
    """There is no page, or its answer is invalid."""


@dataclass(frozen=True, slots=True)
class PageState:
    """A session's status, one line with the reason, and the QR code's text while one is shown.

    The QR text is a secret (to scan it is to own the account), so it is kept out of the representation.
    """

    status: SessionStatus
    detail: str = ""
    qr: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class PagePreset:
    """How to recognise a page and read the state of its session.

    `url` must match the page's whole URL. `interpret` is pure, and takes what `expression` returned: for anything but
    an object, an empty mapping.
    """

    name: str
    url: re.Pattern[str]
    expression: str
    interpret: Callable[[Mapping[str, Any]], PageState]
    ends: bool = False
    """Whether the expression is known to come to an end: one that a busy machine cut short may be tried at once."""


# Modules are required only once the app has booted (`Debug.VERSION`), as in whatsapp-web.js: to require one earlier
# would run its factory too early.
_WHATSAPP_EXPRESSION = """(() => {
  const attempt = (read) => { try { return read() ?? null; } catch { return null; } };
  const socket = attempt(() => window.Debug.VERSION && window.require('WAWebSocketModel').Socket);
  const code = attempt(() => document.querySelector('[data-ref] canvas').closest('[data-ref]'));
  return {
    version: attempt(() => String(window.Debug.VERSION)),
    state: attempt(() => String(socket.state)),
    synced: attempt(() => socket.hasSynced === true),
    qr: attempt(() => code.getAttribute('data-ref')),
    chats: attempt(() => document.querySelector('#pane-side') !== null),
    url: attempt(() => location.href),
    last_wid: attempt(() => localStorage.getItem('last-wid-md') !== null),
    old_logout: attempt(() => localStorage.getItem('old-logout-cred') !== null),
  };
})()"""

# The states of WhatsApp Web's socket: whatsapp-web.js, `src/util/Constants.js`, `WAState`. UNPAIRED, UNPAIRED_IDLE and
# CONNECTED need a closer look and are not in the table.
_WHATSAPP_STATES = {
    "UNLAUNCHED": PageState(SessionStatus.STARTING, "the page has not opened its connection yet"),
    "OPENING": PageState(SessionStatus.STARTING, "the page is opening its connection"),
    "TIMEOUT": PageState(SessionStatus.STARTING, "the page's connection timed out, it is trying again"),
    "PAIRING": PageState(SessionStatus.LINKING, "the device is being paired"),
    "CONFLICT": PageState(SessionStatus.CONFLICT, "the session is open in another browser"),
    "PROXYBLOCK": PageState(SessionStatus.BLOCKED, "a proxy blocks WhatsApp"),
    "TOS_BLOCK": PageState(SessionStatus.BLOCKED, "WhatsApp has blocked this account (terms of service)"),
    "SMB_TOS_BLOCK": PageState(SessionStatus.BLOCKED, "WhatsApp has blocked this business account (terms of service)"),
    "DEPRECATED_VERSION": PageState(SessionStatus.BLOCKED, "WhatsApp no longer accepts this version of its page"),
}


def interpret_whatsapp(reading: Mapping[str, Any]) -> PageState:
    """Map a reading of WhatsApp Web (keys: see `_WHATSAPP_EXPRESSION`) to a state.

    `post_logout=1` in the URL means that the session was logged out for good. It stays there even when the device is
    linked anew on the same page, so CONNECTED and PAIRING win over it.
    """
    state = _text(reading.get("state"))
    qr = _text(reading.get("qr"), limit=_QR_LIMIT) or None
    if state == "CONNECTED":
        if reading.get("synced") is True:
            return PageState(SessionStatus.READY, "connected")
        return PageState(SessionStatus.LINKED, "connected, still catching up with the phone")
    if "post_logout=1" in _text(reading.get("url"), limit=None) and state != "PAIRING":
        return PageState(SessionStatus.LOGGED_OUT, "the phone has logged this device out; link it anew", qr)
    if state in _WHATSAPP_STATES:
        return _WHATSAPP_STATES[state]
    if state in ("UNPAIRED", "UNPAIRED_IDLE") or qr is not None:
        return PageState(SessionStatus.NEEDS_LINK, _why_unlinked(reading, qr, idle=state == "UNPAIRED_IDLE"), qr)
    if reading.get("chats") is True:
        return PageState(SessionStatus.READY, "the list of chats is there")
    if state:
        return PageState(SessionStatus.UNKNOWN, f"WhatsApp reports a state unknown to us: {state}")
    if "url" not in reading:
        return PageState(SessionStatus.UNKNOWN, "the page could not be read")
    return PageState(SessionStatus.STARTING, "the page is loading")


def _why_unlinked(reading: Mapping[str, Any], qr: str | None, *, idle: bool) -> str:
    if reading.get("old_logout") is True:
        return "the page holds the session for invalid and wants a new link"
    if reading.get("last_wid") is True:
        return "this profile was linked before, yet the page wants a new link"
    if idle:
        return "the QR code has expired; reload the page for a new one"
    return "the page shows a QR code" if qr else "the page is about to show a QR code"


WHATSAPP = PagePreset(
    name="whatsapp",
    url=re.compile(r"https://web\.whatsapp\.com/.*"),
    expression=_WHATSAPP_EXPRESSION,
    interpret=interpret_whatsapp,
    ends=True,
)


def interpret_any(reading: Mapping[str, Any]) -> PageState:
    """Map a reading of a page of which only its load is known (`ANY_PAGE`) to a state."""
    if reading.get("loaded") is True:
        return PageState(SessionStatus.OPEN, "the page has loaded; whether it is linked cannot be told")
    return PageState(SessionStatus.UNKNOWN, "the page is loading")


ANY_PAGE = PagePreset(
    name="any",
    # Not the browser's own pages, such as a new tab or a failure to load; `data:,` is chromedriver's first page.
    url=re.compile(r"(?!about:|chrome:|chrome-\w+:|devtools:|data:).+", re.DOTALL),
    # Complete as soon as the load event is due: https://html.spec.whatwg.org/#current-document-readiness
    expression="({loaded: document.readyState === 'complete'})",
    interpret=interpret_any,
)


def custom_preset(url: str, *, ready: str, needs_login: str | None = None) -> PagePreset:
    """Return a preset for a URL, in which `*` stands for anything, and one or two JavaScript expressions.

    An expression counts when its value is truthy. One that throws does not, since it may need something that the page
    has not loaded yet; the state's detail has the exception. Neither is evaluated before the document is parsed, when
    the absence of an element means nothing. `ready` wins over `needs_login`.
    """
    expression = _CUSTOM_EXPRESSION % (_operand(ready), _operand(needs_login or "false"))
    pattern = ".*".join(re.escape(part) for part in url.split("*"))
    return PagePreset("custom", re.compile(pattern, re.DOTALL), expression, interpret_custom)


# Every operand stands on lines of its own, so that a `//` comment in it ends there.
_CUSTOM_EXPRESSION = """(() => {
  if (document.readyState === 'loading') return {loading: true};
  const attempt = (read) => { try { return Boolean(read()); } catch (error) { return String(error).slice(0, 200); } };
  return {ready: attempt(() => (
%s
  )), needs_login: attempt(() => (
%s
  ))};
})()"""


def _operand(expression: str) -> str:
    return expression.strip().rstrip(";")


def interpret_custom(reading: Mapping[str, Any]) -> PageState:
    """Map a reading of a custom preset to a state."""
    ready, needs_login = reading.get("ready"), reading.get("needs_login")
    if ready is True:
        return PageState(SessionStatus.READY, "the page says that it is ready")
    if needs_login is True:
        return PageState(SessionStatus.NEEDS_LINK, "the page asks for a login")
    if reading.get("loading") is True:
        return PageState(SessionStatus.STARTING, "the page is loading")
    if isinstance(fault := reading.get("exception"), str):
        return PageState(SessionStatus.UNKNOWN, f"the readiness expressions cannot be run: {_text(fault)}")
    if ready is None:
        return PageState(SessionStatus.UNKNOWN, "the page could not be read")
    thrown = [f"`{name}` threw {_text(value)}" for name, value in reading.items() if isinstance(value, str)]
    return PageState(SessionStatus.STARTING, "; ".join(thrown) or "the page is not ready yet")


def _text(value: object, *, limit: int | None = _TEXT_LIMIT) -> str:
    """A string from the page, made safe for one line of a terminal; empty for any other value."""
    if not isinstance(value, str):
        return ""
    return one_line(value[:limit])
