"""Reading JSON that may be anything."""

import json
from typing import Any


def parse_object(data: bytes) -> dict[str, Any]:
    """A JSON object. Raises `ValueError`, and nothing else, for anything that is none."""
    try:
        document = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as error:
        raise ValueError("it is not JSON") from error
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - of what the bytes say
    return document
