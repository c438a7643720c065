"""The documents that come back: read once, typed, and checked before anyone acts on them."""

import msgspec

from bee_bus.documents.audit import Snapshot
from bee_bus.documents.gpus import GpuInventory
from bee_cli.errors import CliError
from bee_cli.terminal import Terminal
from bee_cli.text import ascii_json, safe_json


def read_snapshot(text: str) -> Snapshot:
    """The snapshot in a JSON text. Raises CliError: what cannot be read is no verdict."""
    try:
        return msgspec.json.decode(text, type=Snapshot)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise CliError(f"the audit's result is not a snapshot that this bee understands: {error}") from error


def read_gpus(text: str) -> GpuInventory:
    """The inventory in a JSON text. Raises CliError."""
    try:
        return msgspec.json.decode(text, type=GpuInventory)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise CliError(f"the service's answer is no inventory that this bee understands: {error}") from error


def readable_json(text: str, terminal: Terminal) -> str:
    """Any JSON document, whole, indented by two, safe for a terminal. Raises CliError."""
    try:
        readable = msgspec.json.format(text, indent=2)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise CliError(f"the answer is no JSON document: {error}") from error
    return safe_json(readable) if terminal.unicode else ascii_json(readable)
