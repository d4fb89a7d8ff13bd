"""Node.js and the browser: what the bot would find, and whether it can run on that."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from supervisor.browser.discovery import drives_a_browser
from supervisor.process.spawn import CommandError, resolve_command
from supervisor.session.profiles.profile import last_version
from supervisor.setup.doctor.browsers import Choice, choose
from supervisor.setup.doctor.finding import Finding, ok, problem, unknown, warning
from supervisor.setup.doctor.project import Place
from supervisor.setup.package_json import installed
from supervisor.system.escape import printable

NAMES = ("command", "node", "browser")

_PATIENCE = 4.0  # seconds for a program to say its version; Chromium takes 0.15 s, on a slow disk some seconds
_OLDEST_NODE = 18  # what whatsapp-web.js 1.34 and puppeteer 24 ask for (`engines`)
_VERSION = re.compile(r"\d+(?:\.\d+)+")
_AT_LEAST = re.compile(r"^\s*(?:>=|\^|~)?\s*v?(\d{1,4})(?:\.[\dx*.]+)?\s*$")
_NODE_PROGRAMS = frozenset({"node", "nodejs", "npm", "npx", "yarn", "pnpm", "pnpx", "nodemon", "ts-node", "tsx"})


def look(place: Place) -> Iterator[Finding]:
    """The bot's program, Node.js, the browser."""
    yield _command(place)
    yield _node(place)
    yield _browser(place)


def version_of(program: str, place: Place) -> str:
    """What a program answers to `--version`. Raises `ValueError` with a clause that tells why that is not known."""
    if place.stranger is not None:
        raise ValueError(f"it is not run, since the project belongs to {place.stranger}")
    if sys.platform == "win32" and not program.lower().endswith("node.exe"):
        raise ValueError("Chromium answers no such question on Windows")
    # Into a file: a grandchild that outlives its parent would keep the other end of a pipe open.
    with tempfile.TemporaryFile() as answer:
        try:
            process = subprocess.Popen(
                [program, "--version"],
                cwd=place.directory,  # where version managers look up which one is meant
                env=dict(place.environment),
                stdin=subprocess.DEVNULL,
                stdout=answer,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise ValueError(f"it could not be started: {error}") from None
        _wait(process)
        answer.seek(0)
        said = answer.read(4096).decode("utf-8", "replace")
    found = _VERSION.search(said)
    if found is None:
        raise ValueError(f"it ended with status {process.returncode} and told no version")
    return found[0]


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)  # a session of its own that we have not reaped: its number is safe
        process.wait()
        raise ValueError(f"it gave no answer in {_PATIENCE:g} s") from None


def _command(place: Place) -> Finding:
    if not place.directory.is_dir():
        seen = f"{printable(place.directory)}, in which the bot is to run (bot.cwd), is not a folder."
        return problem("command", seen, "Correct bot.cwd in the configuration.")
    if not place.command:
        return ok("command", "No command is configured: it is given after --.")
    try:
        resolved = resolve_command(place.command, place.directory, place.environment)
    except CommandError as error:
        seen = printable(error)
        return problem(
            "command", seen if seen.endswith("?") else f"{seen}.", "Correct bot.command, or what stands after --."
        )
    return ok("command", f"The bot is {printable(' '.join(resolved))}.")


def _node(place: Place) -> Finding:
    program = place.command[0] if place.command else ""
    own = Path(program).name.removesuffix(".exe") == "node"
    found = shutil.which(program if own else "node", path=place.environment.get("PATH", os.defpath))
    if found is None:
        if not place.package.exists and Path(program).name not in _NODE_PROGRAMS:
            return ok("node", "There is no Node.js, and nothing here that asks for it.")
        seen = "node is not on the PATH that the bot gets."
        return problem("node", seen, "Install Node.js; if a version manager has it (nvm, fnm, volta), write its path.")
    name = printable(found)
    try:
        version = version_of(found, place)
    except ValueError as error:
        return unknown("node", f"{name} was found, but not its version: {printable(error)}.")
    needed, wanted_by = _needed_node(place)
    if int(version.split(".")[0]) < needed:
        seen = f"Node.js {version} ({name}) is too old: {wanted_by} asks for {needed}."
        return problem("node", seen, f"Install Node.js {needed} or later.")
    return ok("node", f"Node.js {version} ({name}).")


def _needed_node(place: Place) -> tuple[int, str]:
    """The oldest major version that will do, and who says so. Ranges with alternatives are not understood."""
    needed, wanted_by = _OLDEST_NODE if place.package.exists else 0, "a current whatsapp-web.js or puppeteer"
    asking = [(place.package, "package.json")]
    asking += [
        (found, name) for name in ("whatsapp-web.js", "puppeteer") if (found := installed(name, place.directory))
    ]
    for package, name in asking:
        match = _AT_LEAST.match(package.node or "")
        if match and int(match[1]) > needed:
            needed, wanted_by = int(match[1]), name
    return needed, wanted_by


def _browser(place: Place) -> Finding:
    if not drives_a_browser(place.directory) and not place.profiles:
        return ok("browser", "No library that drives a browser is installed here, and there is no profile.")
    choice = choose(place)
    others = "".join(f" Found: {printable(one)}." for one in choice.others[:3])
    if choice.program is None:
        verdict = problem if choice.certain else unknown
        return verdict("browser", f"{choice.why}{others}", choice.remedy)
    return _with_version(choice, place)


def _with_version(choice: Choice, place: Place) -> Finding:
    program = str(choice.program)
    if shutil.which(program) is None:
        seen = f"{printable(program)} ({choice.why}) is not there, or may not be run."
        return problem("browser", seen, choice.remedy or "Name another one, or install it.")
    try:
        version = version_of(program, place)
    except ValueError as error:
        return unknown("browser", f"{printable(program)} ({choice.why}): its version is not known, {printable(error)}.")
    seen = f"Chromium {version}, {printable(program)} ({choice.why})."
    for profile in place.profiles:
        wrote = _VERSION.search(last_version(profile.folder) or "")
        if wrote is not None and int(version.split(".")[0]) < int(wrote[0].split(".")[0]):
            later = f"Session {printable(profile.id)} was last written by Chromium {wrote[0]}, which is newer."
            remedy = "Use the newer browser again: an older one may refuse its databases, and you would link anew."
            return warning("browser", f"{seen} {later}", remedy)
    return ok("browser", seen)
