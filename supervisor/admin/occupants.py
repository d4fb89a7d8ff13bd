"""Who has a profile or a project in use, said so that a person knows what to end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from supervisor.browser.processes import Browser, find_browsers
from supervisor.process.table import find_by_argument
from supervisor.session.locks import HOW_TO_STOP, busy, running_supervisor
from supervisor.session.store import SessionStore
from supervisor.system.errors import ProfileInUseError
from supervisor.system.escape import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.session.profiles.profile import Profile

_SWITCH = "--user-data-dir="


@dataclass(frozen=True, slots=True)
class Occupant:
    """A browser that has a profile open, and who runs it."""

    browser: Browser
    bot: int | None
    """The process that started the browser; `None` if that is gone."""
    supervisor: int | None
    """The scanonce that runs the bot; `None` if it was started some other way."""

    @property
    def pid(self) -> int:
        """The browser's main process."""
        return self.browser.main.pid

    def __str__(self) -> str:
        """Who it is, and what to do about it, in two sentences."""
        if self.supervisor is not None:
            remedy = HOW_TO_STOP
        elif self.bot is not None:
            remedy = "Stop that bot first."
        else:
            remedy = f"End it first: SIGINT to process {self.pid} lets it write everything down."
        return f"{printable(self.browser.profile)} is in use by {self.who}. {remedy}"

    @property
    def who(self) -> str:
        """Who it is, in a few words."""
        if self.supervisor is not None:
            return f"the bot that scanonce runs (process {self.supervisor})"
        if self.bot is not None:
            return f"a browser (process {self.pid}, started by process {self.bot})"
        return f"a browser whose bot is gone (process {self.pid})"


def open_browsers() -> dict[Path, Browser]:
    """Every browser of this machine, by the real path of its profile. Costs a look at each process."""
    return {browser.profile: browser for browser in find_browsers(find_by_argument(_SWITCH))}


def occupant(profile: Profile, store: SessionStore, browsers: Mapping[Path, Browser] | None = None) -> Occupant | None:
    """Who has a profile open; `browsers` spares a look at the machine that was taken just now."""
    browser = (open_browsers() if browsers is None else browsers).get(profile.folder)
    if browser is None:
        return None
    try:
        ancestors = [process.pid for process in psutil.Process(browser.main.pid).parents()]
    except psutil.NoSuchProcess:
        return None
    supervisor = running_supervisor(store.cache)
    parent = browser.main.parent
    return Occupant(browser, parent if parent > 1 else None, supervisor if supervisor in ancestors else None)


def refuse_in_use(profile: Profile, store: SessionStore) -> None:
    """Raise `ProfileInUseError` if anybody uses the profile, as far as processes, notes and its own lock tell."""
    holder = occupant(profile, store)
    if holder is not None:
        raise ProfileInUseError(str(holder))
    if running_supervisor(store.cache) is not None:
        raise ProfileInUseError(busy(store.project, store.cache))
    store.refuse_held(profile)
