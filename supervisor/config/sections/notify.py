"""The section `[notify]`: who is told when something needs a person."""

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

Kind = Literal["needs_link", "recovered", "crash_loop", "logged_out", "over_target"]


class WebhookConfig(Section):
    """One webhook: its URL, and what of the section is different for it."""

    url: WebhookUrl
    secret: Secret | None = option(None, "Signs this one's messages, in the place of `webhook_secret`.")
    timeout: PositiveDuration | None = option(None, "How long this one may take, in the place of `timeout`.")


def _webhook(value: object) -> object:
    """A webhook that is a URL and nothing else may be written as one."""
    if isinstance(value, str):
        return {"url": value}
    if isinstance(value, dict | WebhookConfig):
        return value
    raise ValueError('expected a URL, "env:NAME", "file:PATH", or a table such as { url = "...", secret = "env:NAME" }')


Webhook = Annotated[WebhookConfig, BeforeValidator(_webhook, json_schema_input_type=str | WebhookConfig)]


class NotifyConfig(Section):
    """Who is told when something needs a person. Addresses that hold secrets belong into `env:NAME` or `file:PATH`."""

    webhooks: tuple[Webhook, ...] = option(
        (),
        "URLs that get each message as JSON by POST; or `env:NAME`, `file:PATH` where the URL is to be found. A table "
        "with `url` gives one of them a `secret` and a `timeout` of its own. Set it to have a program of your own "
        "react.",
        examples=[["https://example.org/bot", {"url": "env:HOOK", "secret": "env:KEY", "timeout": "3s"}]],
    )
    webhook_secret: Secret | None = option(
        None,
        "Where the secret is to be found that signs what webhooks without one of their own get: `env:NAME` or "
        "`file:PATH`. Set it to be able to tell our messages from anybody else's.",
        examples=["env:BOT_WEBHOOK_SECRET"],
    )
    apprise: tuple[Str, ...] = option(
        (),
        "Chats and mail, as URLs of the library apprise (pip install 'scanonce[notify]'); or `env:NAME`, `file:PATH`. "
        "Set it to be told where you are.",
        examples=[["env:BOT_TELEGRAM", "file:/etc/scanonce/mail-url"]],
    )
    kinds: tuple[Kind, ...] = option(
        ("needs_link", "recovered", "crash_loop", "logged_out", "over_target"),
        "What is told of. Shorten it to what you would get up for.",
    )
    every: Duration = option(
        "10min",
        "Of one kind and session one message is sent within this time; what else there is of it is summed up in the "
        "next. Lengthen it if you are told too often.",
    )
    qr: Bool = option(
        True,
        "Send the QR code along, as text and image, when a session needs a link. Turn it off where others read along: "
        "whoever scans it first links a phone of his.",
    )
    remind: DurationOrOff = option(
        "off",
        "While a session waits for its link, send the code that is valid by then this often. Set it if you scan from "
        "the message: each code is valid for less than a minute.",
        examples=["30min"],
    )
    timeout: PositiveDuration = option(
        "10s", "How long a target may take to answer. Lengthen it for one that is far away."
    )
    retry_for: PositiveDuration = option(
        "1h",
        "How long a message that does not arrive is tried again, after pauses from 1 s to 5 min. Lengthen it where the "
        "network is away for longer.",
    )
    queue: Int = option(
        100,
        "So many messages wait for each target at most; the oldest is dropped for a further one. Lower it to get less "
        "old news after an outage.",
        ge=1,
    )
