"""The description of the API (OpenAPI 3.1), made from the documents' types and the table of operations.

``python -m bee_web.openapi FILE`` writes it (``make schemas``); a test compares what is checked in with this.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from bee_bus.documents.schema import without_indents
from bee_bus.version import VERSION
from bee_web.bodies import Problem
from bee_web.operations import JSON, OPERATIONS, Operation, Query

REFERENCE = "#/components/schemas/{name}"

_WORDS = {
    400: "What was asked is not possible as it was asked.",
    401: "This needs a login.",
    403: "Changes come from bee's own pages, or with a token; or the service refused.",
    404: "There is no such thing.",
    409: "Something else is under way.",
    415: "The body is JSON.",
    422: "This machine cannot do that.",
    429: "Too many wrong tokens; Retry-After says how long to wait.",
    502: "The service answered with a fault.",
    503: "The service is not there, or too many ask.",
    504: "The service did not answer in time.",
}

_PATH_SCHEMAS: dict[str, dict[str, Any]] = {
    "gpu": {"type": "string", "minLength": 1, "maxLength": 80},
    "run": {"type": "string", "minLength": 1, "maxLength": 80},
    "name": {"type": "string", "minLength": 1, "maxLength": 200},
    "action": {"enum": ["reboot", "poweroff"]},
}


def description() -> dict[str, Any]:
    """The whole of it."""
    kinds = [one.answer for one in OPERATIONS if one.answer is not None]
    kinds += [one.body for one in OPERATIONS if one.body is not None]
    _, components = msgspec.json.schema_components([*kinds, Problem], ref_template=REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    made: dict[str, Any] = without_indents(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "bee",
                "version": VERSION,
                "description": "A machine that inspects and proves itself. Who only looks needs no login.",
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": [{"url": "/api/v1"}],
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {
                    "token": {"type": "http", "scheme": "bearer", "description": "As the console shows it."},
                    "session": {"type": "apiKey", "in": "cookie", "name": "bee_session"},
                },
            },
        }
    )
    return made


def text() -> str:
    return json.dumps(description(), indent=2) + "\n"


def _operation(one: Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {str(one.status): _answer(one)}
    for status in one.errors:
        responses[str(status)] = {"description": _WORDS[status], "content": _content(JSON, Problem)}
    made: dict[str, Any] = {
        "operationId": _identifier(one),
        "summary": one.words,
        "parameters": [*_path_parameters(one.path), *map(_query_parameter, one.query)],
        "responses": responses,
    }
    if one.body is not None:
        made["requestBody"] = {"required": one.body_required, "content": _content(JSON, one.body)}
    if one.login:
        made["security"] = [{"token": []}, {"session": []}]
    return made


def _answer(one: Operation) -> dict[str, Any]:
    if one.status == 204:
        return {"description": "Done."}
    if one.answer is not None:
        return {"description": one.words, "content": _content(JSON, one.answer)}
    return {"description": one.words, "content": {media: {} for media in one.media}}


def _content(media: str, kind: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=REFERENCE)
    return {media: {"schema": schema}}


def _identifier(one: Operation) -> str:
    words = [word.strip("{}").removesuffix(".json") for word in one.path.strip("/").split("/")]
    return "_".join((one.method, *words))


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [word.strip("{}") for word in path.split("/") if word.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": _PATH_SCHEMAS[name]} for name in names]


def _query_parameter(query: Query) -> dict[str, Any]:
    return {
        "name": query.name,
        "in": "query",
        "description": query.words,
        "required": query.required,
        "schema": query.schema,
    }


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), encoding="utf-8")
