"""The versions of libraries whose start on a loaded page is known; `attach.cjs` reads the same file."""

import json
from pathlib import Path
from typing import Final

_FILE: Final = Path(__file__).with_name("libraries.json")


def known_versions(library: str) -> list[str]:
    """The known versions of `whatsapp-web.js` or `puppeteer`, the oldest first."""
    entries = json.loads(_FILE.read_text("utf-8"))[library].values()
    found = {str(version) for entry in entries for version in entry["versions"]}  # several may have the same files
    return sorted(found, key=lambda name: [int(part) for part in name.split(".")])
