"""Which version a browser's program is, before it is started."""

from __future__ import annotations

import os
import re
import subprocess
from datetime import datetime

_TIMEOUT = 5.0  # seconds; Chromium answers in some 50 ms
_ANSWER = re.compile(r"(?:chrom|brave|edge|opera|vivaldi)\D*(\d+(?:\.\d+)+)", re.IGNORECASE)


def version_if_replaced(program: str, since: datetime) -> str | None:
    """The version of a program that has been installed anew since a moment, up or down.

    None if it has not, is gone, or does not say its version as Chromium and its kin do. Only then is it run, so that
    an ordinary start costs one look at the file.
    """
    try:
        # When its entry was made or changed: a package brings its files with times of its own.
        if os.stat(program).st_ctime <= since.timestamp():  # noqa: PTH116 - argv holds what may be no path
            return None
        asked = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    found = _ANSWER.search(asked.stdout.decode("utf-8", "replace"))
    return found[1] if found else None
