"""Python values as TOML."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


def toml_value(value: Any) -> str:
    """Write strings, paths, numbers, booleans, lists and mappings as TOML on one line.

    >>> toml_value({"A": "x"}), toml_value([True, "a\\x7f"])
    ('{ A = "x" }', '[true, "a\\\\u007f"]')
    """
    if isinstance(value, str | Path):
        # A JSON string is a TOML basic string, except for DEL, which TOML wants escaped.
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(name)} = {toml_value(item)}' for name, item in value.items())} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    return str(value)


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else toml_value(name)
