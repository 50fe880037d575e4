"""When each version of a key was used, drawn: a line from the first use to the last for each.

A version that is used long after a newer one was made is what hinders retiring it. The table that
stands below has the same in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from secvault.keyring.key_usage import Use

WIDTH = 720
ROW = 24
"""Units of the drawing for each version."""
MOST = 20
"""Of the versions, so many of the newest are drawn."""
_LEAST = 4
"""What was used once is seen."""


@dataclass(frozen=True)
class Life:
    """A version: made at x; used from `since` for `width`, None where it was not. y: its middle."""

    version: int
    y: int
    x: int
    since: int | None
    width: int


@dataclass(frozen=True)
class Lives:
    """The drawing, the newest version above. first, last: the moments of its edges, in micros."""

    height: int
    first: int
    last: int
    rows: tuple[Life, ...]


def lives(created: Mapping[int, int], uses: Iterable[Use], now: int) -> Lives | None:
    """Draw the versions of a key. created: when each was made; None where none was used."""
    used: dict[int, tuple[int, int]] = {}
    for one in uses:
        first, last = used.get(one.version, (one.first_at, one.last_at))
        used[one.version] = (min(first, one.first_at), max(last, one.last_at))
    if not used:
        return None
    begin = min(*created.values(), *(first for first, _ in used.values()))
    taken = max(now - begin, 1)

    def across(moment: int) -> int:
        return (moment - begin) * WIDTH // taken

    rows = []
    for place, (version, made_at) in enumerate(sorted(created.items(), reverse=True)[:MOST]):
        since, width = None, 0
        if version in used:
            first, last = used[version]
            since = min(across(first), WIDTH - _LEAST)
            width = max(across(last) - since, _LEAST)
        rows.append(Life(version, place * ROW + ROW // 2, across(made_at), since, width))
    return Lives(len(rows) * ROW, begin, now, tuple(rows))
