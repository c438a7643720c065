"""The psus section of the audit snapshot."""

from bee_bus.documents.base import Section


class PsusSection(Section):
    """To be filled."""
