"""Starts a fake: `python -I -S run.py bot|browser WORD...`. Small, since what is run directly is compiled each time."""

import resource
import sys

#: What stands in for a full disk (`disk.py`) is meant for scanonce alone.
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.getrlimit(resource.RLIMIT_FSIZE)[1],) * 2)

ROOT = __file__.removesuffix("/tests/helpers/run.py")
sys.path.insert(0, ROOT)

from tests.helpers import bot, browser  # noqa: E402

sys.exit({"bot": bot, "browser": browser}[sys.argv[1]].main(sys.argv[2:]))
