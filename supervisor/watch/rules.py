"""The rules that decide which files restart the bot, and which folders have to be watched.

A file counts if it is below a watched path, has a watched extension, and no rule excludes it. Excluding rules, in this
order: the caller's exclusions (profiles, the supervisor's own files); folders that hold no source in any project;
temporary files of editors; hidden files and folders, as in nodemon, except `.env*`; the user's patterns; `.gitignore`.
Apart from the exclusions, none of them applies to a path that the user names, or to the folders above it. `.env*` and
the configuration count although most projects make git ignore them.
"""

# ruff: noqa: PTH100, PTH110, PTH112, PTH118, PTH119, PTH120  (paths are strings: this handles each event)

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from supervisor.watch.gitignore import GitIgnores, Patterns, compile_patterns, decide

#: The extensions that are watched by default. "env" stands for `.env` and `.env.<name>`.
DEFAULT_EXT = frozenset({"js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx", "json", "py", "env"})

CONFIG_NAME = "scanonce.toml"

#: Folders that are never entered, wherever they are. All hidden folders are left out; these get a better reason.
NEVER_FOLDERS = {
    "node_modules": "installed packages",
    "bower_components": "installed packages",
    ".git": "version control",
    ".hg": "version control",
    ".svn": "version control",
    "CVS": "version control",
    ".session-cache": "snapshots of the sessions",
    ".wwebjs_auth": "browser profiles",
    ".wwebjs_cache": "a cache",
    "__pycache__": "a cache",
    ".cache": "a cache",
    "coverage": "test reports",
    "logs": "logs",
}

#: Files that the supervisor or the bot's session layer writes while running.
NEVER_FILES = {
    "session-state.json": "written by the supervisor",
    "device-status.json": "written by the bot",
    "scanonce.schema.json": "read by editors only",
}

#: vim's backup, swap and write probe; JetBrains' safe write; the usual suffixes of half-written files.
_TEMPORARY = ("~", ".swp", ".swo", ".swx", ".tmp", ".bak", ".log", "___jb_tmp___", "___jb_old___")

#: Folders whose result is cached; a bot that keeps creating folders must not fill the memory.
_CACHE_SIZE = 50_000

_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class WatchedPath:
    """A watched path; `text` is how the user wrote it.

    With a `glob` only files that match it count, relative to `path` and at most `depth` folders below it.
    """

    path: str
    text: str
    glob: Patterns = ()
    depth: int = sys.maxsize
    any_extension: bool = False

    def exists(self) -> bool:
        """Whether the path exists."""
        return os.path.exists(self.path)

    def is_folder(self) -> bool:
        """Whether it is a folder, or a link to one."""
        return os.path.isdir(self.path)

    def covers(self, folder: str) -> bool:
        """Whether a folder is this path or below it, and not deeper than the pattern reaches."""
        if not is_below(folder, self.path):
            return False
        return self.depth == sys.maxsize or self.relative(folder).count("/") < self.depth

    def selects(self, path: str) -> bool:
        """Whether a file is below this path and matches its pattern, if there is one."""
        if not self.covers(os.path.dirname(path)):
            return False
        return not self.glob or decide(self.glob, self.relative(path)[1:]) is not None

    def relative(self, path: str) -> str:
        """`path` relative to this one, in POSIX form with a leading slash; "" for this path itself."""
        return path.removeprefix(self.path.rstrip(os.sep)).replace(os.sep, "/")


