"""The generated page about events."""

from typing import Final

from supervisor.log.events.model import EventSpec
from supervisor.log.events.registry import EVENTS

_HEAD: Final = """\
# Events

What scanonce reports on standard error: as sentences for people (`--log-format console`), or as one JSON object a line
for programs (`--log-format json`). Each object has `ts` (ISO 8601, UTC), `level` (`debug`, `info`, `warning`, `error`),
`event`, and the fields below.

- The names of events and fields keep their meaning. New ones may be added: ignore those that you do not know.
- An optional field is left out when its value is not known.
- No field ever holds anything out of a profile. `qr` is the one secret: anyone who scans the code links a device. It
  appears in JSON lines only, scanonce writes it to no file, and it expires within a minute.
- Events of level `debug`, and the sentences of those marked *detail*, are only written with `--verbose`.

This page is the output of `python -m supervisor.log.events`.
"""


def reference() -> str:
    """The text of `docs/events.md`."""
    return _HEAD + "".join(_section(event) for event in EVENTS.values())


def _section(event: EventSpec) -> str:
    kind = f"{event.level}, detail" if event.detail else event.level
    lines = ["", f"## `{event.name}`", "", f"{event.doc} *({kind})*"]
    if event.fields:
        lines += ["", "| field | type | meaning |", "|---|---|---|"]
    for name, field in event.fields.items():
        optional = ", optional" if field.optional else ""
        lines.append(f"| `{name}` | {field.type}{optional} | {field.doc} |")
    return "\n".join(lines) + "\n"
