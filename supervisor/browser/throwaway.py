"""Throw-away profiles: those that a library, or the bot, makes for one browser and removes after it.

They are no sessions: none of them is opened a second time.
"""

import math
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from supervisor.session.profiles.folder_identity import born

#: The folders that puppeteer (`ChromeLauncher.ts`), Playwright (`browserType.ts`), and chromedriver with Chromium's
#: own `ScopedTempDir` make where no profile is given; each name ends in a random part.
_DEFAULT_NAME = re.compile(
    r"puppeteer_dev_(chrome_)?profile-\w{6}"
    r"|playwright_chromium(dev)?_profile-\w{6}"
    r"|\.?(org\.chromium\.Chromium|com\.google\.Chrome)\.(scoped_dir\.)?\w{6}"
    r"|\.?scoped_dir[\w.-]*",
    re.ASCII,
)

_TEMPORARY_VARIABLES = ("TMPDIR", "TMP", "TEMP")


def temporary_folders(environment: Mapping[str, str]) -> frozenset[Path]:
    """The folders for temporary files of a program with this environment, links resolved."""
    named = [environment[name] for name in _TEMPORARY_VARIABLES if environment.get(name, "").startswith(os.sep)]
    return frozenset(Path(os.path.realpath(one)) for one in (*named, tempfile.gettempdir(), "/tmp", "/var/tmp"))  # noqa: S108


def is_throwaway(profile: Path, temporary: Iterable[Path] = (), *, since: float = math.inf) -> bool:
    """Whether a profile is one to throw away: by its name, or because it is new and temporary.

    New is what lies in a folder that was made in one of the `temporary` folders after
    `since`, in seconds since the epoch. Looks at the disk.
    """
    if _DEFAULT_NAME.fullmatch(profile.name):
        return True
    above = [folder for folder in temporary if folder in profile.parents]
    if not above:
        return False
    nearest = max(above, key=lambda folder: len(folder.parts))
    top = nearest / profile.relative_to(nearest).parts[0]
    if not top.exists():  # the browser is about to make it
        return since < math.inf
    made = born(top)
    return made is not None and made >= since
