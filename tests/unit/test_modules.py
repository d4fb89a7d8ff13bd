"""The modules of `supervisor` import downwards only: no two of them need one another, however indirectly."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests import ROOT


def modules(root: Path) -> dict[str, Path]:
    """Every module below `supervisor`, by its name."""
    found = {}
    for file in (root / "supervisor").rglob("*.py"):
        name = ".".join(file.relative_to(root).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = file
    return found


def needed(file: Path, known: dict[str, Path]) -> set[str]:
    """What a module imports of the others, wherever it does: in a function, or for the types alone."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= inner & known.keys() or {node.module}
    return names & known.keys()


def check(root: Path) -> None:
    known = modules(root)
    graph = {name: needed(file, known) - {name} for name, file in known.items()}
    TopologicalSorter(graph).prepare()


def test_no_modules_import_one_another_in_a_circle() -> None:
    assert len(modules(ROOT)) > 100
    check(ROOT)


def test_a_circle_is_found_also_where_it_is_closed_by_a_function_or_for_a_type(tmp_path: Path) -> None:
    folder = tmp_path / "supervisor"
    folder.mkdir()
    (folder / "a.py").write_text("from supervisor.b import x\n")
    (folder / "b.py").write_text("import supervisor.c\n")
    (folder / "c.py").write_text("")
    check(tmp_path)
    (folder / "c.py").write_text("def late():\n    from supervisor import a\n")
    with pytest.raises(CycleError, match="nodes are in a cycle"):
        check(tmp_path)
