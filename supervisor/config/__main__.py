"""Print `config.example.toml`, `docs/configuration.md` or the JSON schema."""

import json
import sys
from collections.abc import Callable

from supervisor.config import reference, schema

_TEXTS: dict[str, Callable[[], str]] = {
    "example": reference.example_toml,
    "reference": reference.page,
    "schema": lambda: json.dumps(schema(), indent=2) + "\n",
}

if len(sys.argv) != 2 or sys.argv[1] not in _TEXTS:
    sys.exit(f"usage: python -m supervisor.config {{{','.join(_TEXTS)}}}")
print(_TEXTS[sys.argv[1]](), end="")
