"""The description of the API: what is checked in is what the types and the handlers say."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import bee_web
from bee_bus.documents.base import to_json
from bee_web import openapi
from bee_web.application import routes
from bee_web.operations import OPERATIONS
from lab.snapshots import LINK_NARROW, SPARE_LOW, snapshot

CHECKED_IN = Path(bee_web.__file__).parent / "openapi.json"
EXAMPLES = {"gpu": "0000:3b:00.0", "run": "20260101T000000_001", "name": "summary.txt", "action": "reboot"}


def test_what_is_checked_in_is_what_the_types_say() -> None:
    assert CHECKED_IN.read_text() == openapi.text(), "make schemas"


def methods_of(path: str) -> set[str]:
    """What the handler of an address answers; none where there is no handler."""
    for pattern, handler, *_ in routes():
        if re.fullmatch(pattern, path):
            ours = [vars(kind) for kind in handler.__mro__ if kind.__module__.startswith("bee_web")]
            every = ("get", "post", "put", "patch", "delete")
            return {name for name in every if any(name in one for one in ours)}
    return set()


def test_every_operation_has_a_handler_and_every_handler_is_described() -> None:
    described: dict[str, set[str]] = {}
    for operation in OPERATIONS:
        path = "/api/v1" + operation.path.format(**EXAMPLES)
        described.setdefault(path, set()).add(operation.method)
    for path, methods in described.items():
        assert methods_of(path) == methods, path
    patterns = {pattern for pattern, *_ in routes() if pattern.startswith("/api/")}
    for pattern in patterns:
        assert any(re.fullmatch(pattern, path) for path in described), pattern


def test_every_reference_leads_somewhere() -> None:
    text = CHECKED_IN.read_text()
    schemas = json.loads(text)["components"]["schemas"]
    found = set(re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', text))
    assert found
    assert found <= schemas.keys()


def test_what_needs_a_login_says_so_and_only_that() -> None:
    described = json.loads(CHECKED_IN.read_text())["paths"]
    for path, operations in described.items():
        for method, operation in operations.items():
            changes = method == "post" and path != "/session"
            assert ("security" in operation) == changes, (method, path)
            assert ("401" in operation["responses"]) == (method == "post"), (method, path)


@pytest.mark.parametrize("findings", [(), (SPARE_LOW, LINK_NARROW)])
def test_a_snapshot_is_as_described(findings: tuple[object, ...]) -> None:
    described = json.loads(CHECKED_IN.read_text())
    schema = {"$ref": "#/components/schemas/Snapshot", "components": described["components"]}
    document = json.loads(to_json(snapshot(*findings)))  # type: ignore[arg-type]
    Draft202012Validator(schema).validate(document)
    document["hardware"]["summary"]["verdict"] = "Fine"
    assert not Draft202012Validator(schema).is_valid(document)
