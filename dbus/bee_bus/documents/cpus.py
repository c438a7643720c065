"""The cpus section of the audit snapshot."""

from bee_bus.documents.base import Section


class CpusSection(Section):
    """To be filled."""
