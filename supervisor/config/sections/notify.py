"""The section `[notify]`."""

from typing import Annotated, Literal

from pydantic import BeforeValidator

from supervisor.config.types import (
    Bool,
    Duration,
    DurationOrOff,
    Int,
    PositiveDuration,
    Secret,
    Section,
    Str,
    WebhookUrl,
    option,
)

NotificationKind = Literal["needs_link", "recovered", "crash_loop", "logged_out", "over_target"]


class WebhookConfig(Section):
    """One webhook: its URL, and the options that override those of the section."""

    url: WebhookUrl
    secret: Secret | None = option(None, "The secret that signs messages to this webhook, instead of `webhook_secret`.")
    timeout: PositiveDuration | None = option(None, "The timeout of this webhook, instead of `timeout`.")


def _webhook(value: object) -> object:
    """Accept a bare URL as a webhook without options of its own."""
    if isinstance(value, str):
        return {"url": value}
    if isinstance(value, dict | WebhookConfig):
        return value
    raise ValueError('expected a URL, "env:NAME", "file:PATH", or a table such as { url = "...", secret = "env:NAME" }')


Webhook = Annotated[WebhookConfig, BeforeValidator(_webhook, json_schema_input_type=str | WebhookConfig)]


class NotifyConfig(Section):
    """Notifications about what needs a person. Refer to URLs that hold secrets by `env:NAME` or `file:PATH`."""

    webhooks: tuple[Webhook, ...] = option(
        (),
        "URLs to which each message is sent as JSON by POST, or references to them: `env:NAME`, `file:PATH`. A table "
        "with `url` gives one of them a `secret` and a `timeout` of its own. Set it to have a program of yours react.",
        examples=[["https://example.org/bot", {"url": "env:HOOK", "secret": "env:KEY", "timeout": "3s"}]],
    )
    webhook_secret: Secret | None = option(
        None,
        "A reference (`env:NAME` or `file:PATH`) to the secret that signs messages to webhooks without one of their "
        "own. Set it to let the receiver verify the sender.",
        examples=["env:BOT_WEBHOOK_SECRET"],
    )
    apprise: tuple[Str, ...] = option(
        (),
        "Chats and mail, as URLs of the library apprise (pip install 'scanonce[notify]') or references to them: "
        "`env:NAME`, `file:PATH`. Set it to get messages on your phone.",
        examples=[["env:BOT_TELEGRAM", "file:/etc/scanonce/mail-url"]],
    )
    kinds: tuple[NotificationKind, ...] = option(
        ("needs_link", "recovered", "crash_loop", "logged_out", "over_target"),
        "Which kinds of messages are sent. Shorten the list to those that you want to be woken for.",
    )
    every: Duration = option(
        "10min",
        "At most one message of a kind for each session is sent within this time; the next one sums up the rest. "
        "Lengthen it if you get too many.",
    )
    qr: Bool = option(
        True,
        "Include the QR code, as text and image, when a session needs a link. Turn it off if other people read the "
        "messages: anyone who scans it first links their own phone.",
    )
    remind: DurationOrOff = option(
        "off",
        "While a session waits for its link, send the current QR code this often. Set it if you scan from the message: "
        "each code is valid for less than a minute.",
        examples=["30min"],
    )
    timeout: PositiveDuration = option("10s", "How long a target may take to answer. Lengthen it for a slow one.")
    retry_for: PositiveDuration = option(
        "1h",
        "How long a failed delivery is retried, at intervals from 1 s to 5 min. Lengthen it where the network is down "
        "for longer.",
    )
    queue: Int = option(
        100,
        "How many messages may wait for each target; the oldest is dropped first. Lower it to get fewer old messages "
        "after an outage.",
        ge=1,
    )
