"""Which snapshots stay."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from secvault.errors import FieldError, InvalidInput

_DURATION = re.compile(r"(?=.*[1-9])(\d+y)?(\d+m)?(\d+d)?(\d+h)?")
MOST = 1_000_000


@dataclass(frozen=True)
class Retention:
    """How many snapshots stay: the newest `last`, and the newest of so many hours, days...

    Hours and days are those of the time zone that a snapshot was made in. within: all that are
    younger than this before the newest, for instance 1y5m7d2h. tags: a snapshot with one of them
    stays. A snapshot stays if any rule keeps it. Raises InvalidInput for a rule that keeps nothing:
    forgetting all is no retention.
    """

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: str = ""
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        faults = [
            FieldError(name, f"must be 0 to {MOST}")
            for name, count in self._counts()
            if not 0 <= count <= MOST
        ]
        if self.within and not _DURATION.fullmatch(self.within):
            faults.append(FieldError("within", "write years, months, days, hours as 1y5m7d2h"))
        if not faults and not self.within and not any(count for _, count in self._counts()):
            faults.append(FieldError("last", "must be at least 1 where no other rule keeps any"))
        if faults:
            raise InvalidInput(
                "the retention is not valid: "
                + "; ".join(f"{fault.field} {fault.detail}" for fault in faults),
                fields=tuple(faults),
            )

    def and_run(self, run: str) -> Retention:
        """The same, by which the snapshots of this run stay, too; none where it is empty."""
        return replace(self, tags=(*self.tags, f"run={run}")) if run else self

    def arguments(self) -> tuple[str, ...]:
        """The rules as restic's options."""
        counts = (f"--keep-{name}={count}" for name, count in self._counts() if count)
        return (
            *counts,
            *((f"--keep-within={self.within}",) if self.within else ()),
            *(f"--keep-tag={tag}" for tag in self.tags),
        )

    def days(self) -> int:
        """For how many days a snapshot may stay, at least, by the rules that count time."""
        hours = {"y": 366 * 24, "m": 31 * 24, "d": 24, "h": 1}
        within = sum(
            int(number) * hours[unit] for number, unit in re.findall(r"(\d+)([ymdh])", self.within)
        )
        spans = (
            within,
            self.hourly,
            self.daily * 24,
            self.weekly * 7 * 24,
            self.monthly * 31 * 24,
            self.yearly * 366 * 24,
        )
        return max(spans) // 24

    def _counts(self) -> tuple[tuple[str, int], ...]:
        names = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
        return tuple((name, getattr(self, name)) for name in names)
