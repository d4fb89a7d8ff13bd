"""Starts a fake: `python -I -S run.py bot|browser WORD...`. Small, since what is run directly is compiled each time."""

import sys

ROOT = __file__.removesuffix("/tests/fake/run.py")
sys.path.insert(0, ROOT)

from tests.fake import bot, browser  # noqa: E402

sys.exit({"bot": bot, "browser": browser}[sys.argv[1]].main(sys.argv[2:]))
