"""The processes of a running bot by the part that they play, for tests that do something to one of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import psutil

from tests.helpers.processes import processes_of


def _is_browser(words: str) -> bool:
    return "--user-data-dir=" in words and "--type=" not in words and "crashpad" not in words


def _is_bot(words: str) -> bool:
    return words.startswith(("node ", "/usr/bin/node ")) and "check_syntax" not in words


_ROLES: Final[Mapping[str, Callable[[str], bool]]] = {
    "node": _is_bot,
    "browser": _is_browser,
    # Not the one that draws the browser's own windows, which has more to do than the page while that is idle.
    "renderer": lambda words: "--type=renderer" in words and "--top-chrome-webui" not in words,
    "gpu": lambda words: "--type=gpu-process" in words,
    "network": lambda words: "network.mojom.NetworkService" in words,
}

ROLES: Final = tuple(_ROLES)
"""The parts there are."""


def victim(folder: Path, role: str) -> psutil.Process:
    """The process that plays a part for the bot in `folder`; of several the one that has worked most, the page's."""
    found: list[tuple[float, psutil.Process]] = []
    for process in processes_of(folder):
        with contextlib.suppress(psutil.NoSuchProcess):
            if _ROLES[role](" ".join(process.cmdline())):
                found.append((sum(process.cpu_times()[:2]), process))
    assert found, f"no process plays the {role}"
    return max(found, key=lambda one: one[0])[1]
