"""The registry as a page of documentation."""

from typing import Final

from supervisor.log.events.model import Event
from supervisor.log.events.registry import EVENTS

_HEAD: Final = """\
# Events

What scanonce reports on standard error: as sentences for people (`--log-format console`), or as one JSON object a line
for programs (`--log-format json`). Each object has `ts` (ISO 8601, UTC), `level` (`debug`, `info`, `warning`, `error`),
`event`, and the fields below.

- A name or a field keeps its meaning once it is here. New ones may be added: ignore what you do not know.
- An optional field is left out when its value is not known.
- No field ever holds anything out of a profile. `qr` is the one secret: whoever scans the code links a device. It
  stands in JSON lines only, is kept in no file of scanonce's, and is worth nothing within a minute.
- Level `debug` is only written with `--verbose`; so are, as sentences, those marked *detail*.

This page is the output of `python -m supervisor.log.events`.
"""


def reference() -> str:
    """The text of `docs/events.md`."""
    return _HEAD + "".join(_section(event) for event in EVENTS.values())


def _section(event: Event) -> str:
    kind = f"{event.level}, detail" if event.detail else event.level
    lines = ["", f"## `{event.name}`", "", f"{event.doc} *({kind})*"]
    if event.fields:
        lines += ["", "| field | type | meaning |", "|---|---|---|"]
    for field in event.fields:
        optional = ", optional" if field.optional else ""
        lines.append(f"| `{field.name}` | {field.type}{optional} | {field.doc} |")
    return "\n".join(lines) + "\n"
