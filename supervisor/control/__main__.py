"""Print `docs/openapi.json`."""

import json

from supervisor.control.openapi import description

print(json.dumps(description(), indent=2))
