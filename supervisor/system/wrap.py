"""Breaking of long lines between words."""

import textwrap

_NARROWEST = 20  # columns for the text itself


def wrap(text: str, width: int, *, first: int = 0, rest: int = 0) -> str:
    """Break a line at blanks so that it fits `width` columns; a longer word stays whole, on a line of its own.

    `first` columns are taken on the first line already; the others begin with `rest` blanks.

    >>> wrap("a bot in /srv/bots", 12, first=4, rest=4)
    'a bot in\\n    /srv/bots'
    >>> wrap("a bot in /srv/bots", 20, rest=4)
    'a bot in /srv/bots'
    >>> wrap("one two three four five", 20, rest=4)
    'one two three four\\n    five'
    """
    lines = textwrap.wrap(
        text,
        max(width - first, _NARROWEST),
        subsequent_indent=" " * (rest - first) if rest > first else "",
        break_long_words=False,
        break_on_hyphens=False,
        expand_tabs=False,
        replace_whitespace=False,
    )
    return f"\n{' ' * min(first, rest)}".join(lines) or text
