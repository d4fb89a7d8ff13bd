"""The section `[ready]`: when the bot counts as ready."""

from typing import Literal, Self

from pydantic import model_validator

from supervisor.config.modes import by_mode
from supervisor.config.types import Duration, HttpUrl, PositiveDuration, Regex, Section, Str, option


class ReadyPageConfig(Section):
    """What to ask the bot's page."""

    preset: Literal["whatsapp"] = option(
        "whatsapp",
        "A set of known expressions for one web application; the options below replace its parts. "
        "WhatsApp Web is the only one so far.",
    )
    url: Str | None = option(
        None,
        "Which page to ask: part of its URL, or a pattern with `*`. Set it for another application than the preset's.",
        examples=["https://chat.example.com/*"],
    )
    ready: Str | None = option(
        None,
        "A JavaScript expression that is true once the page is ready. Set it for another application "
        "than the preset's.",
        examples=["!!document.querySelector('#chats')"],
    )
    needs_login: Str | None = option(
        None,
        "A JavaScript expression that is true while the page wants a login. Set it for another "
        "application than the preset's.",
        examples=["!!document.querySelector('canvas')"],
    )
    poll: PositiveDuration = option(
        "50ms",
        "How often the page is asked until it is ready. Lengthen it to spare a slow machine.",
    )

    @model_validator(mode="after")
    def _both_expressions(self) -> Self:
        if self.needs_login is not None and self.ready is None:
            raise ValueError("needs_login is set without ready; expected both, or ready alone")
        return self


class ReadyConfig(Section):
    """When the bot counts as ready."""

    method: Literal["auto", "page", "notify", "http", "output", "up"] = option(
        "auto",
        'How readiness is found out: "page" asks the bot\'s page, "notify" waits for READY=1 on '
        'NOTIFY_SOCKET, "http" asks a URL, "output" looks for a pattern, "up" only needs a browser that stays. '
        '"auto" takes whichever the bot offers; fix one when "auto" picks the wrong one.',
    )
    timeout: PositiveDuration = option(
        by_mode("ready.timeout"),
        "After this long without being ready, the bot counts as never ready. Lengthen it for an "
        "account with very many chats.",
    )
    http: HttpUrl | None = option(
        None,
        "A URL that answers with a 2xx status once the bot is ready. Set it if the bot serves a health page.",
        examples=["http://127.0.0.1:3000/health"],
    )
    output: Regex | None = option(
        None,
        "A regular expression; a line of the bot's output that it finds a match in means ready. Set "
        "it if the bot says so itself.",
        examples=["Client is ready"],
    )
    settle: Duration = option(
        "2s",
        'How long the browser (or, without one, the bot) must stay up for "up". Lengthen it if the '
        "bot often dies a little later.",
    )
    page: ReadyPageConfig = option(ReadyPageConfig(), "What to ask the bot's page.")

    @model_validator(mode="after")
    def _method_has_itsoption(self) -> Self:
        if self.method == "http" and self.http is None:
            raise ValueError('method is "http" but http, the URL to ask, is not set')
        if self.method == "output" and self.output is None:
            raise ValueError('method is "output" but output, the pattern to look for, is not set')
        return self
