"""The published schemas: those of the types, and what every snapshot of ours is valid by."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bee_bus.documents.base import to_json
from bee_bus.documents.schema import DOCUMENTS, schema
from lab.snapshots import LINK_NARROW, SPARE_LOW, snapshot

FOLDER = Path(__file__).resolve().parents[2] / "dbus/schemas"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_checked_in_is_what_the_types_say(name: str) -> None:
    assert json.loads((FOLDER / name).read_text("utf-8")) == schema(name), "run `make schemas`"


def test_no_schema_is_left_over() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(DOCUMENTS)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_schema_is_one_and_says_its_version(name: str) -> None:
    found = schema(name)

    jsonschema.Draft202012Validator.check_schema(found)
    assert found["$id"].endswith(f":{found['version']}")


@pytest.fixture
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(to_json(snapshot(SPARE_LOW, LINK_NARROW)))
    return found


def test_a_snapshot_is_valid(document: dict[str, Any]) -> None:
    jsonschema.validate(document, schema("audit-snapshot.json"))
    assert document["schema_version"] == schema("audit-snapshot.json")["version"]


def test_a_verdict_that_does_not_exist_is_not(document: dict[str, Any]) -> None:
    document["hardware"]["summary"]["verdict"] = "Fine"

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema("audit-snapshot.json"))


def test_a_finding_without_a_next_step_is_not(document: dict[str, Any]) -> None:
    del document["hardware"]["summary"]["findings"][0]["next_step"]

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema("audit-snapshot.json"))
