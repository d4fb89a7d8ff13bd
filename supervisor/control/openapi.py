"""The API's description, OpenAPI 3.1, made from the models and the table of operations.

python -m supervisor.control > docs/openapi.json
"""

from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from supervisor import __version__
from supervisor.control import schemas as models
from supervisor.control.routes import OPERATIONS, REFUSALS, Operation
from supervisor.http1.connection import JSON, LINES, PROBLEM

Object = dict[str, Any]

_REFERENCE: Final = "#/components/schemas/{model}"


def description() -> Object:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "scanonce control API",
            "version": __version__,
            "summary": "Talking to a running supervisor over its Unix socket.",
            "description": "See docs/control-api.md. Fields are only ever added: ignore what you do not know.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "http://localhost", "description": "The Unix socket; the host's name does not matter."}],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "responses": {str(status): _refusal(text) for status, text in REFUSALS.items()},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "On Windows only: the token in control.json.",
                }
            },
        },
        "security": [{}, {"token": []}],
    }


def _paths() -> Object:
    paths: Object = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return paths


def _operation(operation: Operation) -> Object:
    shared = {str(status): {"$ref": f"#/components/responses/{status}"} for status in REFUSALS}
    own = {str(status): _refusal(text) for status, text in operation.refusals.items()}
    kind = LINES if operation.lines else JSON
    answers = {
        str(status): {"description": text, "content": {kind: {"schema": _reference(model)}}}
        for status, (text, model) in operation.answers.items()
    }
    described: Object = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.doc,
        "responses": dict(sorted((shared | own | answers).items())),
    }
    if operation.query is not None:
        described["parameters"] = _parameters(operation.query)
    if operation.body is not None:
        described["requestBody"] = {"required": False, "content": {JSON: {"schema": _reference(operation.body)}}}
    return described


def _parameters(query: type[BaseModel]) -> list[Object]:
    found = []
    for name, schema in query.model_json_schema()["properties"].items():
        text = schema.pop("description", "")
        found.append({"name": name, "in": "query", "required": False, "description": text, "schema": schema})
    return found


def _refusal(text: str) -> Object:
    return {"description": text, "content": {PROBLEM: {"schema": _reference(models.ProblemDetails)}}}


def _reference(model: type[BaseModel]) -> Object:
    return {"$ref": _REFERENCE.format(model=model.__name__)}


def _schemas() -> Object:
    answered = {model for operation in OPERATIONS for _, model in operation.answers.values()} | {models.ProblemDetails}
    asked = {operation.body for operation in OPERATIONS if operation.body is not None}
    _, schemas = models_json_schema(
        [
            *((model, "serialization") for model in sorted(answered, key=lambda one: one.__name__)),
            *((model, "validation") for model in sorted(asked, key=lambda one: one.__name__)),
        ],
        ref_template=_REFERENCE,
    )
    definitions: Object = schemas["$defs"]
    return dict(sorted(definitions.items()))
