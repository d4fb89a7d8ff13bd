"""A process that sends one message through apprise: reads a request as JSON, writes the result as a line of JSON."""

import contextlib
import json
import logging
import os
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

_LONGEST: Final = 300  # characters of a service's message
_SHORTEST: Final = 5  # characters of a part of a URL that may be a secret
_TYPES: Final = {"info": "info", "warning": "warning", "error": "failure"}


@dataclass(frozen=True, slots=True)
class AppriseRequest:
    """A message and its destination. `timeout` is in seconds; `image`: attach qr.png of the current folder."""

    url: str
    title: str
    body: str
    level: str
    timeout: float
    image: bool


@dataclass(frozen=True, slots=True)
class Result:
    """The problem if the message was not delivered; `final`: another try would not help."""

    problem: str | None = None
    final: bool = False


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def send(request: AppriseRequest) -> Result:
    """Send a message."""
    try:
        import apprise
    except ImportError:
        return Result("the library apprise is not installed: pip install 'scanonce[notify]'", final=True)
    collected = _Collector()
    logger = logging.getLogger("apprise")
    logger.addHandler(collected)
    logger.propagate = False
    targets = apprise.Apprise()
    if not targets.add(request.url):
        return Result(
            "its URL is not one that apprise understands; see https://github.com/caronc/apprise/wiki", final=True
        )
    for server in targets:
        server.socket_connect_timeout = server.socket_read_timeout = request.timeout
    sent = targets.notify(
        body=request.body,
        title=request.title,
        notify_type=apprise.NotifyType(_TYPES.get(request.level, "info")),
        body_format=apprise.NotifyFormat.TEXT,
        attach=[str(Path("qr.png").resolve())] if request.image else None,
    )
    if sent:
        return Result()
    return Result(without_secrets(" ".join(collected.lines), request.url)[:_LONGEST] or "the service refused it")


def without_secrets(text: str, url: str) -> str:
    """Mask every part of a URL except its scheme in a service's message."""
    parts = {part for part in re.split(r"[^\w-]+", url.partition("://")[2]) if len(part) >= _SHORTEST}
    for part in sorted(parts, key=len, reverse=True):
        text = text.replace(part, "***")
    return text


def main() -> None:
    """Send the message that standard input holds."""
    request = AppriseRequest(**json.load(sys.stdin))
    # Plugins may print; the output must hold our line only.
    answer = os.fdopen(os.dup(1), "w")
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        result = send(request)
    print(json.dumps(asdict(result)), file=answer, flush=True)


if __name__ == "__main__":
    main()
