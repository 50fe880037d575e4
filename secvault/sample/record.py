"""What a sample record is, and how days, amounts and chances are written in one."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from secvault.crypto.canonical import JsonValue

TODAY = date(2026, 6, 30)
"""The day on which the sample company lives. Fixed, so that the data never changes."""

Draw = random.Random


@dataclass(frozen=True)
class SampleRecord:
    """One record; `values` are in the stored form of the collection's fields, without nulls."""

    department: str
    collection: str
    id: str
    values: dict[str, JsonValue]


def sample_record(
    department: str, collection: str, id_: str, values: dict[str, JsonValue]
) -> SampleRecord:
    """The record without the fields that have no value."""
    kept: dict[str, JsonValue] = {
        name: value for name, value in values.items() if value is not None
    }
    return SampleRecord(department, collection, id_, kept)


def draw_for(seed: int, subject: str) -> Draw:
    """The chances of one subject, so that a change in one collection leaves the others alone.

    A text as seed goes through SHA-512, hence alike in every process and on every machine.
    """
    return random.Random(f"{seed}/{subject}")  # noqa: S311 - sample data, not keys


def money(minor_units: int, currency: str = "VND") -> dict[str, JsonValue]:
    """An amount given in đồng, or in cents of the other currencies."""
    if currency == "VND":
        return {"amount": str(minor_units), "currency": currency}
    return {"amount": f"{minor_units // 100}.{minor_units % 100:02d}", "currency": currency}


def decimal(thousandths: int) -> str:
    """A decimal without trailing zeros."""
    whole, rest = divmod(thousandths, 1000)
    return f"{whole}.{rest:03d}".rstrip("0").rstrip(".")


def day(value: date | None) -> str | None:
    """The day in ISO 8601."""
    return None if value is None else value.isoformat()


def moment(value: datetime | None) -> str | None:
    """The moment in RFC 3339, UTC, with microseconds."""
    return None if value is None else f"{value:%Y-%m-%dT%H:%M:%S.%fZ}"


def in_working_hours(draw: Draw, on: date) -> datetime:
    """A full minute between 7:30 and 16:30 in Việt Nam (UTC+7)."""
    start = datetime.combine(on, time(0, 30), UTC)
    return start + timedelta(minutes=draw.randrange(9 * 60))


def days_ago(draw: Draw, most: int, least: int = 0) -> date:
    """A day between so many days before today."""
    return TODAY - timedelta(days=draw.randint(least, most))


def amount_between(draw: Draw, least: int, most: int) -> int:
    """A whole number of thousands, small ones more often, as prices are."""
    return round(least * math.pow(most / least, draw.random()) / 1000) * 1000


def chance(draw: Draw, percent: int) -> bool:
    """True so many times in a hundred."""
    return draw.randrange(100) < percent
