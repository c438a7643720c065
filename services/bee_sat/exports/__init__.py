"""Runs in the formats of other programs: pure functions of a SatResult."""
