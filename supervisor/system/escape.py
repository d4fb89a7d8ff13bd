"""Text from outside (file names, pages, processes) made fit for one line of a message, a log or a terminal."""

from __future__ import annotations


def printable(name: object) -> str:
    """A name for a one-line message: control characters, and bytes that are not UTF-8, escaped as in Python.

    >>> print(printable("a\\nb"), printable(b"\\xff"))
    a\\nb \\udcff
    """
    text = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else str(name)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def one_line(text: str) -> str:
    """A text for people, with a space in place of each control character.

    >>> one_line("a\\nb")
    'a b'
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
