"""The line on which each key of a TOML file is set.

`tomllib` keeps no positions. But it can tell where a statement ends: the shortest run of lines that parses by itself is
one statement, because no proper prefix of a multi-line string or array is valid TOML. So the file is split into
statements by trying the parser, and each statement's keys are read from what it parses to.
"""

import tomllib
from collections.abc import Iterator
from typing import Any

KeyPath = tuple[str, ...]


def key_lines(text: str) -> dict[KeyPath, int]:
    """Map each key path of a valid TOML document to the line, counted from 1, of the statement that first sets it.

    Tables count from their header. Keys inside an inline table or an array are on their statement's line. Keys in an
    array of tables are also found by their index, counted from 0: `("list", "1", "key")`.
    """
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    arrays: dict[KeyPath, int] = {}
    for number, statement, parsed in _statements(text):
        is_header = statement.lstrip().startswith("[")
        prefix = () if is_header else table
        paths = [prefix + path for path in _paths(parsed)]
        if is_header:
            table = paths[-1]
        if statement.lstrip().startswith("[["):
            arrays[table] = arrays.get(table, -1) + 1
        for path in paths:
            lines.setdefault(path, number)
            lines.setdefault(_indexed(path, arrays), number)
    return lines


def _indexed(path: KeyPath, arrays: dict[KeyPath, int]) -> KeyPath:
    """A path with the index of the current table of each array on the way."""
    indexed: list[str] = []
    for end, name in enumerate(path, start=1):
        indexed.append(name)
        if path[:end] in arrays:
            indexed.append(str(arrays[path[:end]]))
    return tuple(indexed)


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield the first line, the source and the parsed value of each statement; skip comments and blank lines."""
    pending: list[str] = []
    # Not splitlines(): TOML ends a line at \n and \r\n only, and a string may hold U+2028.
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if not pending and line.strip(" \t")[:1] in ("", "#"):
            continue
        pending.append(line)
        source = "\n".join(pending)
        try:
            parsed = tomllib.loads(source)
        except tomllib.TOMLDecodeError:
            continue
        yield number - len(pending) + 1, source, parsed
        pending.clear()


def _paths(value: Any, prefix: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the path of every key in a parsed document, outer ones first."""
    for item in value if isinstance(value, list) else []:
        yield from _paths(item, prefix)
    for key, item in value.items() if isinstance(value, dict) else []:
        yield (*prefix, key)
        yield from _paths(item, (*prefix, key))
