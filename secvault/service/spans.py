"""How long a role is wanted: as it is said, as approvers read it, and as moments.

A length counts from the start: what begins later lasts as long. What is approved is what was said,
so that doing it later, when it is approved, is still the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from secvault.clock import timestamp
from secvault.crypto.canonical import JsonValue
from secvault.errors import InvalidInput
from secvault.service.giving import DAY_MICROS, LONGEST_DAYS, MICROS


@dataclass(frozen=True)
class Span:
    """From when until when. Moments in microseconds since the epoch, UTC; seconds: a length.

    not_before: from when it is given on, when None or passed. At most one of expires_at and seconds
    is given; with neither there is no end, or that of `giving.bounded_end`.
    """

    not_before: int | None = None
    expires_at: int | None = None
    seconds: int | None = None

    def moments(self, now: int) -> tuple[int, int | None]:
        """Its start and end when it is given now. Raises InvalidInput for what cannot be."""
        start = now if self.not_before is None else max(now, self.not_before)
        if abs((self.not_before or now) - now) > LONGEST_DAYS * DAY_MICROS:
            raise InvalidInput.at("not_before", f"must lie within {LONGEST_DAYS} days")
        if self.expires_at is not None and self.seconds is not None:
            raise InvalidInput.at("expires_at", "say how long, or until when, not both")
        end = self.expires_at
        if self.seconds is not None:
            if not 1 <= self.seconds <= LONGEST_DAYS * 86_400:
                raise InvalidInput.at("days", f"use 1 to {LONGEST_DAYS}")
            end = start + self.seconds * MICROS
        if end is not None and end <= start:
            raise InvalidInput.at("expires_at", "must lie after the start and in the future")
        if end is not None and end > start + LONGEST_DAYS * DAY_MICROS:
            raise InvalidInput.at("expires_at", f"must lie within {LONGEST_DAYS} days of the start")
        return start, end

    def terms(self, default_days: int) -> dict[str, JsonValue]:
        """As approvers read it. default_days: how long it is when no end is said."""
        found: dict[str, JsonValue] = {}
        if self.not_before is not None:
            found["from"] = timestamp(self.not_before)
        if self.expires_at is not None:
            found["until"] = timestamp(self.expires_at)
            return found
        seconds = default_days * 86_400 if self.seconds is None else self.seconds
        if seconds % 86_400 == 0:
            found["days"] = seconds // 86_400
        else:
            found["seconds"] = seconds
        return found


def moment_of(text: str, field: str) -> int:
    """The moment that RFC 3339 text with a time zone names, in microseconds since the epoch, UTC.

    Raises InvalidInput at `field`.
    """
    mend = "write a moment with its time zone: 2026-11-03T10:00:00+07:00"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput.at(field, mend) from None
    if moment.tzinfo is None:
        raise InvalidInput.at(field, mend)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def length(*, days: int | None = None, hours: int | None = None) -> int | None:
    """The seconds of a length that was said in days or hours. Raises InvalidInput for both."""
    if days is not None and hours is not None:
        raise InvalidInput.at("hours", "say days or hours, not both")
    if days is not None:
        if not 1 <= days <= LONGEST_DAYS:
            raise InvalidInput.at("days", f"use 1 to {LONGEST_DAYS}")
        return days * 86_400
    if hours is not None:
        if not 1 <= hours <= LONGEST_DAYS * 24:
            raise InvalidInput.at("hours", f"use 1 to {LONGEST_DAYS * 24}")
        return hours * 3600
    return None


def required_length(*, days: int | None, hours: int | None) -> int:
    """The same where a length must be said. Raises InvalidInput."""
    seconds = length(days=days, hours=hours)
    if seconds is None:
        raise InvalidInput.at("days", "say for how long, in days or hours")
    return seconds
