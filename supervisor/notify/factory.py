"""From the configuration to targets, and to what stands in the way of some."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from supervisor.config.sections.notify import NotifyConfig, WebhookConfig
from supervisor.config.types import is_reference, parse_http_url
from supervisor.notify import apprise_target, signature
from supervisor.notify.target import NotificationTarget
from supervisor.notify.webhook import Webhook
from supervisor.process.helper import HelperRunner


class UnusableError(Exception):
    """A target cannot be used: what is missing, and what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Unusable:
    """A target that cannot be used."""

    target: str
    problem: str
    remedy: str


@dataclass(slots=True)
class Targets:
    """Those that can be told, and those that cannot."""

    usable: list[NotificationTarget] = field(default_factory=list)
    unusable: list[Unusable] = field(default_factory=list)

    def add(self, name: str, make: Callable[[], NotificationTarget]) -> None:
        """Make one, or note why not."""
        try:
            self.usable.append(make())
        except UnusableError as error:
            self.unusable.append(Unusable(name, str(error), error.remedy))


def targets_of(config: NotifyConfig, project: Path, helpers: HelperRunner, folder: Callable[[], Path]) -> Targets:
    """Every target; `folder` makes a private folder. Reads the files and variables that are referred to."""
    found = Targets()

    def webhook(name: str, one: WebhookConfig) -> Webhook:
        secret = one.secret or config.webhook_secret
        # Never unsigned if it was to be signed: a receiver would take that for somebody else's.
        key = None if secret is None else _key(secret, project)
        return Webhook(name, _url(one.url, project), key, one.timeout or config.timeout)

    def conversation(name: str, url: str) -> apprise_target.Chat:
        if not apprise_target.installed():
            raise UnusableError("the library apprise is not installed", apprise_target.INSTALL)
        return apprise_target.Chat(name, _resolved(url, project), helpers, folder, config.timeout)

    for number, one in enumerate(config.webhooks, 1):
        name = f"webhook {number} ({_shown(one.url)})"
        found.add(name, lambda name=name, one=one: webhook(name, one))  # type: ignore[misc]  # bound as they are now
    for number, url in enumerate(config.apprise, 1):
        name = f"apprise {number} ({_shown(url)})"
        found.add(name, lambda name=name, url=url: conversation(name, url))  # type: ignore[misc]  # as above
    return found


def _shown(url: str) -> str:
    """What can be said of an address: where it is to be found, a webhook's host, a service's name."""
    if is_reference(url):
        return url
    scheme, _, _ = url.partition(":")
    return urlsplit(url).hostname or scheme if scheme in {"http", "https"} else scheme


def _resolved(value: str, project: Path) -> str:
    """A value, or what a reference leads to. Raises `UnusableError`."""
    if not is_reference(value):
        return value
    kind, _, where = value.partition(":")
    if kind == "env":
        if not (found := os.environ.get(where, "").strip()):
            raise UnusableError(f"the environment variable {where} is not set", "set it where scanonce is started")
        return found
    path = project / Path(where).expanduser()
    try:
        found = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UnusableError(f"{path} cannot be read: {error.strerror}", "put the value alone into it") from None
    except UnicodeDecodeError:
        raise UnusableError(f"{path} is no text in UTF-8", "put the value alone into it") from None
    if not found:
        raise UnusableError(f"{path} is empty", "put the value alone into it")
    return found


def _url(value: str, project: Path) -> str:
    try:
        return parse_http_url(_resolved(value, project))
    except ValueError:
        raise UnusableError(f"what {value} holds is no http or https URL", "put the URL alone into it") from None


def _key(value: str, project: Path) -> bytes:
    try:
        return signature.key_of(_resolved(value, project))
    except ValueError as error:
        raise UnusableError(f"the secret in {value}: {error}", "see docs/notifications.md") from None
