"""The OpenAPI description: complete enough to make a client of it.

What the framework writes by itself is corrected in three places: a summary is the first sentence
of the docstring, an invalid request is answered by a problem (or the transit engine's error) and
never by the framework's own, and the schema of a problem is there to refer to.
"""

from __future__ import annotations

import threading
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response

from secvault.api.declared import open_to_all
from secvault.api.problem import (
    PROBLEM_JSON,
    ApprovalProblem,
    FieldProblem,
    Problem,
    SeparationProblem,
)
from secvault.api.routing import Routes

_OURS = (Problem, FieldProblem, ApprovalProblem, SeparationProblem)
_REPLACED = ("HTTPValidationError", "ValidationError")
_INVALID = "422"
_NO_CONTENT = "204"

router = Routes()


@router.get("/api/v1/openapi.json", include_in_schema=False)
@open_to_all("describes the interface, which is no secret; it names nothing that is stored")
def openapi_document(request: Request) -> Response:
    """The description itself."""
    return JSONResponse(request.app.openapi())


def describe(app: FastAPI) -> None:
    """Have `app` describe its errors as what they are, problem details."""

    # It takes seconds, and is done once, however many ask at the same time.
    lock = threading.Lock()

    def openapi() -> dict[str, Any]:
        with lock:
            if app.openapi_schema is None:
                app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _described(app: FastAPI) -> dict[str, Any]:
    schema = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
    )
    for operations in schema["paths"].values():
        for operation in operations.values():
            _correct(operation)
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    for name in _REPLACED:
        schemas.pop(name, None)
    for model in _OURS:
        described = model.model_json_schema(ref_template="#/components/schemas/{model}")
        described.pop("$defs", None)
        schemas[model.__name__] = described
    return schema


def _correct(operation: dict[str, Any]) -> None:
    first, _, rest = operation.pop("description").partition("\n")
    operation["summary"] = first.removesuffix(".")
    if rest.strip():
        operation["description"] = rest.strip()
    answers = operation["responses"]
    # Where a route does not document it, the framework does: in a form that is never sent.
    if PROBLEM_JSON not in answers.get(_INVALID, {}).get("content", {PROBLEM_JSON: None}):
        del answers[_INVALID]
    if _NO_CONTENT in answers:
        answers.pop("200", None)
