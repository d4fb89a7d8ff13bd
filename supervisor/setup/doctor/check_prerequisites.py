"""Checks what the bot needs: its command, Node.js, the browser, and the packages in `node_modules`."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from supervisor.browser.libraries import drives_a_browser
from supervisor.process.helper import kill_family
from supervisor.process.script import require_script
from supervisor.process.spawn import CommandError, resolve_command
from supervisor.session.profiles.profile import last_version
from supervisor.setup.doctor.browsers import BrowserChoice, choose_browser
from supervisor.setup.doctor.finding import Finding, first_of, ok, problem, sentence, unknown, warning
from supervisor.setup.doctor.project import CheckedProject
from supervisor.setup.package_json import installed_package
from supervisor.system.escape import printable

_PATIENCE = 4.0  # seconds for a program to print its version; Chromium takes 0.15 s, on a slow disk some seconds
_OLDEST_NODE = 18  # required by whatsapp-web.js 1.34 and puppeteer 24 (`engines`)
_VERSION = re.compile(r"\d+(?:\.\d+)+")
_AT_LEAST = re.compile(r"^\s*(?:>=|\^|~)?\s*v?(\d{1,4})(?:\.[\dx*.]+)?\s*$")
_NODE_PROGRAMS = frozenset({"node", "nodejs", "npm", "npx", "yarn", "pnpm", "pnpx", "nodemon", "ts-node", "tsx"})
_BROWSER_LIBRARIES = (
    "whatsapp-web.js",
    "puppeteer",
    "puppeteer-core",
    "playwright",
    "playwright-core",
    "selenium-webdriver",
    "@wppconnect-team/wppconnect",
    "@open-wa/wa-automate",
)


def programs(project: CheckedProject) -> Iterator[Finding]:
    """`command`, `node`, `browser`."""
    yield _command(project)
    yield _node(project)
    yield _browser(project)


def packages(project: CheckedProject) -> Iterator[Finding]:
    """`packages`, `libraries`."""
    yield _packages(project)
    found = [(name, one) for name in _BROWSER_LIBRARIES if (one := installed_package(name, project.directory))]
    versions = ", ".join(f"{name} {printable(package.version or '(version not known)')}" for name, package in found)
    yield ok("libraries", f"{versions}." if found else "No library that drives a browser is installed here.")


def _command(project: CheckedProject) -> Finding:
    if not project.directory.is_dir():
        seen = f"{printable(project.directory)}, in which the bot is to run (bot.cwd), is not a folder."
        return problem("command", seen, "Correct bot.cwd in the configuration.")
    if not project.has_bot:
        seen = "There is no bot here: no package.json, no script (*.js, *.ts, *.py), no command in scanonce.toml."
        return problem(
            "command",
            seen,
            "Go to the bot's folder, or name it with -C FOLDER; scanonce demo --keep makes an offline bot to try.",
        )
    if not project.command:
        return ok("command", "No command is configured: it must be given after --.")
    try:
        resolved = resolve_command(project.command, project.directory, project.environment)
        require_script(project.command, project.directory)
    except CommandError as error:
        return problem("command", sentence(printable(error)), "Correct bot.command, or the command after --.")
    return ok("command", f"The bot is {printable(' '.join(resolved))}.")


def _node(project: CheckedProject) -> Finding:
    program = project.command[0] if project.command else ""
    own = Path(program).name.removesuffix(".exe") == "node"
    found = shutil.which(program if own else "node", path=project.environment.get("PATH", os.defpath))
    if found is None:
        if not project.package.exists and Path(program).name not in _NODE_PROGRAMS:
            return ok("node", "Node.js is not installed, and nothing here needs it.")
        remedy = "Install Node.js; if a version manager provides it (nvm, fnm, volta), give its full path."
        return problem("node", "node is not on the bot's PATH.", remedy)
    name = printable(found)
    try:
        version = _version_of(found, project)
    except ValueError as error:
        return unknown("node", f"{name} was found, but not its version: {printable(error)}.")
    needed, wanted_by = _needed_node(project)
    if int(version.split(".")[0]) < needed:
        seen = f"Node.js {version} ({name}) is too old: {wanted_by} requires {needed}."
        return problem("node", seen, f"Install Node.js {needed} or later.")
    return ok("node", f"Node.js {version} ({name}).")


def _needed_node(project: CheckedProject) -> tuple[int, str]:
    """The oldest major version that will do, and what requires it. Ranges with alternatives are ignored."""
    needed, wanted_by = _OLDEST_NODE if project.package.exists else 0, "a current whatsapp-web.js or puppeteer"
    asking = [("package.json", project.package)]
    asking += [(n, one) for n in ("whatsapp-web.js", "puppeteer") if (one := installed_package(n, project.directory))]
    for name, package in asking:
        match = _AT_LEAST.match(package.node or "")
        if match and int(match[1]) > needed:
            needed, wanted_by = int(match[1]), name
    return needed, wanted_by


def _browser(project: CheckedProject) -> Finding:
    if not drives_a_browser(project.directory) and not project.profiles:
        return ok("browser", "No library that drives a browser is installed here, and there is no profile.")
    choice = _open_browser(project) or choose_browser(project)
    if choice.program is None:
        others = "".join(f" Found: {printable(one)}." for one in choice.others[:3])
        return (problem if choice.certain else unknown)("browser", f"{choice.why}{others}", choice.remedy)
    return _browser_version(choice, str(choice.program), project)


def _open_browser(project: CheckedProject) -> BrowserChoice | None:
    """The browser that the running bot has open: what it uses, whatever its settings say."""
    held = (project.occupant(profile) for profile in project.profiles)
    opened = next((one for one in held if one is not None and one.supervisor is not None), None)
    program = None if opened is None else shutil.which(opened.browser.main.argv[0])
    if opened is None or program is None:
        return None
    return BrowserChoice(Path(program), f"open now, process {opened.pid}")


def _browser_version(choice: BrowserChoice, program: str, project: CheckedProject) -> Finding:
    name = f"{printable(program)} ({choice.why})"
    if shutil.which(program) is None:
        return problem("browser", f"{name} does not exist, or may not be run.", choice.remedy or "Install a browser.")
    try:
        version = _version_of(program, project)
    except ValueError as error:
        return unknown("browser", f"{name}: its version is not known, {printable(error)}.")
    seen = f"Chromium {version}, {name}."
    for profile in project.profiles:
        wrote = _VERSION.search(last_version(profile.folder) or "")
        if wrote is not None and int(version.split(".")[0]) < int(wrote[0].split(".")[0]):
            later = f"Session {printable(profile.id)} was last written by Chromium {wrote[0]}, which is newer."
            remedy = "Use the newer browser again: an older one may reject its databases, and you would have to scan."
            return warning("browser", f"{seen} {later}", remedy)
    return ok("browser", seen)


def _version_of(program: str, project: CheckedProject) -> str:
    """The version that `program --version` prints. Raises `ValueError` with a clause that says why it is not known."""
    if project.other_owner is not None:
        raise ValueError(f"it is not run, since the project belongs to {project.other_owner}")
    if sys.platform == "win32" and not program.lower().endswith("node.exe"):
        raise ValueError("Chromium does not print it on Windows")
    # Into a file: a grandchild that outlives its parent would keep a pipe open.
    with tempfile.TemporaryFile() as answer:
        try:
            process = subprocess.Popen(
                [program, "--version"],
                cwd=project.directory,  # where version managers look up which one is meant
                env=dict(project.environment),
                stdin=subprocess.DEVNULL,
                stdout=answer,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise ValueError(f"it could not be started: {error}") from None
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            kill_family(process)
            raise ValueError(f"it gave no answer in {_PATIENCE:g} s") from None
        answer.seek(0)
        found = _VERSION.search(answer.read(4096).decode("utf-8", "replace"))
    if found is None:
        raise ValueError(f"it ended with status {process.returncode} and printed no version")
    return found[0]


def _packages(project: CheckedProject) -> Finding:
    package = project.package
    if not package.exists:
        return ok("packages", "There is no package.json.")
    if package.trouble is not None:
        seen = f"{printable(project.shown(package.path))} {printable(package.trouble)}."
        return problem("packages", seen, "Correct it: npm and the bot read it too.")
    missing = [name for name in package.dependencies if installed_package(name, project.directory) is None]
    if missing:
        seen = f"Dependencies in package.json are not installed: {printable(first_of(missing, 3))}."
        return problem("packages", seen, "Run npm ci.")
    return ok("packages", f"All {len(package.dependencies)} dependencies in package.json are installed.")
