"""The JSON Schemas of the documents that leave bee, made from their types.

``python -m bee_bus.documents.schema FOLDER`` writes them (``make schemas``); a test compares those that are
checked in with what the types say now.
"""

import json
import sys
from inspect import cleandoc
from pathlib import Path
from typing import Any

import msgspec

from bee_bus.documents import audit, sat

# File name to title, version and type.
DOCUMENTS: dict[str, tuple[str, str, type]] = {
    "audit-snapshot.json": ("bee audit snapshot", audit.SCHEMA_VERSION, audit.Snapshot),
    "sat-result.json": ("bee acceptance run", sat.SCHEMA_VERSION, sat.SatResult),
}


def schema(name: str) -> dict[str, Any]:
    """The schema (JSON Schema 2020-12) of the document kept in the file of that name."""
    title, version, document = DOCUMENTS[name]
    made = without_indents(msgspec.json.schema(document))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:bee:{name.removesuffix('.json')}:{version}",
        "title": title,
        "version": version,
        **made,
    }


def without_indents(part: Any) -> Any:
    """The schema with its descriptions as paragraphs: Python before 3.13 keeps a docstring's indentation."""
    if isinstance(part, dict):
        return {
            name: cleandoc(value)
            if name == "description" and isinstance(value, str)
            else without_indents(value)
            for name, value in part.items()
        }
    return [without_indents(value) for value in part] if isinstance(part, list) else part


def schema_text(name: str) -> str:
    return json.dumps(schema(name), indent=2) + "\n"


def main() -> None:
    folder = Path(sys.argv[1])
    for name in DOCUMENTS:
        (folder / name).write_text(schema_text(name), encoding="utf-8")


if __name__ == "__main__":
    main()
