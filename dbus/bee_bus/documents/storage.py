"""The storage section of the audit snapshot."""

from bee_bus.documents.base import Section


class StorageSection(Section):
    """To be filled."""
