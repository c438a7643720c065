"""Bytes to facts: pure functions. Bad bytes raise DecodeError, or are named in the result."""


class DecodeError(ValueError):
    """The bytes are not what they claim to be; the message says where and why."""
