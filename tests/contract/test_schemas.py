"""The published schemas: what is checked in is what the types say, and what audits say is valid by it."""

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest

from bee_bus.documents import schema as schemas
from bee_bus.documents.audit import Snapshot
from bee_bus.documents.base import to_json
from lab.snapshots import gpu_server, snapshot

FOLDER = Path(__file__).resolve().parents[2] / "dbus" / "schemas"


@pytest.mark.parametrize("name", list(schemas.DOCUMENTS))
def test_the_checked_in_schema_is_the_one_that_the_types_make(name: str) -> None:
    assert (FOLDER / name).read_text("utf-8") == schemas.schema_text(name), "run `make schemas`"


@pytest.mark.parametrize("name", list(schemas.DOCUMENTS))
def test_a_schema_is_itself_valid_and_states_its_version(name: str) -> None:
    document = json.loads((FOLDER / name).read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(document)
    assert document["version"] in document["$id"]


def test_no_schema_is_left_over_from_a_document_that_is_gone() -> None:
    assert {file.name for file in FOLDER.iterdir()} == set(schemas.DOCUMENTS)


def test_the_snapshot_of_a_whole_server_is_valid_and_reads_back_the_same() -> None:
    whole = snapshot(hardware=gpu_server())
    encoded = to_json(whole)
    jsonschema.validate(json.loads(encoded), schemas.schema("audit-snapshot.json"))
    assert msgspec.json.decode(encoded, type=Snapshot) == whole


def test_a_verdict_that_does_not_exist_is_refused() -> None:
    document = json.loads(to_json(snapshot()))
    document["hardware"]["summary"]["verdict"] = "Fine"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schemas.schema("audit-snapshot.json"))
