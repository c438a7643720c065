"""The bmc section of the audit snapshot."""

from bee_bus.documents.base import Section


class BmcSection(Section):
    """To be filled."""
