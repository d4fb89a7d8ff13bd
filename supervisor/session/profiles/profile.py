"""Which folders are profiles, and which parts of a profile are worth keeping."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from supervisor.session.names import MANIFEST, safe_name
from supervisor.session.profiles import auth_files
from supervisor.session.profiles.kinds import SessionKind, is_session_folder, kind_of
from supervisor.session.profiles.singleton import MARKS
from supervisor.system.errors import SessionError
from supervisor.system.escape import printable
from supervisor.system.files import TEMPORARY_SUFFIX
from supervisor.system.folders import refuse_foreign_links
from supervisor.system.reading import read_start

# Folders that Chromium fills again by itself, at any depth: an origin's own copies lie deep in `Storage/ext/...`.
# Measured: a linked profile without them starts linked.
_CACHES = frozenset(
    {
        "Cache",
        "CacheStorage",
        "Code Cache",
        "Crash Reports",
        "Crashpad",
        "DawnCache",
        "DawnGraphiteCache",
        "DawnWebGPUCache",
        "GPUCache",
        "GPUPersistentCache",
        "GrShaderCache",
        "GraphiteDawnCache",
        "ScriptCache",
        "ShaderCache",
    }
)
# Components that Chromium downloads again, and its own telemetry: only at the top of the user data folder.
_COMPONENTS = frozenset(
    {
        "AmountExtractionHeuristicRegexes",
        "BrowserMetrics",
        "CertificateRevocation",
        "CookieReadinessList",
        "Crowd Deny",
        "FileTypePolicies",
        "FirstPartySetsPreloaded",
        "MEIPreload",
        "MediaFoundationWidevineCdm",
        "OnDeviceHeadSuggestModel",
        "OptimizationGuide",
        "OriginTrials",
        "PKIMetadata",
        "PrivacySandboxAttestationsPreloaded",
        "ProbabilisticRevealTokenRegistry",
        "RecoveryImproved",
        "SSLErrorAssistant",
        "Safe Browsing",
        "SafetyTips",
        "Subresource Filter",
        "TpcdMetadata",
        "TrustTokenKeyCommitments",
        "WasmTtsEngine",
        "WidevineCdm",
        "ZxcvbnData",
        "component_crx_cache",
        "extensions_crx_cache",
        "hyphen-data",
        "segmentation_platform",
    }
)
_COMPONENT_PREFIXES = ("OptimizationGuide", "optimization_guide")
# What belongs to one run of a browser, not to the profile; and our own files in a folder copied back by hand.
_RUN_FILES = frozenset(
    {
        *MARKS,
        "DevToolsActivePort",
        "BrowserMetrics-spare.pma",
        MANIFEST,
    }
)
# What else Chromium puts directly into a user data folder.
_TOP_FILES = frozenset(
    {
        "Consent To Send Stats",
        "Default",
        "Dictionaries",
        "First Run",
        "Last Browser",
        "Last Version",
        "Local State",
        "NativeMessagingHosts",
        "Variations",
        "Webstore Downloads",
        "chrome_debug.log",
    }
)
# What LevelDB tells people of its doings (`InfoLogFileName` in its db/filename.cc). It begins that anew whenever it is
# opened, and never reads it: of the files that a restart of a bot changes every second one is such a log.
_INFO_LOGS = frozenset({"LOG", "LOG.old"})
TRASH_SUFFIX = ".scanonce-trash"
_OWN_SUFFIXES = (TEMPORARY_SUFFIX, auth_files.TORN_SUFFIX)

# `LocalAuth` of whatsapp-web.js and its `RemoteAuth`, WPPConnect and venom, open-wa.
_USUAL_PLACES = (
    ("sessions", "session-"),
    (".wwebjs_auth", "session"),
    (".wwebjs_auth", "RemoteAuth-"),
    ("tokens", ""),
    ("", "_IGNORE_"),
)


@dataclass(frozen=True, slots=True)
class Profile:
    """The folder of one session of a project, most often a Chromium user data folder, and the session's id.

    `id` comes from the folder's name and may hold anything that a file name may: use `key` to build file names.
    """

    id: str
    path: Path

    @classmethod
    def at(cls, path: Path) -> Profile:
        """The profile in a folder, with the id that its name implies."""
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 - lexical: a profile that is a link stays under its own name
        return cls(id_from_folder(absolute.name), absolute)

    @property
    def key(self) -> str:
        """The id as a safe file name component."""
        return safe_name(self.id)

    @property
    def folder(self) -> Path:
        """The real folder, links on the way resolved: what a restore replaces when `path` itself is a link."""
        return self.path.resolve()

    @property
    def kind(self) -> SessionKind:
        """The kind of session, by what lies there now."""
        return kind_of(self.folder)

    @property
    def is_linked_to(self) -> bool:
        """Whether a symbolic link leads to the folder."""
        return self.folder != self.path


def refuse_foreign_files(profile: Profile) -> None:
    """Raise `SessionError` if what lies at a profile's path is not ours to move, copy or replace."""
    if (seen := foreign_files(profile)) is not None:
        raise SessionError(f"{seen} Nothing there was touched. {FOREIGN_REMEDY}")


