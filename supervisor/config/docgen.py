"""Generates `config.example.toml`, `docs/configuration.md` and the JSON schema from the models."""

import json
import textwrap
from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel

from supervisor.config.modes import BY_MODE, Mode
from supervisor.config.schema import Config
from supervisor.config.toml_writer import toml_value

NOT_SET: Final = "an example; not set by default"

_EXAMPLE_HEAD: Final = """\
# scanonce.toml: every option with its default, and why you would change it.
#
# No option is required. Create a file of this name in the bot's folder with the options that you want to change. A copy
# of this file changes nothing, because every option in it is commented out.
#
# Durations have a unit: "250ms", "10s", "5min", "1.5h", "7d". So do sizes: "500MB", "2GB", "1.5GiB".
# Paths are relative to this folder. A wrong key or value is reported with its line before anything is started.
"""

SCHEMA_NAME: Final = "scanonce.schema.json"
"""The file beside `scanonce.toml` in which editors find its schema."""

_PAGE_HEAD: Final = """\
# Configuration

Nothing needs to be configured. Options that you want to change go into `scanonce.toml` in the bot's folder, or into the
file named by `--config FILE`; an option on the command line wins over both. `config.example.toml` holds every option,
ready to copy.

**Durations** have a unit: `"250ms"`, `"10s"`, `"5min"` (or `"5m"`), `"1.5h"`, `"7d"`, `"2w"`. So do **sizes**:
`"500MB"` (10^6), `"1.5GiB"` (2^30). A bare number is an error. **Paths** are relative to the project; `~` is your home.

All mistakes in a file are reported at once, before anything is started, and scanonce ends with exit code 2:

    scanonce: scanonce.toml:3: stop.grace: a bare number: a duration needs a unit, for example "10s" (got 10)
    scanonce: scanonce.toml:4: stop.sginal: unknown key; did you mean stop.signal?
    scanonce: scanonce.toml:9: stop.order: expected "browser-first" or "bot-first" (got "browser")

This page is the output of `python -m supervisor.config reference`; `config.example.toml` that of
`python -m supervisor.config example`. Editors complete and check the file by the JSON schema that `scanonce init`
writes beside it; `scanonce config schema --output scanonce.schema.json` writes it anew after an upgrade.
"""


def example_toml() -> str:
    """The text of `config.example.toml`."""
    parts = [_EXAMPLE_HEAD]
    for table, model in tables():
        parts.append(f"\n# {model.__doc__}\n[{table}]\n")
        parts.extend(_example_option(table, *option) for option in options_of(model))
    return "".join(parts)


def page() -> str:
    """The text of `docs/configuration.md`."""
    parts = [_PAGE_HEAD]
    for table, model in tables():
        parts.append(f"\n## `[{table}]`\n\n{model.__doc__}\n\n| option | default | |\n|---|---|---|\n")
        parts.extend(_page_row(table, *option) for option in options_of(model))
    return "".join(parts)


def json_schema() -> str:
    """The JSON schema of `scanonce.toml`, as text."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema(mode="validation")}
    return json.dumps(schema, indent=2) + "\n"


def tables(model: type[BaseModel] = Config, prefix: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Every table of the file in order, with its model."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield prefix + name, field.annotation
            yield from tables(field.annotation, f"{prefix}{name}.")


def options_of(model: type[BaseModel]) -> Iterator[tuple[str, str, Any, bool]]:
    """The name, the description and the default of each option; an example, and True, if there is no default."""
    for name, field in model.model_fields.items():
        assert field.description, "every option needs a description"
        if field.default is None or field.default in ((), {}):
            assert field.examples, "an option without a default needs an example"
            yield name, field.description, field.examples[0], True
        elif not isinstance(field.default, BaseModel):
            yield name, field.description, field.default, False


def _example_option(table: str, name: str, description: str, value: Any, is_example: bool) -> str:
    note = f"  # {NOT_SET}" if is_example else ""
    if by_mode := BY_MODE.get(f"{table}.{name}"):
        note = f"  # in scanonce dev; {toml_value(by_mode[Mode.RUN])} in scanonce run"
    comment = textwrap.fill(description, 116, initial_indent="# ", subsequent_indent="# ")
    return f"\n{comment}\n#{name} = {toml_value(value)}{note}\n"


def _page_row(table: str, name: str, description: str, value: Any, is_example: bool) -> str:
    default = f"{'not set; for example ' if is_example else ''}`{toml_value(value)}`"
    if by_mode := BY_MODE.get(f"{table}.{name}"):
        default = ", ".join(f"{mode}: `{toml_value(value)}`" for mode, value in by_mode.items())
    return f"| `{name}` | {default} | {description} |\n"
