"""Text from outside (file names, pages, processes) made fit for one line of a message, a log or a terminal."""

import re
from typing import Any, Final

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


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


def escape_surrogates(value: Any) -> Any:
    r"""Spell out the surrogates in a text, or in every text of a JSON-like value: strict readers of JSON refuse them.

    Python decodes a byte of a file name that is not UTF-8 as a surrogate (PEP 383).

    >>> print(escape_surrogates({"names": ["a\udcff"]})["names"][0])
    a\udcff
    """
    match value:
        case str():
            return _SURROGATE.sub(lambda match: rf"\u{ord(match[0]):04x}", value)
        case dict():
            return {key: escape_surrogates(item) for key, item in value.items()}
        case list() | tuple():
            return [escape_surrogates(item) for item in value]
    return value
