"""Pydantic's errors as sentences: what was expected, and what was found."""

import difflib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from supervisor.config.schema import Config
from supervisor.config.sections.notify import WebhookConfig

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_EXPECTED: Final = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "string_type": "a string",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table of options",
}
_LONGEST_VALUE: Final = 40
#: Options whose values are not repeated in messages: environment variables, and URLs that hold passwords.
_SECRET: Final = {("bot", "env"), ("notify", "webhooks"), ("notify", "webhook_secret"), ("notify", "apprise")}
#: Lists whose items may be tables, and the model of an item.
_IN_LISTS: Final[Mapping[tuple[str, ...], type[BaseModel]]] = {("notify", "webhooks"): WebhookConfig}


def explain(detail: "ErrorDetails", keys: tuple[str, ...]) -> str:
    """Describe in one sentence what is wrong with the value at `keys`."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(keys)
    # The value helps to find the place, but some values may be secrets.
    got = "" if keys[:2] in _SECRET else f" (got {_shown(detail['input'])})"
    if kind == "value_error":
        return str(context["error"]) + ("" if isinstance(detail["input"], dict | BaseModel) else got)
    if kind == "missing":
        return "missing"
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}{got}"
    if kind == "literal_error":
        return f"expected {context['expected']}{got}".replace("'", '"')
    if kind == "greater_than_equal":
        return f"expected at least {context['ge']}{got}"
    return detail["msg"][0].lower() + detail["msg"][1:] + got


def known_keys(model: type[BaseModel] = Config, prefix: str = "") -> Iterator[str]:
    """Every section and every option below `model` as a dotted key."""
    for name, field in model.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from known_keys(field.annotation, f"{prefix}{name}.")


def _unknown(keys: tuple[str, ...]) -> str:
    if (model := _IN_LISTS.get(keys[:2])) is not None:
        close = difflib.get_close_matches(keys[-1], model.model_fields, n=1)
        return "unknown key; " + (f"did you mean {close[0]}?" if close else f"expected {', '.join(model.model_fields)}")
    prefix, known = "".join(f"{key}." for key in keys[:-1]), list(known_keys())
    siblings = [key for key in known if key.startswith(prefix) and "." not in key[len(prefix) :]]
    nearest = _nearest(keys, siblings, known)
    kind = "unknown section" if len(keys) == 1 and nearest in Config.model_fields else "unknown key"
    if nearest is not None:
        return f"{kind}; did you mean {nearest}?"
    return f"{kind}; expected one of {', '.join(key[len(prefix) :] for key in siblings)}"


def _nearest(keys: tuple[str, ...], siblings: list[str], known: list[str]) -> str | None:
    """The known key that was probably meant: one of the same name elsewhere, a similar sibling, any similar one."""
    elsewhere = [key for key in known if key.rpartition(".")[2] == keys[-1]]
    for candidates, cutoff in ((elsewhere, 0.0), (siblings, 0.6), (known, 0.7)):
        if close := difflib.get_close_matches(".".join(keys), candidates, n=1, cutoff=cutoff):
            return close[0]
    return None


def _shown(value: Any) -> str:
    """A value as written in TOML, shortened; only the kind of a table or list."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    text = text.encode("unicode_escape").decode() if not text.isprintable() else text
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
