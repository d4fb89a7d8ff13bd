"""The description of the API: it is that of the code, it is valid, and the page tells of everything in it."""

from __future__ import annotations

import ast
import re

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from supervisor.control.openapi import description
from supervisor.control.routes import OPERATIONS, REFUSALS, Operation
from supervisor.supervise.status import FRESH
from tests import ROOT
from tests.helpers.control import DOCUMENT

PAGE = (ROOT / "docs" / "control-api.md").read_text()


def test_the_committed_description_is_that_of_the_models() -> None:
    assert description() == DOCUMENT, "run: python -m supervisor.control > docs/openapi.json"


def test_the_memory_is_described_as_it_is_measured_and_as_fresh_as_it_is() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    described = {name: field["description"] for name, field in schemas["Memory"]["properties"].items()}
    assert "RSS" in described["supervisor"]
    assert "PSS" in described["tree"]
    assert f"at most {FRESH:g} s" in schemas["Status"]["properties"]["memory"]["description"]
    assert "PSS" in PAGE


def test_no_two_classes_have_the_same_fields() -> None:
    """A status, and each part of it, is described once, from the supervisor to the JSON that a command prints."""
    shapes: dict[frozenset[str], str] = {}
    files = [
        file for name in ("supervise", "control", "metrics") for file in (ROOT / "supervisor" / name).rglob("*.py")
    ]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                fields = frozenset(ast.unparse(one.target) for one in node.body if isinstance(one, ast.AnnAssign))
                where = f"{file.stem}.{node.name}"
                assert len(fields) < 3 or shapes.setdefault(fields, where) == where


def test_it_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_the_page_tells_of_every_operation_and_each_of_its_options(operation: Operation) -> None:
    _, found, section = PAGE.partition(f"## `{operation.method} {operation.path}`")
    assert found
    section = section.partition("\n## ")[0]
    for model in (operation.query, operation.body):
        for name in model.model_fields if model is not None else ():
            assert f"`{name}`" in section, name


def test_the_page_lists_every_status() -> None:
    statuses = {*REFUSALS, *(status for one in OPERATIONS for status in (*one.refusals, *one.answers))}
    listed = set(map(int, re.findall(r"^\| (\d{3}) \|", PAGE, re.MULTILINE)))
    assert listed == statuses