class WatchRules:
    """The rules for one project.

    `paths`: watched files, folders and glob patterns, relative to `root` or absolute; none means `root`. `ext`:
    extensions without their dot; none means every file. `ignore`: patterns as in `.gitignore`, relative to `root`.
    `excluded`: folders or files that never count. Reads no files but `.gitignore` ones, each once: `reread` reads them
    again.
    """

    def __init__(
        self,
        root: Path,
        paths: tuple[Path, ...] = (),
        ext: frozenset[str] = DEFAULT_EXT,
        ignore: tuple[str, ...] = (),
        gitignore: bool = True,
        excluded: tuple[Path, ...] = (),
    ) -> None:
        self.root = root
        self.gitignore = gitignore
        self._given = (root, paths, ext, ignore, gitignore)
        self._exclusions = excluded
        self._root = os.path.abspath(root)
        self.watched_paths = tuple(_watched_path(self._root, os.fspath(path)) for path in paths or (root,))
        self._named = frozenset(watched.path for watched in self.watched_paths if not watched.glob)
        self._any_extension = tuple(watched for watched in self.watched_paths if watched.any_extension)
        self._suffixes = tuple(f".{one.lstrip('.').lower()}" for one in sorted(ext))
        self._patterns = compile_patterns(_anchored(self._root, pattern) for pattern in ignore)
        self._excluded = tuple(_lexical(self._root, os.path.join(self._root, path)) for path in excluded)
        self._git = GitIgnores(watched.path for watched in self.watched_paths) if gitignore else None
        self._folders: dict[str, str | None] = {}

    def wants(self, path: Path) -> bool:
        """Whether a change of this file restarts the bot."""
        return self.refusal(*os.path.split(self._absolute(path))) is None

    def why(self, path: Path) -> str:
        """The reason why a file counts or does not, as one clause."""
        refusal = self.refusal(*os.path.split(self._absolute(path)))
        return f"watched: {self._reason(path.name)}" if refusal is None else f"not watched: {refusal}"

    def enters(self, folder: str) -> bool:
        """Whether files in this folder can count: only then is it watched."""
        return self.folder_refusal(folder) is None

    def reread(self) -> WatchRules:
        """The same rules, with the `.gitignore` files read again."""
        return WatchRules(*self._given, self._exclusions)

    def excluding(self, path: Path) -> WatchRules:
        """The same rules, with one more folder or file excluded."""
        return WatchRules(*self._given, (*self._exclusions, path))

    def refusal(self, folder: str, name: str) -> str | None:
        """The reason why a file does not count; None if it does. Called for each event, so cheap tests come first."""
        path = f"{folder.rstrip(os.sep)}{os.sep}{name}"  # in a container the project may be / itself
        if path in self._named:
            return self._exclusion(path)
        reason = self._name_refusal(folder, name, path)
        if reason is None:
            reason = self.folder_refusal(folder) or self._exclusion(path) or self._path_refusal(folder, name, path)
        return reason

    def folder_refusal(self, folder: str) -> str | None:
        """The reason why nothing in a folder counts; None if something may."""
        try:
            return self._folders[folder]
        except KeyError:
            if len(self._folders) >= _CACHE_SIZE:
                self._folders.clear()
            reason = self._folders[folder] = self._judge_folder(folder)
            return reason

    def _judge_folder(self, folder: str) -> str | None:
        if any(watched.path == folder for watched in self.watched_paths):
            return self._exclusion(folder)
        parent, name = os.path.split(folder)
        if parent == folder or not any(is_below(folder, watched.path) for watched in self.watched_paths):
            return "outside of the watched paths"
        above = self.folder_refusal(parent)
        if above is not None:
            return above
        if name in NEVER_FOLDERS:
            return f"{name} holds {NEVER_FOLDERS[name]}"
        if _holds_profiles(self._root, parent, name):
            return f"{name} is a browser profile"
        if name.startswith("."):
            return f"{name} is hidden"
        if not any(watched.covers(folder) for watched in self.watched_paths):
            return "outside of the watched paths"
        return self._exclusion(folder) or self._pattern_refusal(folder, is_folder=True)

    def _name_refusal(self, folder: str, name: str, path: str) -> str | None:
        """The reason that follows from the name alone."""
        if name.endswith(_TEMPORARY) or name == "4913":
            return f"{name} is a temporary file or a log"
        if name in NEVER_FILES:
            return f"{name} is {NEVER_FILES[name]}"
        if self._is_always_wanted(folder, name):
            return None
        if name.startswith("."):
            return f"{name} is hidden"
        if not self._suffixes or name.lower().endswith(self._suffixes):
            return None
        # A pattern with an extension (`--watch "*.yaml"`) takes precedence over the list of extensions.
        if any(watched.selects(path) for watched in self._any_extension):
            return None
        return "its extension is not watched"

    def _path_refusal(self, folder: str, name: str, path: str) -> str | None:
        if not any(watched.selects(path) for watched in self.watched_paths):
            return "no watched pattern matches it"
        return self._pattern_refusal(path, is_folder=False, git=not self._is_always_wanted(folder, name))

    def _pattern_refusal(self, path: str, *, is_folder: bool, git: bool = True) -> str | None:
        """The reason that follows from the user's patterns or `.gitignore`."""
        if self._patterns:
            # Outside of the project a pattern is an absolute path, or matches names in any folder.
            below = path[len(self._root) :] if is_below(path, self._root) else os.path.splitdrive(path)[1]
            relative = below.replace(os.sep, "/").lstrip("/") + ("/" if is_folder else "")
            pattern = decide(self._patterns, relative)
            if pattern is not None:
                return None if pattern.negated else f'the pattern "{pattern.text}" ignores it'
        if self._git is None or not git:
            return None
        return self._git.refusal(path, is_folder=is_folder)

    def _exclusion(self, path: str) -> str | None:
        for excluded in self._excluded:
            if is_below(path, excluded):
                return f"{excluded} is excluded: a browser profile, or written by the bot"
        return None

    def _is_always_wanted(self, folder: str, name: str) -> bool:
        """Environment files, and the project's configuration: they count although git ignores them."""
        if name.startswith(".env"):
            return (name == ".env" or name.startswith(".env.")) and (not self._suffixes or ".env" in self._suffixes)
        return name == CONFIG_NAME and folder == self._root

    def _reason(self, name: str) -> str:
        if name == CONFIG_NAME:
            return "the configuration"
        if name.startswith(".env"):
            return "an environment file"
        return f"extension {name.rpartition('.')[2]}" if "." in name else "named by the user"

    def _absolute(self, path: Path) -> str:
        return os.path.abspath(os.path.join(self._root, path))


