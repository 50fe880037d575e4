"""Time zones: which one a visitor's clock times are in, and what was typed in it.

Kept by the browser alone, as the language is. Who has chosen none gets the company's, which is
UTC unless a setting says otherwise.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from babel.core import get_global
from fastapi import Request

from secvault.clock import micros_of, moment
from secvault.errors import InvalidInput

COOKIE = "secvault-time-zone"
UNIVERSAL = "UTC"


@cache
def known_zones() -> tuple[str, ...]:
    """The zones to choose from, by name: those of the IANA list that a territory lives by.

    Without the old spellings of the same zones, which are as many again.
    """
    found = get_global("zone_territories")
    return (UNIVERSAL, *sorted(name for name in found if "/" in name and name[:4] != "Etc/"))


def zone_of(request: Request) -> str:
    """The zone that the visitor chose, else the company's; while the vault is sealed, UTC."""
    chosen = request.cookies.get(COOKIE)
    if chosen and chosen in known_zones():
        return chosen
    return company_zone(request)


def company_zone(request: Request) -> str:
    """The zone of a setting."""
    service = getattr(getattr(request.scope.get("app"), "state", None), "service", None)
    return service.settings.server.time_zone if service is not None else UNIVERSAL


def require_known(name: str) -> str:
    """The name, if it is one of `known_zones`. Raises InvalidInput at `time_zone`."""
    if name not in known_zones():
        raise InvalidInput.at(
            "time_zone", "is not known; write an IANA name, for instance Europe/Berlin"
        )
    return name


def local(micros: int, zone: str) -> datetime:
    """A moment by the clocks of a zone."""
    return moment(micros).astimezone(ZoneInfo(zone))


def offset_of(at: datetime) -> str:
    """How far the clocks of a moment are from UTC, for instance `UTC+7`, `UTC-3:30`, `UTC`."""
    offset = at.utcoffset() or timedelta()
    minutes = abs(offset) // timedelta(minutes=1)
    if not minutes:
        return UNIVERSAL
    hours, rest = divmod(minutes, 60)
    sign = "-" if offset < timedelta() else "+"
    return f"{UNIVERSAL}{sign}{hours}{f':{rest:02}' if rest else ''}"


def midnight(ordinal: int, zone: str) -> int:
    """When a day begins in a zone. ordinal: of the day, as `date.toordinal` counts."""
    return micros_of(datetime.combine(date.fromordinal(ordinal), time(), ZoneInfo(zone)))


def moment_typed(field: str, text: str, zone: str) -> int | None:
    """A moment as browsers send one, `2026-11-03` or `2026-11-03T10:00`; by the clocks of the zone
    where it names no other.

    What the clocks show twice is the first time; what they leave out is as if they had not been
    put forward. None for nothing. Raises InvalidInput.
    """
    if not text.strip():
        return None
    try:
        found = datetime.fromisoformat(text.strip())
        return max(0, micros_of(found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))))
    except (ValueError, OverflowError):
        raise InvalidInput.at(field, "write a moment such as 2026-11-03T10:00") from None


def in_link(micros: int) -> str:
    """A moment as a link says it, the same for everybody who follows it."""
    return moment(micros).strftime("%Y-%m-%dT%H:%M:%SZ")


def link_typed(text: str, zone: str) -> str:
    """What was typed for a moment, as a link says it; what is none stays as it is."""
    try:
        found = moment_typed("", text, zone)
    except InvalidInput:
        return text
    return "" if found is None else in_link(found)


def in_field(text: str, zone: str) -> str:
    """A moment of a link as a field of a form takes it, by the clocks of the zone.

    Nothing for what is none.
    """
    try:
        found = moment_typed("", text, zone)
    except InvalidInput:
        return ""
    return "" if found is None else f"{local(found, zone):%Y-%m-%dT%H:%M}"
