"""`python -m benchmarks` lists the benchmarks; `python -m benchmarks NAME [OPTIONS]` runs one."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def benchmarks() -> dict[str, str]:
    """The name of every benchmark, with the first line of its docstring.

    The modules are parsed and not imported, because a benchmark may need packages that are not installed.
    """
    found = {}
    for module in pkgutil.iter_modules([str(FOLDER)]):
        if module.name == "__main__":
            continue
        tree = ast.parse((FOLDER / f"{module.name}.py").read_text())
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
            found[module.name] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def main() -> int:
    """Run the benchmark named on the command line, or list all of them."""
    known = benchmarks()
    name, *arguments = sys.argv[1:] or [""]
    if name in known:
        return importlib.import_module(f"benchmarks.{name}").main(arguments) or 0
    listed = "\n".join(f"  {name:20} {line}" for name, line in known.items())
    print(f"usage: python -m benchmarks NAME [OPTIONS]; NAME --help explains one\n\n{listed}")
    return 2 if name and not name.startswith("-") else 0


if __name__ == "__main__":
    sys.exit(main())
