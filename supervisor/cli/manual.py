"""The manual page, made from the commands: `python -m supervisor.cli.manual > docs/scanonce.1`."""

import inspect
from collections.abc import Iterator
from typing import Any

from supervisor.cli.app import EXAMPLES, SECTIONS, load

_DESCRIPTION = """\
scanonce runs a bot that lives in a browser (whatsapp-web.js, or any other program that drives Chromium with a profile
of its own) and restarts it whenever a file is saved, without losing its session. It replaces nodemon in development and
is the bot's service in production."""


def manual() -> str:
    """The page in the language of man(7)."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield '.TH SCANONCE 1 "" "scanonce" "User Commands"'
    yield ".SH NAME"
    yield "scanonce \\- scan the QR code once, restart as often as you like"
    yield ".SH SYNOPSIS"
    yield ".B scanonce"
    yield ".I COMMAND"
    yield "[OPTIONS] [ARGUMENTS]"
    yield ".SH DESCRIPTION"
    yield _roff(_DESCRIPTION)
    for title, names in SECTIONS.items():
        yield f".SH {title.upper()}"
        for name in names:
            yield from _command(name, load(name))
    yield ".SH EXAMPLES"
    yield ".nf"
    yield from (_roff(f"  {command:<34}{meaning}") for command, meaning in EXAMPLES)
    yield ".fi"
    yield ".SH FILES"
    for file, what in (
        ("scanonce.toml", "The configuration; nothing in it is required."),
        ("session-state.json", "What is known of each session."),
        (".session-cache/", "Snapshots, the history of restarts, and locks. It holds the account, as sessions/ does."),
    ):
        yield f".TP\n.I {_roff(file)}"
        yield _roff(what)


def _command(path: str, command: Any) -> Iterator[str]:
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from _command(f"{path} {name}", inner)
        return
    arguments = [str(one.metavar or one.name).upper() for one in command.params if one.param_type_name == "argument"]
    yield f".SS scanonce {_roff(' '.join([path, *arguments]))}"
    yield from (_roff(line) if line else ".PP" for line in inspect.cleandoc(command.help or "").splitlines())
    for option in command.params:
        if option.param_type_name == "option" and not option.hidden:
            record = option.get_help_record(_context(command))
            if record is not None:
                yield f".TP\n.B {_roff(record[0])}"
                yield _roff(record[1])


def _context(command: Any) -> Any:
    return command.context_class(command)


def _roff(text: str) -> str:
    """Text as roff prints it: a dash is a minus, and no line begins with a control character."""
    return "\n".join(
        f"\\&{line}" if line[:1] in {".", "'"} else line
        for line in text.replace("\\", "\\e").replace("-", "\\-").splitlines()
    )


if __name__ == "__main__":
    print(manual(), end="")