def foreign_files(profile: Profile) -> str | None:
    """A sentence on what a profile's path leads to, if that is not ours to move, copy or replace."""
    path, folder = printable(profile.path), profile.folder
    try:
        refuse_foreign_links(profile.path)
    except OSError as error:
        return f"{path} leads to {printable(folder)}: {error.strerror}."
    leads = f" leads to {printable(folder)}, which" if profile.is_linked_to else ""
    if holds_foreign_files(folder):
        return f"{path}{leads} is not a Chromium profile: it holds neither Default nor Local State."
    if leads and not folder.parent.is_dir():  # a disk that is not mounted: nothing is made in its place
        return f"{path}{leads} does not exist, nor does the folder that it should be in."
    return None


FOREIGN_REMEDY = "Have the path lead to the profile's own folder (a link corrected, a disk mounted), then start again."


def id_from_folder(name: str) -> str:
    """The session id that a profile folder's name implies.

    >>> id_from_folder("session-97150"), id_from_folder("session"), id_from_folder("alice")
    ('97150', 'default', 'alice')
    """
    if name in {"session", "session-"}:
        return "default"
    return name.removeprefix("session-") or "default"


def discover(project: Path) -> Iterator[Path]:
    """The profiles in the places where the known libraries put them, sorted by name; then the accounts that are folders
    of files, wherever they lie in the project.

    A folder that holds no session is none: bots keep files of their own there, in folders named alike.
    """
    for parent, prefix in _USUAL_PLACES:
        try:
            with os.scandir(project / parent) as entries:
                names = sorted(e.name for e in entries if _is_candidate(e, prefix))
        except OSError:  # no such place, or not ours to read: nothing is found there
            continue
        yield from filter(_may_be_profile, (project / parent / name for name in names))
    yield from auth_files.find(project)


def with_distinct_ids(paths: Iterable[Path], known: dict[str, Path], project: Path) -> list[Profile]:
    """Profiles for `paths`, each under an id of its own.

    A path keeps the id it is `known` by. Of two folders whose names imply the same id, the later is called
    ``<id>@<parent>``.
    """
    names = {path.resolve(): session_id for session_id, path in known.items()}
    taken = set(known)
    profiles: dict[Path, Profile] = {}
    for path in paths:
        real = path.resolve()  # two ways to one folder are one profile
        if real not in names:
            names[real] = free_id(path, taken, project)
            taken.add(names[real])
        profiles.setdefault(real, Profile(names[real], Path(os.path.abspath(path))))  # noqa: PTH100 - as in Profile.at
    return list(profiles.values())


def is_cache(name: str) -> bool:
    """Whether a folder of this name is a cache, which Chromium fills again by itself."""
    return name.removesuffix(TRASH_SUFFIX) in _CACHES


def is_left_out(name: str, *, top: bool, folder: bool) -> bool:
    """Whether an entry of a profile is left out of snapshots. `top`: it lies directly in the user data folder."""
    if not folder:
        return name in _INFO_LOGS or (top and name in _RUN_FILES) or name.endswith(_OWN_SUFFIXES)
    if is_cache(name):
        return True
    return top and (name in _COMPONENTS or name.startswith(_COMPONENT_PREFIXES))


def holds_foreign_files(folder: Path) -> bool:
    """Whether something is there that is no session's folder, nor what is left of one.

    Such a thing is never moved, emptied or removed: a profile's path may be a link to anything. An empty folder holds
    nothing foreign. What may not be looked into counts as foreign.
    """
    try:
        return not is_session_folder(folder) and not all(map(_is_left_of_one, os.listdir(folder)))  # noqa: PTH208
    except NotADirectoryError:
        return folder.lstat().st_size > 0
    except OSError:
        return os.path.lexists(folder)


def _may_be_profile(folder: Path) -> bool:
    try:
        return bool(os.listdir(folder)) and not holds_foreign_files(folder)  # noqa: PTH208
    except PermissionError:  # the check says so
        return True
    except OSError:
        return False


def _is_left_of_one(name: str) -> bool:
    return name in _TOP_FILES or is_left_out(name, top=True, folder=False) or is_left_out(name, top=True, folder=True)


def last_version(folder: Path) -> str | None:
    """The version of Chromium that wrote a profile last, as it notes in the file `Last Version`."""
    try:
        return read_start(folder / "Last Version", 100).decode("ascii", "replace").strip() or None
    except OSError:
        return None


def _is_candidate(entry: os.DirEntry[str], prefix: str) -> bool:
    if entry.name.startswith(".") or not entry.name.startswith(prefix):
        return False
    if prefix == "session" and entry.name != "session" and not entry.name.startswith("session-"):
        return False
    return entry.is_dir()


def free_id(path: Path, taken: Collection[str], project: Path) -> str:
    """An id for a profile, by its folder's name, that is not `taken`."""
    plain = id_from_folder(path.name)
    if plain not in taken:
        return plain
    parent = path.parent
    place = parent.relative_to(project) if parent.is_relative_to(project) else PurePath(parent)
    candidate = f"{plain}@{place.as_posix()}"
    number = 2
    while candidate in taken:
        candidate = f"{plain}@{place.as_posix()}#{number}"
        number += 1
    return candidate
