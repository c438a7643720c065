"""The board section of the audit snapshot."""

from bee_bus.documents.base import Section


class BoardSection(Section):
    """To be filled."""
