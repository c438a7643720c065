"""The pcie section of the audit snapshot."""

from bee_bus.documents.base import Section


class PcieSection(Section):
    """To be filled."""
