"""The time that a report is about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from secvault.clock import micros_of, moment
from secvault.crypto.canonical import JsonValue
from secvault.errors import InvalidInput

_MONTH = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])")


@dataclass(frozen=True)
class Period:
    """From `since` to before `until`, microseconds UTC; None for the ends of the log.

    zone: by whose clocks it is told, of the IANA database. month: such as 2026-10, where it is one.
    """

    since: int | None
    until: int | None
    zone: str
    month: str = ""


def month_of(text: str, zone: str) -> Period:
    """A month such as 2026-10, by the clocks of the zone. Raises InvalidInput."""
    found = _MONTH.fullmatch(text)
    if found is None:
        raise InvalidInput.at("month", "write a month such as 2026-10")
    year, month = int(found[1]), int(found[2])
    begins = datetime(year, month, 1, tzinfo=ZoneInfo(zone))
    following = (year + 1, 1) if month == 12 else (year, month + 1)
    ends = datetime(*following, 1, tzinfo=ZoneInfo(zone))
    return Period(micros_of(begins.astimezone(UTC)), micros_of(ends.astimezone(UTC)), zone, text)


def month_before(at: int, zone: str) -> str:
    """The last whole month before a moment, microseconds UTC, by the clocks of the zone."""
    first = moment(at).astimezone(ZoneInfo(zone)).replace(day=1)
    return f"{first - timedelta(days=1):%Y-%m}"


def told(micros: int, zone: str) -> dict[str, JsonValue]:
    """A moment for people, to the second: by the clocks of the zone, and in UTC."""
    at = moment(micros)
    local = at.astimezone(ZoneInfo(zone)).isoformat(sep=" ", timespec="seconds")
    return {"local": f"{local[:19]} {local[19:]}", "utc": f"{at:%Y-%m-%d %H:%M:%S} UTC"}
