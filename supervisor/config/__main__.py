"""Print `config.example.toml`, `docs/configuration.md` or the JSON schema of `scanonce.toml`."""

import sys

from supervisor.config import docgen

_TEXTS = {"example": docgen.example_toml, "reference": docgen.page, "schema": docgen.json_schema}

if len(sys.argv) != 2 or sys.argv[1] not in _TEXTS:
    sys.exit(f"usage: python -m supervisor.config {{{','.join(_TEXTS)}}}")
print(_TEXTS[sys.argv[1]](), end="")
