"""Bytes to facts. Pure functions that read no file. Bad bytes raise DecodeError, or are named in the result."""


class DecodeError(ValueError):
    """The bytes are not what they claim to be; the message says where and why."""
