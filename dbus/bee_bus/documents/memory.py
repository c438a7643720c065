"""The memory section of the audit snapshot."""

from bee_bus.documents.base import Section


class MemorySection(Section):
    """To be filled."""
