"""The layout of `supervisor`: what may import what, and no name for two things."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from supervisor.timing.phases import PHASES
from tests import ROOT

SUPERVISOR = ROOT / "supervisor"

#: Folders whose modules are named after their subject: a command, a section of the configuration, a check of
#: `scanonce doctor`, the events of a package.
SUBJECTS = ("cli", "config/sections", "setup/doctor", "log/events")

#: Other names of modules that recur, each time with the same meaning.
RECURRING = {
    "__main__",  # prints the generated page of its package
    "docgen",  # generates a page of the documentation
    "errors",  # the errors of its package
    "service",  # serves something, for as long as it runs
}

#: Attributes of other libraries' objects, which are set in no other way.
FOREIGN = {"daemon", "propagate", "socket_connect_timeout", "socket_read_timeout", "text", "text_factory", "width"}

#: Packages whose `__init__` holds more than a docstring: the version, and SessionManager for users of the library.
EXPORTING = {"", "session"}


@cache
def sources() -> dict[Path, ast.Module]:
    """Every module below `supervisor`, by its path there."""
    files = sorted(SUPERVISOR.rglob("*.py"))
    return {file.relative_to(SUPERVISOR): ast.parse(file.read_text(encoding="utf-8")) for file in files}


def packages() -> list[Path]:
    return [path.parent for path in sources() if path.name == "__init__.py"]


def twice(names: Iterator[str]) -> set[str]:
    return {name for name, count in Counter(names).items() if count > 1}


def test_imports_run_one_way_and_in_no_circle() -> None:
    """The contracts of import-linter in pyproject.toml, which `make lint` checks too."""
    command = "from importlinter.cli import lint_imports_command as main; main()"
    arguments = [sys.executable, "-c", command, "--no-cache", "--no-logo"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_waits_with_wait_for() -> None:
    """Before Python 3.12 it can lose a cancellation that comes with the result (gh-86296); ruff bans it, too."""
    found = {
        str(path)
        for path, tree in sources().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "asyncio.wait_for"
    }
    assert not found


def test_the_root_holds_packages_and_at_most_three_modules() -> None:
    assert len(list(SUPERVISOR.glob("*.py"))) <= 3


def test_no_package_is_named_like_a_module_of_the_standard_library() -> None:
    assert not {path.name for path in packages()} & sys.stdlib_module_names


def test_each_package_opens_with_a_docstring_and_those_at_the_top_say_what_they_may_import() -> None:
    texts = {package: ast.get_docstring(sources()[package / "__init__.py"]) or "" for package in packages()}
    assert all(texts.values())
    assert not [str(path) for path, text in texts.items() if len(path.parts) == 1 and "import" not in text.lower()]


def test_an_init_holds_a_docstring_only() -> None:
    holds_code = {str(package) for package in packages() if len(sources()[package / "__init__.py"].body) > 1}
    assert {path.removeprefix(".") for path in holds_code} == EXPORTING


def test_no_module_name_stands_for_two_things() -> None:
    """Packages count too."""
    names = (
        path.parent.name if path.name == "__init__.py" else path.stem
        for path in sources()
        if not path.is_relative_to("supervisor") and str(path.parent) not in SUBJECTS and path != Path("__init__.py")
    )
    assert not twice(names) - RECURRING


def test_no_public_class_name_stands_for_two_things() -> None:
    names = (
        node.name
        for tree in sources().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert not twice(names)


def targets(tree: ast.AST) -> Iterator[ast.expr]:
    """Everything that is assigned to."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign():
                yield from node.targets
            case ast.AugAssign() | ast.AnnAssign():
                yield node.target


def test_what_is_built_is_complete_and_nothing_is_wired_from_outside() -> None:
    """No attribute is assigned but an object's own, in the packages that a supervisor consists of."""
    found = [
        f"{path}:{node.lineno}: {ast.unparse(node)}"
        for path, tree in sources().items()
        if path.parts[0] not in {"cli", "setup"}
        for target in targets(tree)
        for node in ast.walk(target)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"})
        and node.attr not in FOREIGN
        and not node.attr.startswith("__")
    ]
    assert not found


def test_phases_are_entered_in_one_module_of_at_most_two_hundred_lines() -> None:
    entering = {
        path.as_posix()
        for path, tree in sources().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "enter"
        and any(isinstance(argument, ast.Constant) and argument.value in PHASES for argument in node.args)
    }
    assert entering == {"supervise/restart.py"}
    assert len((SUPERVISOR / "supervise" / "restart.py").read_text().splitlines()) <= 200
