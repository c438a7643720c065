"""The network section of the audit snapshot."""

from bee_bus.documents.base import Section


class NetworkSection(Section):
    """To be filled."""
