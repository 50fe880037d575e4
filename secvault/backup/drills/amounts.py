"""Durations, sizes, shares and moments as people of a language write them."""

from __future__ import annotations

from decimal import Decimal

from secvault.backup.drills.words import Words

_SIZES = ("KiB", "MiB", "GiB", "TiB")


def duration(milliseconds: int, words: Words) -> str:
    """Seconds with a tenth below a minute, else its two largest parts."""
    units = words.units
    if milliseconds < 60_000:
        return f"{_decimal(f'{milliseconds // 100 / 10:.1f}', words)} {units[3]}"
    seconds = milliseconds // 1000
    parts = (seconds // 86_400, seconds // 3600 % 24, seconds // 60 % 60, seconds % 60)
    first = next(place for place, part in enumerate(parts) if part)
    shown = list(zip(parts, units, strict=True))[first : first + 2]
    return " ".join(f"{number(part, words)} {unit}" for part, unit in shown if part)


def size(count: int, words: Words) -> str:
    """Bytes in the largest unit that leaves a whole number before the point."""
    amount, unit = float(count), 0
    while amount >= 1024 and unit < len(_SIZES):
        amount, unit = amount / 1024, unit + 1
    if unit == 0:
        return f"{count} {words.byte}"
    return f"{_decimal(f'{amount:.1f}', words)} {_SIZES[unit - 1]}"


def exact_size(count: int, words: Words) -> str:
    """A size, with the exact number behind."""
    told = size(count, words)
    return told if count < 1024 else f"{told} ({number(count, words)} {words.byte})"


def number(count: int, words: Words) -> str:
    """A whole number in groups of three digits."""
    return f"{count:,}".replace(",", words.thousands)


def percent(share: str, words: Words) -> str:
    """A share, as the evidence has it, in per cent; with three digits that matter."""
    hundredth = Decimal(share) * 100
    told = format(Decimal(f"{hundredth:.3g}").normalize(), "f")
    return f"{_decimal(told, words)}{words.percent}"


def moment(timestamp: str) -> str:
    """An RFC 3339 moment to the second."""
    return f"{timestamp[:10]} {timestamp[11:19]} UTC"


def _decimal(text: str, words: Words) -> str:
    return text.replace(".", words.decimal)
