"""How fast somebody decided: whoever keeps twenty grants in a minute has looked at none of them.

Pure: moments in, numbers out. The numbers are shown, and signed with the evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

MINUTE = 60 * 1_000_000


@dataclass(frozen=True)
class Pace:
    """The decisions of one reviewer in one campaign.

    most_in_a_minute: within any sixty seconds. median_seconds: between one decision and the next;
    None for fewer than two.
    """

    reviewer: str
    decided: int
    kept: int
    most_in_a_minute: int
    median_seconds: int | None


def pace(reviewer: str, decisions: Iterable[tuple[int, bool]]) -> Pace:
    """The pace of these decisions: when each was made (microseconds), and whether it kept."""
    made = sorted(decisions)
    moments = [at for at, _ in made]
    gaps = sorted(after - before for before, after in pairwise(moments))
    return Pace(
        reviewer,
        len(made),
        sum(kept for _, kept in made),
        most_in_a_minute(moments),
        gaps[len(gaps) // 2] // 1_000_000 if gaps else None,
    )


def most_in_a_minute(moments: Sequence[int]) -> int:
    """How many of these moments, which are sorted, lie within less than sixty seconds at most."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= MINUTE:
            first += 1
        most = max(most, last - first + 1)
    return most


def seconds_to_wait(keeps: Sequence[int], now: int, limit: int) -> int:
    """How long until one more may be kept, when `limit` may be in a minute; 0 for at once.

    keeps: those of the last minute, sorted.
    """
    recent = [at for at in keeps if now - at < MINUTE]
    if len(recent) < limit:
        return 0
    return -((now - recent[-limit] - MINUTE) // 1_000_000)
