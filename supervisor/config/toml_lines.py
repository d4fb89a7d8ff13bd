"""On which line of a TOML file each key stands.

`tomllib` does not keep positions. But it can tell where a statement ends: the shortest run of lines that parses by
itself is one statement, because no proper prefix of a multi-line string or array is valid TOML. So the file is cut into
statements with the parser itself as the judge, and what each one sets is read off what it parses to.
"""

import tomllib
from collections.abc import Iterator
from typing import Any

KeyPath = tuple[str, ...]


def key_lines(text: str) -> dict[KeyPath, int]:
    """Map each key path of a valid TOML document to the line, counted from 1, of the statement that first sets it.

    Tables count from their header. Everything inside an inline table or an array stands on its statement's line. What
    stands in an array of tables is also found by its number, counted from 0: `("list", "1", "key")`.
    """
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    arrays: dict[KeyPath, int] = {}
    for number, statement in _statements(text):
        is_header = statement.lstrip().startswith("[")
        prefix = () if is_header else table
        for path in _paths(tomllib.loads(statement)):
            lines.setdefault(prefix + path, number)
            if is_header:
                table = path
        if statement.lstrip().startswith("[["):
            arrays[table] = arrays.get(table, -1) + 1
        for path in _paths(tomllib.loads(statement)):
            lines.setdefault(_numbered(prefix + path, arrays), number)
    return lines


def _numbered(path: KeyPath, arrays: dict[KeyPath, int]) -> KeyPath:
    """A path with the number of the table that each array on the way is at."""
    numbered: list[str] = []
    for end, name in enumerate(path, start=1):
        numbered.append(name)
        if path[:end] in arrays:
            numbered.append(str(arrays[path[:end]]))
    return tuple(numbered)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield (first line, source) of each statement, comments and blank lines left out."""
    pending: list[str] = []
    # Not splitlines(): TOML ends a line at \n and \r\n only, and a string may hold U+2028.
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if not pending and line.strip(" \t")[:1] in ("", "#"):
            continue
        pending.append(line)
        source = "\n".join(pending)
        try:
            tomllib.loads(source)
        except tomllib.TOMLDecodeError:
            continue
        yield number - len(pending) + 1, source
        pending.clear()


def _paths(value: Any, prefix: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the paths of every key in a parsed document, outer ones first."""
    if isinstance(value, list):
        for item in value:
            yield from _paths(item, prefix)
        return
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*prefix, key)
            yield from _paths(item, (*prefix, key))
