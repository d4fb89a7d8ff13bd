"""Patterns of files that the bot was seen writing, remembered from run to run.

They come before the user's own patterns, so that `!pattern` under `[watch] ignore` includes a file again, and so does
naming it with `--watch`.
"""

import contextlib
import json
from pathlib import Path

from supervisor.system import files
from supervisor.system.reading import read_object

_NAME = "written.json"

_MOST = 200  # patterns that are kept, the latest ones


def seen(cache: Path) -> tuple[str, ...]:
    """The patterns, the oldest first; none if the file is missing or cannot be read: they are then learned again."""
    try:
        found = read_object(cache / _NAME).get("patterns")
    except (OSError, ValueError):
        return ()
    return tuple(one for one in found if isinstance(one, str) and one) if isinstance(found, list) else ()


def remember(cache: Path, pattern: str) -> None:
    """Add a pattern. If it cannot be written, the next run learns it again."""
    patterns = [*(one for one in seen(cache) if one != pattern), pattern][-_MOST:]
    with contextlib.suppress(OSError):
        files.replace_file(cache / _NAME, json.dumps({"version": 1, "patterns": patterns}).encode(), durable=False)
