"""The layout of `--help`, which click would not fit into less than 50 columns, and would break at hyphens."""

import shutil
from typing import Any

from typer.core import TyperCommand, TyperGroup

from supervisor.system.wrap import wrap

_WIDE_ENOUGH = 64  # columns; below, long options stand on lines of their own
_WIDEST = 80  # columns
_SENTENCE = 68  # characters that the first sentence of a command may have
_MARGIN, _SHORT = 2, 10  # columns: right of the text; of a name that stands beside its text on a narrow terminal


def help_of(command: Any, ctx: Any) -> str:
    """The help of a command, as `get_help` of click returns it, to fit the terminal."""
    formatter = _fitting(type(ctx.make_formatter()), shutil.get_terminal_size().columns)
    command.format_help(ctx, formatter)
    return str(formatter.getvalue()).rstrip("\n")


def _fitting(formatter: Any, columns: int) -> Any:
    class FittingFormatter(formatter):  # type: ignore[misc]  # click's own, wherever this version of typer keeps it
        def write_text(self, text: str) -> None:
            indent = self.current_indent
            paragraphs = (" ".join(one.split()) for one in text.split("\n\n"))
            wrapped = (wrap(one, self.width, first=indent, rest=indent) for one in paragraphs)
            self.write("\n\n".join(f"{'':{indent}}{one}" for one in wrapped) + "\n")

        def write_dl(self, rows: Any, col_max: int = 30, col_spacing: int = 2) -> None:
            rows = list(rows)
            room = col_max if columns >= _WIDE_ENOUGH else _SHORT
            start = self.current_indent + min(room, max(len(name) for name, _ in rows)) + col_spacing
            for name, text in rows:
                named = f"{'':{self.current_indent}}{name}"
                beside = f"{named:<{start}}" if len(named) <= start - col_spacing else f"{named}\n{'':{start}}"
                self.write(f"{beside}{wrap(' '.join(text.split()), self.width, first=start, rest=start)}\n")

    return FittingFormatter(width=min(columns, _WIDEST) - _MARGIN)


class FittingCommand(TyperCommand):
    """A command whose help fits the terminal."""

    def get_help(self, ctx: Any) -> str:
        """The help as text; `ctx` is click's context."""
        return help_of(self, ctx)

    def get_short_help_str(self, limit: int = 0) -> str:
        """The first sentence for a list of commands: folded on a narrow terminal, never cut off."""
        return super().get_short_help_str(max(limit, _SENTENCE))


class FittingGroup(TyperGroup):
    """A group of commands whose help fits the terminal."""

    def get_help(self, ctx: Any) -> str:
        """The help as text; `ctx` is click's context."""
        return help_of(self, ctx)
