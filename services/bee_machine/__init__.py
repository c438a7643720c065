"""The one way to the hardware: files, folders, device controls and tools with deadlines; live or replayed."""

from bee_machine.conversation import Conversation, Question
from bee_machine.machine import (
    ControlError,
    Entry,
    Machine,
    ToolError,
    ToolFlooded,
    ToolHung,
    ToolMissing,
    ToolResult,
    UdevDevice,
)

__all__ = [
    "ControlError",
    "Conversation",
    "Entry",
    "Machine",
    "Question",
    "ToolError",
    "ToolFlooded",
    "ToolHung",
    "ToolMissing",
    "ToolResult",
    "UdevDevice",
]
