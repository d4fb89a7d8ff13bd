"""The project that the doctor examines: read once, shared by all checks."""

import os
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from supervisor.admin.inventory import Inventory
from supervisor.admin.occupants import Occupant, occupant, open_browsers
from supervisor.browser.processes import Browser
from supervisor.config.issues import ConfigError, ConfigIssue
from supervisor.config.loader import load
from supervisor.config.modes import Mode
from supervisor.config.schema import Config
from supervisor.session.locks import running_supervisor
from supervisor.session.profiles.profile import Profile
from supervisor.session.store import SessionStore
from supervisor.setup.doctor.running_bot import RunningBot, running_bot
from supervisor.setup.doctor.source_files import SourceFiles, read_sources
from supervisor.setup.package_json import Package, read_package
from supervisor.system.errors import SessionError
from supervisor.system.reading import read_start

_LARGEST_DOTENV = 64 << 10  # bytes
#: Bots in other languages than JavaScript, whose sources are not read.
_OTHER_SCRIPTS = ("*.py", "src/*.py", "*.sh")
#: As dotenv reads it: a value in quotes, or up to a comment.
_DOTENV_LINE = re.compile(
    r"""(?m)^[ \t]*(?:export[ \t]+)?(?P<name>\w{1,100})[ \t]*=[ \t]*"""
    r"""(?:'(?P<single>[^'\n]*)'|"(?P<double>[^"\n]*)"|(?P<plain>[^\s#'"][^#\n]*?)?)[ \t]*(?:#.*)?$"""
)


class CheckedProject:
    """A project as configured. What takes time is looked up on first use, and only once.

    The properties raise `SessionError` or `OSError` for what cannot be read.
    """

    def __init__(
        self, root: Path, config: Config, *, issues: Sequence[ConfigIssue] = (), command: Sequence[str] = ()
    ) -> None:
        self.root = root
        self.config = config
        self.issues = tuple(issues)
        """The mistakes in the configuration; if there are any, `config` holds the defaults."""
        self.command = tuple(command) or config.bot.command
        self.directory = root / (config.bot.cwd or ".")
        """The folder in which the bot runs."""
        self.cache = root / config.session.cache
        self.state_file = root / config.session.state_file

    @cached_property
    def state_error(self) -> str | None:
        """Why the state file cannot be read, and what to do about it; `None` if it can."""
        try:
            Inventory(self.root, self.config).store.state.trouble()
        except SessionError as error:
            return str(error)
        return None

    @cached_property
    def state_trouble(self) -> str | None:
        """Why the state file is of no use; `None` if it is valid or does not exist. The file is not changed."""
        return self.state_error or self.store.state.trouble()

    @cached_property
    def inventory(self) -> Inventory:
        """The project's sessions."""
        if self.state_error is None:
            return Inventory(self.root, self.config)
        missing = self.config.session.state_file.with_name(".scanonce-doctor-reads-no-state")
        session = self.config.session.model_copy(update={"state_file": missing})
        return Inventory(self.root, self.config.model_copy(update={"session": session}))

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
        """Every browser on this machine, by the real path of its profile."""
        return open_browsers()

    def occupant(self, profile: Profile) -> Occupant | None:
        """The browser that has a profile open."""
        return occupant(profile, self.store, self.browsers)

    @cached_property
    def supervisor(self) -> int | None:
        """The pid of the scanonce that runs here, according to its note."""
        return running_supervisor(self.store.cache)

    @cached_property
    def running(self) -> RunningBot | None:
        """The bot that runs here now; `None` if there is none, or its environment may not be read."""
        return None if self.supervisor is None else running_bot(self.root, self.supervisor)

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """The bot's environment: that of the running bot if there is one, else what a bot would get from here."""
        return {**(os.environ if self.running is None else self.running.environment), **self.config.bot.env}

    @cached_property
    def has_bot(self) -> bool:
        """Whether there is anything here that can be a bot, or was one."""
        return bool(
            self.command
            or self.package.exists
            or self.supervisor is not None
            or any(next(self.directory.glob(pattern), None) for pattern in _OTHER_SCRIPTS)
            or self.sources.files
            or self.profiles
        )

    def variable(self, name: str) -> str | None:
        """A variable of the bot's, also one that it reads from the file `.env` in its folder."""
        return self.environment.get(name) or self._dotenv.get(name)

    @cached_property
    def _dotenv(self) -> dict[str, str]:
        try:
            text = read_start(self.directory / ".env", _LARGEST_DOTENV, follow=True).decode("utf-8", "replace")
        except OSError:
            return {}
        found = {}
        for match in _DOTENV_LINE.finditer(text):
            found[match["name"]] = next((value for value in match.group("single", "double", "plain") if value), "")
        return found

    @cached_property
    def package(self) -> Package:
        """The bot's package.json."""
        return read_package(self.directory)

    @cached_property
    def sources(self) -> SourceFiles:
        """The bot's own source files; only those that its script leads to, if that can be told."""
        return read_sources(self.directory).reached_from(self.command)

    @cached_property
    def other_owner(self) -> str | None:
        """The project's owner if that is another user: then none of its programs is run and nothing is fixed."""
        if os.name == "nt":
            return None
        owner = self.root.stat().st_uid
        return None if owner == os.geteuid() else user_name(owner)

    def shown(self, path: Path) -> str:
        """A path as a user would write it in the project's folder."""
        return str(path.relative_to(self.root) if path.is_relative_to(self.root) else path)


def open_project(project: Path, file: Path | None, command: Sequence[str] = ()) -> CheckedProject:
    """A project with its configuration, or with the defaults if that has mistakes.

    Raises `ConfigError` if the project is not a folder, or if a configuration file was named and does not exist.
    """
    root = project.resolve()
    try:
        return CheckedProject(root, load(root, file, mode=Mode.DEV), command=command)
    except ConfigError as error:
        if not root.is_dir() or (file is not None and not file.exists()):
            raise
        return CheckedProject(root, Config(), issues=error.issues, command=command)


def user_name(number: int) -> str:
    """A user's name, or `user N` for a number without a name."""
    if os.name == "nt":
        return str(number)
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
