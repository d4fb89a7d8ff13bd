"""The targets of the configuration, and the reasons why some cannot be used."""

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
from supervisor.system.reading import DamagedFileError, read_text

_LONGEST_SECRET = 64 << 10  # bytes; a key file of PEM form has some thousand


class UnusableError(Exception):
    """A target cannot be used: the problem, and what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


@dataclass(slots=True)
class Targets:
    """The targets that can be used, and those that cannot."""

    usable: list[NotificationTarget] = field(default_factory=list)
    unusable: dict[str, UnusableError] = field(default_factory=dict)
    """By the target's name."""

    def add(self, name: str, make: Callable[[], NotificationTarget]) -> None:
        """Make a target, or record why it cannot be used."""
        try:
            self.usable.append(make())
        except UnusableError as error:
            self.unusable[name] = error


def make_targets(config: NotifyConfig, project: Path, helpers: HelperRunner, folder: Callable[[], Path]) -> Targets:
    """Make every target, reading the files and variables that it refers to. `folder` makes a private folder."""
    found = Targets()

    def webhook(name: str, one: WebhookConfig) -> Webhook:
        secret = one.secret or config.webhook_secret
        # Never unsigned if a secret is configured: the receiver would reject the message.
        key = None if secret is None else _key(secret, project)
        return Webhook(name, _url(one.url, project), key, one.timeout or config.timeout)

    def apprise(name: str, url: str) -> apprise_target.AppriseTarget:
        if not apprise_target.installed():
            raise UnusableError("the library apprise is not installed", apprise_target.INSTALL)
        return apprise_target.AppriseTarget(name, _resolved(url, project), helpers, folder, config.timeout)

    for number, one in enumerate(config.webhooks, 1):
        name = f"webhook {number} ({_shown(one.url)})"
        found.add(name, lambda name=name, one=one: webhook(name, one))  # type: ignore[misc]  # bound as they are now
    for number, url in enumerate(config.apprise, 1):
        name = f"apprise {number} ({_shown(url)})"
        found.add(name, lambda name=name, url=url: apprise(name, url))  # type: ignore[misc]  # as above
    return found


def _shown(url: str) -> str:
    """The public part of an address: the reference to it, a webhook's host, or a service's name."""
    if is_reference(url):
        return url
    scheme, _, _ = url.partition(":")
    return urlsplit(url).hostname or scheme if scheme in {"http", "https"} else scheme


def _resolved(value: str, project: Path) -> str:
    """Return a value, or the one that it refers to. Raises `UnusableError`."""
    if not is_reference(value):
        return value
    kind, _, where = value.partition(":")
    if kind == "env":
        if not (found := os.environ.get(where, "").strip()):
            raise UnusableError(f"the environment variable {where} is not set", "set it where scanonce is started")
        return found
    path = project / os.path.expanduser(where)  # noqa: PTH111  Path.expanduser raises without a home
    try:
        found = read_text(path, _LONGEST_SECRET, follow=True).strip()
    except OSError as error:
        raise UnusableError(f"{path} cannot be read: {error.strerror}", "put only the value into it") from None
    except DamagedFileError as error:
        raise UnusableError(f"{path} cannot be read: {error}", "put only the value into it") from None
    if not found:
        raise UnusableError(f"{path} is empty", "put only the value into it")
    return found


def _url(value: str, project: Path) -> str:
    try:
        return parse_http_url(_resolved(value, project))
    except ValueError:
        raise UnusableError(f"what {value} holds is not an http or https URL", "put only the URL into it") from None


def _key(value: str, project: Path) -> bytes:
    try:
        return signature.key_of(_resolved(value, project))
    except ValueError as error:
        raise UnusableError(f"the secret in {value}: {error}", "see docs/notifications.md") from None
