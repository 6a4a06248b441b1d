"""The OpenAPI document: what FastAPI knows of the routes, and what all of them have in common."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.api.schemas.document import REFERRED, Problem

__all__ = ["document"]

PUBLIC: Final = ("/healthz", "/readyz", "/errors/")
PROBLEM: Final = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
REQUEST_ID: Final = {
    "description": "Names the request in logs: the client's own, where it sent one of 1 to 64 letters, digits, dots, dashes and "
    "underscores, else a new one.",
    "schema": {"type": "string"},
}
TIMEOUT: Final = {
    "name": "Request-Timeout",
    "in": "header",
    "required": False,
    "description": "Seconds after which the answer is of no use any more; what is not done by then is not done at all (503).",
    "schema": {"type": "number", "exclusiveMinimum": 0},
    "example": 30,
}
SCHEME: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key, where the service asks for one: gradwire keys create.",
}

PLACES: Final[dict[str, str]] = {
    "name": "rosenbrock", "op": "add", "scope_id": "s1", "session_id": "SESSION_ID", "slug": "not-found", "tensor_id": "x",
}  # fmt: skip
"""Examples of what stands in an address. The page at /docs puts a session of its own for SESSION_ID, and makes what the others name."""
OWN_PLACES: Final[dict[tuple[str, str], dict[str, str]]] = {
    ("post", "/v1/sessions/{session_id}/tensors/{tensor_id}/backward"): {"tensor_id": "out"},
    ("delete", "/v1/sessions/{session_id}/tensors/{tensor_id}"): {"tensor_id": "z"},
}


def document(app: FastAPI, *, keys: bool) -> dict[str, Any]:
    """The document, made once. keys: whether a key is asked for."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        components = found.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        for name, referred in REFERRED.items():
            schemas.setdefault(name, referred)
        schemas["Problem"] = Problem.model_json_schema()
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        components["securitySchemes"] = {"apiKey": SCHEME}
        components["headers"] = {"X-Request-Id": REQUEST_ID}
        found["security"] = [{"apiKey": []}] if keys else [{}, {"apiKey": []}]
        for path, operations in found["paths"].items():
            for method, operation in operations.items():
                _complete(operation, public=path.startswith(PUBLIC))
                _place(operation, {**PLACES, **OWN_PLACES.get((method, path), {})})
        app.openapi_schema = found
    return app.openapi_schema


def _place(operation: dict[str, Any], places: dict[str, str]) -> None:
    """Examples for the address, and the first sentence as the summary."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            parameter["example"] = places[parameter["name"]]
    operation["summary"] = operation["description"].partition("\n")[0].partition(". ")[0].rstrip(".").replace("`", "")


def _complete(operation: dict[str, Any], *, public: bool) -> None:
    responses = operation["responses"]
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]
    if public:
        operation["security"] = []
    else:
        responses["401"] = {
            "description": "A valid API key is needed, and was not sent.",
            "headers": {"WWW-Authenticate": {"schema": {"type": "string"}}},
            "content": PROBLEM,
        }
        operation.setdefault("parameters", []).append(TIMEOUT)
        responses.setdefault(
            "422",
            {"description": "Something that was sent cannot be: a parameter, a field, an id.", "content": PROBLEM},
        )
        responses.setdefault(
            "400",
            {"description": "The request could not be read, or Request-Timeout is no number.", "content": PROBLEM},
        )
    for response in responses.values():
        response.setdefault("headers", {})["X-Request-Id"] = {"$ref": "#/components/headers/X-Request-Id"}
