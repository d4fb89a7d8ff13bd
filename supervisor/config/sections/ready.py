"""The section `[ready]`."""

from typing import Literal, Self

from pydantic import model_validator

from supervisor.config.modes import by_mode
from supervisor.config.types import Duration, HttpUrl, PositiveDuration, Regex, Section, Str, option


class ReadyPageConfig(Section):
    """How readiness is read from the bot's page."""

    preset: Literal["whatsapp"] = option(
        "whatsapp",
        "A set of known expressions for one web application; the options below replace its parts. WhatsApp Web is the "
        "only one so far.",
    )
    url: Str | None = option(
        None,
        "Which page to examine: part of its URL, or a pattern with `*`. Set it for another application than the "
        "preset's.",
        examples=["https://chat.example.com/*"],
    )
    ready: Str | None = option(
        None,
        "A JavaScript expression that is true once the page is ready. Set it for another application than the "
        "preset's.",
        examples=["!!document.querySelector('#chats')"],
    )
    needs_login: Str | None = option(
        None,
        "A JavaScript expression that is true while the page asks for a login. Set it for another application than "
        "the preset's.",
        examples=["!!document.querySelector('canvas')"],
    )
    poll: PositiveDuration = option(
        "50ms", "How often the page is examined until it is ready. Lengthen it to spare a slow machine."
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
        'How readiness is detected: "page" examines the bot\'s page, "notify" waits for READY=1 on NOTIFY_SOCKET, '
        '"http" requests a URL, "output" looks for a pattern, "up" only needs a browser that stays up. "auto" takes '
        'what the bot offers; set one of the others if "auto" chooses the wrong one.',
    )
    timeout: PositiveDuration = option(
        by_mode("ready.timeout"),
        "How long the bot may take until it is ready. Lengthen it for an account with very many chats.",
    )
    http: HttpUrl | None = option(
        None,
        "A URL that answers with a 2xx status once the bot is ready. Set it if the bot serves a health page.",
        examples=["http://127.0.0.1:3000/health"],
    )
    output: Regex | None = option(
        None,
        "A regular expression; the bot is ready once a line of its output matches. Set it if the bot prints such a "
        "line.",
        examples=["Client is ready"],
    )
    settle: Duration = option(
        "2s",
        'How long the browser (or, without one, the bot) must stay up for "up". Lengthen it if the bot often dies a '
        "little later.",
    )
    page: ReadyPageConfig = option(ReadyPageConfig(), "How readiness is read from the bot's page.")

    @model_validator(mode="after")
    def _method_has_its_option(self) -> Self:
        if self.method == "http" and self.http is None:
            raise ValueError('method is "http" but http, the URL to request, is not set')
        if self.method == "output" and self.output is None:
            raise ValueError('method is "output" but output, the pattern to look for, is not set')
        return self
