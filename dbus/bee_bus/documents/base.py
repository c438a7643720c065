"""What all documents that cross the bus have in common.

A document is a frozen msgspec Struct. A field that is not known is absent from the JSON (its default is
None or empty), never zero: zero is a reading. Names carry their unit: ``size_bytes``, ``power_watts``.
"""

from typing import dataclass_transform

import msgspec


# The decorator tells type checkers what msgspec does at run time: subclasses are frozen and keyword-only too.
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A JSON document, or a part of one."""


class Section(Document):
    """One section of the hardware inventory.

    ``problems``: what could not be read, a sentence each, while the rest could (one disk that does not
    answer, one tool that is missing). A section with problems can never add up to an OK.
    """

    problems: tuple[str, ...] = ()


def to_json(document: object) -> bytes:
    """The document as compact JSON, keys in the order of their definition."""
    return msgspec.json.encode(document)


def to_readable_json(document: object) -> str:
    """The document as JSON indented by two, for files and people."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
