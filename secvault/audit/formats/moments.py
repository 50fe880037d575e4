"""Moments as text, quickly: neighbours in a log mostly lie in the same minute."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

from secvault.clock import moment

_MINUTE = 60_000_000


class MomentTexts:
    """RFC 3339 with microseconds, in UTC and by the clocks of a zone.

    zone: a name of the IANA database.
    """

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._minute = -1
        self._utc = self._local = self._offset = ""

    def both(self, micros: int) -> tuple[str, str]:
        """Such as 2026-11-03T10:00:00.000000Z and 2026-11-03T17:00:00.000000+07:00."""
        minute, rest = divmod(micros, _MINUTE)
        if minute != self._minute:
            self._turn(minute)
        tail = f"{rest // 1_000_000:02}.{rest % 1_000_000:06}"
        return f"{self._utc}{tail}Z", f"{self._local}{tail}{self._offset}"

    def _turn(self, minute: int) -> None:
        at = moment(minute * _MINUTE)
        local = at.astimezone(self._zone)
        # Zones have whole minutes since long before there was a log.
        self._utc = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:")
        self._local = local.strftime("%Y-%m-%dT%H:%M:")
        self._offset = local.isoformat()[-6:]
        self._minute = minute
