"""Typed documents: what the JSON that crosses the bus looks like."""
