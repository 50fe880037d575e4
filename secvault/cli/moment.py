"""A moment as people write it on the command line."""

from __future__ import annotations

from datetime import UTC, datetime

from secvault import clock
from secvault.errors import InvalidInput


def micros_of(text: str, option: str) -> int | None:
    """Microseconds since the epoch; None for nothing. Without a zone it is UTC.

    Raises InvalidInput at `option`.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        # By the clocks of its own zone it may be in year 1 or 9999, and in none by those of UTC.
        aware = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput.at(
            option, "write a date or time such as 2026-11-03 or 2026-11-03T10:00:00+07:00"
        ) from None
    return clock.micros_of(aware)
