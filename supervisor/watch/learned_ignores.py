"""What the bot was seen writing to, remembered from one run to the next.

It is kept as patterns that come before the user's own, so that `!pattern` under `[watch] ignore` brings a file back,
and so does naming it with `--watch`.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from supervisor.system import files
from supervisor.system.documents import parse_object

_NAME = "written.json"

#: Patterns that are kept, the latest ones: a bot with more is better served by a line of configuration.
_MOST = 200


def seen(cache: Path) -> tuple[str, ...]:
    """The patterns of what was seen; none if nothing was, or if the file cannot be read: then it is found out again."""
    try:
        found = parse_object((cache / _NAME).read_bytes()).get("patterns")
    except (OSError, ValueError):
        return ()
    return tuple(one for one in found if isinstance(one, str) and one) if isinstance(found, list) else ()


def remember(cache: Path, pattern: str) -> None:
    """Add a pattern. Where that cannot be written it is found out again in the next run."""
    patterns = [*(one for one in seen(cache) if one != pattern), pattern][-_MOST:]
    with contextlib.suppress(OSError):
        files.replace_file(cache / _NAME, json.dumps({"version": 1, "patterns": patterns}).encode(), durable=False)
