"""The firmware section of the audit snapshot."""

from bee_bus.documents.base import Section


class FirmwareSection(Section):
    """To be filled."""