def is_below(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or below it; both absolute and normalised."""
    return path == folder or path.startswith(os.path.join(folder, ""))


def _watched_path(root: str, path: str) -> WatchedPath:
    """The watched path that the user wrote as `path`; the part from the first wildcard on is a pattern."""
    parts = Path(path).parts
    fixed = next((i for i, part in enumerate(parts) if _GLOB & set(part)), len(parts))
    full = os.path.abspath(os.path.join(root, path))
    if fixed == len(parts) or os.path.lexists(full):  # a file may be called [id].ts
        return WatchedPath(full, path)
    glob = parts[fixed:]
    suffix = Path(glob[-1]).suffix
    return WatchedPath(
        os.path.abspath(os.path.join(root, *parts[:fixed])),
        path,
        compile_patterns(["/" + "/".join(glob)]),
        sys.maxsize if "**" in glob else len(glob),
        any_extension=bool(suffix) and not _GLOB & set(suffix),
    )


def _lexical(root: str, path: str) -> str:
    """An excluded path below `root` as given: Chromium may report a profile by its real path, with links resolved."""
    path = os.path.abspath(path)
    real = os.path.realpath(root)
    return root + path[len(real) :] if is_below(path, real) else path


def _anchored(root: str, pattern: str) -> str:
    """The user's pattern as a line of a `.gitignore` in `root`; nodemon also takes absolute paths and `./`."""
    bang, pattern = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
    if is_below(pattern, root):
        pattern = pattern[len(root) :]
    elif pattern.startswith("./"):
        pattern = pattern[1:]
    return bang + pattern


def _holds_profiles(root: str, parent: str, name: str) -> bool:
    """`sessions/session-<id>` anywhere (LocalAuth), `tokens/<id>` in the project (WPPConnect, open-wa)."""
    if os.path.basename(parent) == "sessions" and name.startswith("session-"):
        return True
    return parent == os.path.join(root, "tokens")
