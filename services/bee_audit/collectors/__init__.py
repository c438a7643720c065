"""Machine to facts: one module per section, each with ``async def collect(machine) -> Section | None``.

None means that the machine does not have the section's source. What could not be read of a section that is
there goes into its ``problems``; an exception means that nothing of it could be read.
"""
