"""Clocks of TOTP devices: which steps are looked at, and what a code teaches (RFC 6238, 6).

A device that is always a little late or early is followed, slowly and within bounds: never are more
than three steps looked at, and never further away than two steps from where the last resync found
the device's clock. No rows, no clock of our own.
"""

from __future__ import annotations

from dataclasses import dataclass

FURTHEST_SHIFT = 20
"""Steps that a resync may find between the device's clock and ours."""

FURTHEST_DRIFT = 2
"""Steps that may be learned since the last resync."""

_MILLI = 1000
# The share of the newest observation: three sign-ins in a row that say the same are believed.
_WEIGHT = 4


@dataclass(frozen=True)
class DeviceClock:
    """How a device's clock runs beside ours.

    shift: whole steps ahead, as found by the last resync. drift: thousandths of a step ahead of
    that, as learned since. Negative when it is behind.
    """

    shift: int = 0
    drift: int = 0

    def steps(self, present: int) -> tuple[int, ...]:
        """The steps to look at when ours is `present`: two, or three once a drift was learned.

        The step before the device's own is always among them, for the time that typing takes
        (RFC 6238, 5.2).
        """
        own = present + self.shift
        learned = round(self.drift / _MILLI)
        if learned < 0:
            return (own + learned - 1, own + learned, own + learned + 1)
        if learned > 0:
            return (own + learned - 2, own + learned - 1, own + learned)
        return (own - 1, own)

    def learned(self, present: int, accepted: int) -> DeviceClock:
        """The clock after the code of step `accepted` was right while ours was `present`."""
        seen = (accepted - present - self.shift) * _MILLI
        furthest = FURTHEST_DRIFT * _MILLI
        moved = self.drift + round((seen - self.drift) / _WEIGHT)
        return DeviceClock(self.shift, max(-furthest, min(furthest, moved)))

    def found(self, present: int, accepted: int) -> DeviceClock:
        """The clock as a resync finds it: at `accepted` while ours was `present`."""
        return DeviceClock(accepted - present)
