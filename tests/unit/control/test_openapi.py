"""The description of the API: it is that of the code, it is valid, and the page tells of everything in it."""

from __future__ import annotations

import re

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from supervisor.control.openapi import description
from supervisor.control.routes import OPERATIONS, REFUSALS, Operation
from tests import ROOT
from tests.helpers.control import DOCUMENT

PAGE = (ROOT / "docs" / "control-api.md").read_text()


def test_the_committed_description_is_that_of_the_models() -> None:
    assert description() == DOCUMENT, "run: python -m supervisor.control > docs/openapi.json"


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
