"""The project that is looked at: read once, shared by all findings."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor.admin.inventory import Inventory
from supervisor.admin.occupants import Occupant, occupant, open_browsers, running_supervisor
from supervisor.config.issues import ConfigError, ConfigIssue
from supervisor.config.loader import load
from supervisor.config.modes import Mode
from supervisor.config.schema import Config
from supervisor.session.profiles.profile import Profile
from supervisor.session.state_file import StateFile
from supervisor.session.store import SessionStore
from supervisor.setup.doctor.source import Sources, read_sources
from supervisor.setup.package_json import Package, read_package
from supervisor.system.errors import SessionError

if TYPE_CHECKING:
    from supervisor.browser.discovery import Browser


class Place:
    """A project as configured. What takes time is looked up when it is first asked for, and only once.

    The properties raise `SessionError` or `OSError` for what cannot be read.
    """

    def __init__(
        self, project: Path, config: Config, *, issues: Sequence[ConfigIssue] = (), command: Sequence[str] = ()
    ) -> None:
        self.project = project
        self.config = config
        self.issues = tuple(issues)
        """What is wrong with the configuration; then `config` holds the defaults."""
        self.command = tuple(command) or config.bot.command
        self.directory = project / (config.bot.cwd or ".")
        self.environment: Mapping[str, str] = os.environ | config.bot.env

    @cached_property
    def state_error(self) -> str | None:
        """What keeps anybody from reading the state file, and what to do about it; `None` if nothing does."""
        try:
            self._state_file.trouble()
        except SessionError as error:
            return str(error)
        return None

    @cached_property
    def state_trouble(self) -> str | None:
        """Why the state file is of no use; `None` if it is, or is not there. It is left as it is."""
        return self.state_error or self._state_file.trouble()

    @property
    def _state_file(self) -> StateFile:
        return StateFile(self.project / self.config.session.state_file)

    @cached_property
    def inventory(self) -> Inventory:
        """The project's sessions."""
        if self.state_trouble is None:
            return Inventory(self.project, self.config)
        # A file that makes no sense is replaced by whoever reads it through the store: not by a doctor that only looks.
        missing = self.config.session.state_file.with_name(".scanonce-doctor-reads-no-state")
        session = self.config.session.model_copy(update={"state_file": missing})
        return Inventory(self.project, self.config.model_copy(update={"session": session}))

    @property
    def store(self) -> SessionStore:
        """The project's sessions on disk."""
        return self.inventory.store

    @cached_property
    def profiles(self) -> list[Profile]:
        """The profiles that are configured, known, or found where bots usually keep them."""
        return self.store.profiles()

    @cached_property
    def browsers(self) -> dict[Path, Browser]:
        """Every browser of this machine, by the real path of its profile."""
        return open_browsers()

    def occupant(self, profile: Profile) -> Occupant | None:
        """Who has a profile open."""
        return occupant(profile, self.store, self.browsers)

    @cached_property
    def supervisor(self) -> int | None:
        """The scanonce that runs here, as far as its note tells."""
        return running_supervisor(self.store.cache)

    @cached_property
    def package(self) -> Package:
        """The bot's package.json."""
        return read_package(self.directory)

    @cached_property
    def sources(self) -> Sources:
        """The bot's own source files."""
        return read_sources(self.directory)

    @cached_property
    def stranger(self) -> str | None:
        """To whom the project belongs if not to us: then none of its programs is run, and nothing is mended."""
        if os.name == "nt":
            return None
        owner = self.project.stat().st_uid
        return None if owner == os.geteuid() else user_name(owner)

    def shown(self, path: Path) -> str:
        """A path as one would write it in the project's folder."""
        return str(path.relative_to(self.project) if path.is_relative_to(self.project) else path)


def open_place(project: Path, file: Path | None, command: Sequence[str] = ()) -> Place:
    """A project with its configuration; with the defaults if there is something wrong with that.

    Raises `ConfigError` for a project that is no folder, and for a configuration file that was named and is not there.
    """
    folder = project.resolve()
    try:
        return Place(folder, load(folder, file, mode=Mode.DEV), command=command)
    except ConfigError as error:
        if not folder.is_dir() or (file is not None and not file.exists()):
            raise
        return Place(folder, Config(), issues=error.issues, command=command)


def user_name(number: int) -> str:
    """A user by name, or by number where that has none."""
    if os.name == "nt":
        return str(number)
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
