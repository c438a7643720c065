"""The gpus section of the audit snapshot."""

from bee_bus.documents.base import Section


class GpusSection(Section):
    """To be filled."""
