"""Text that a terminal can be given, whoever wrote it."""

from __future__ import annotations

_CONTROL = {
    **{number: f"\\x{number:02x}" for number in (*range(32), *range(127, 160))},
    # These turn the direction of text, so that one thing can be made to look like another.
    **{
        number: f"\\u{number:04x}"
        for number in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
    },
}


def one_line(text: str) -> str:
    """The text with line breaks, escape codes and turning marks spelled out."""
    return text.translate(_CONTROL)
