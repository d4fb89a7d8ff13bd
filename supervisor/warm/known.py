"""The versions of libraries whose start on a loaded page is known; `attach.cjs` reads the same file."""

import json
from pathlib import Path
from typing import Final

_FILE: Final = Path(__file__).with_name("libraries.json")


def known_versions(library: str) -> list[str]:
    """The known versions of `whatsapp-web.js` or `puppeteer`, the oldest first."""
    entries = json.loads(_FILE.read_text("utf-8"))[library].values()
    # Two versions may have the same files: they have one entry, under the later one's name.
    return sorted(
        {str(entry["version"]) for entry in entries}, key=lambda name: [int(part) for part in name.split(".")]
    )
