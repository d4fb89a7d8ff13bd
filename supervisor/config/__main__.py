"""Print `config.example.toml`, `docs/configuration.md` or the JSON schema."""

import json
import sys
from collections.abc import Callable

from supervisor.config import docgen
from supervisor.config.loader import schema

_TEXTS: dict[str, Callable[[], str]] = {
    "example": docgen.example_toml,
    "reference": docgen.page,
    "schema": lambda: json.dumps(schema(), indent=2) + "\n",
}

if len(sys.argv) != 2 or sys.argv[1] not in _TEXTS:
    sys.exit(f"usage: python -m supervisor.config {{{','.join(_TEXTS)}}}")
print(_TEXTS[sys.argv[1]](), end="")
