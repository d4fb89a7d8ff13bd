"""The script in a bot's command: whether it is there before the first start, and what may have been meant."""

import difflib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from supervisor.process.spawn import NOT_FOUND, CommandError
from supervisor.system.reading import parse_object, read_file

_INTERPRETERS = re.compile(r"(?:node(?:js)?|bun|tsx|ts-node|python[\d.]*)(?:\.exe|\.cmd)?")
_SCRIPT = re.compile(r".+\.(?:[cm]?[jt]s|[jt]sx|py)")
#: Options whose next word is a module or a file of their own (nodejs.org/api/cli.html, python(1)).
_LOADERS = frozenset({"-r", "--require", "--import", "--loader", "--experimental-loader"})
_TAKE_A_WORD = _LOADERS | {
    *("-C", "--conditions", "--env-file", "--title", "--watch-path"),
    *("--tsconfig", "-P", "--project", "-X", "-W"),
}
#: Options by which there is no script, or not one that is looked up as a file.
_NO_SCRIPT = frozenset(["-e", "--eval", "-p", "--print", "--test", "--run", "-c", "-m", "-", "--check"])
_LARGEST = 4 << 20  # bytes of a package.json
_MOST_NAMES = 4


def require_script(command: Sequence[str], directory: Path) -> None:
    """Raise `CommandError` if a command names a script for node, Python or the like that does not exist."""
    script = named_script(command)
    if script is None or (directory / script).exists() or _is_mapped(command, directory / script):
        return
    folder = (directory / script).parent
    if not folder.is_dir():
        said = f"there is no {script}: {folder} is not a folder"
    else:
        said = f"there is no {script} in {directory}"
    raise CommandError(". ".join((said, *_hints(Path(script).name, folder, directory))), NOT_FOUND)


def named_script(command: Sequence[str]) -> str | None:
    """The script that a command runs, by its extension; `None` if there is none, or it cannot be told."""
    program, *words = command
    if not _INTERPRETERS.fullmatch(os.path.basename(program)):  # noqa: PTH119 - may be no path
        return None
    rest = iter(words)
    for word in rest:
        if word in _TAKE_A_WORD:
            next(rest, None)
        elif word.partition("=")[0] in _NO_SCRIPT:
            return None
        elif not word.startswith("-"):
            return word if _SCRIPT.fullmatch(word) else None
    return None


def _is_mapped(command: Sequence[str], script: Path) -> bool:
    """Whether the program may run another file in the script's place: tsx and loaders take `bot.ts` for `bot.js`."""
    program = os.path.basename(command[0])  # noqa: PTH119 - may be no path
    plain = program.startswith(("node", "python")) and _LOADERS.isdisjoint(word.partition("=")[0] for word in command)
    suffix = script.suffix.replace("j", "t")
    return not plain and any(script.with_suffix(one).exists() for one in (suffix, f"{suffix}x"))


def _hints(name: str, folder: Path, directory: Path) -> list[str]:
    """Sentences, without their full stops, on what else is there."""
    hints = []
    there = sorted(one.name for one in folder.iterdir() if _SCRIPT.fullmatch(one.name)) if folder.is_dir() else []
    if meant := difflib.get_close_matches(name, there, n=2, cutoff=0.6):
        hints.append(f"Did you mean {' or '.join(meant)}?")
    elif there:
        hints.append(f"There {'is' if len(there) == 1 else 'are'} {_listed(there)}")
    if scripts := _package_scripts(directory):
        hints.append(f"package.json has {'the script' if len(scripts) == 1 else 'the scripts'} {_listed(scripts)}")
    if not hints:
        hints.append("Go to the bot's folder, or name it with -C FOLDER")
    return hints


def _listed(names: Sequence[str]) -> str:
    shown = [*names[:_MOST_NAMES], *([f"{len(names) - _MOST_NAMES} more"] if len(names) > _MOST_NAMES else [])]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _package_scripts(directory: Path) -> list[str]:
    try:
        found = parse_object(read_file(directory / "package.json", _LARGEST, follow=True), strict=False).get("scripts")
    except (OSError, ValueError):
        return []
    return (
        [f"{name} ({line})" for name, line in found.items() if isinstance(line, str)] if isinstance(found, dict) else []
    )
