"""The sensors section of the audit snapshot."""

from bee_bus.documents.base import Section


class SensorsSection(Section):
    """To be filled."""
