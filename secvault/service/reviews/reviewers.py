"""Who reviews what: never oneself, and no two each other where that can be avoided.

Pure: names in, names out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

MOST_STEPS = 20_000
"""After so many steps of looking for an assignment without pairs, the best first guess is taken."""


@dataclass(frozen=True, order=True)
class Part:
    """What one person reviews as a whole: the roles of a subject in a department."""

    subject: str
    department: str


Tiers = Sequence[Sequence[str]]
"""Who could review, those to be asked first in the first tier; within a tier all are alike."""


def assign(candidates: Mapping[Part, Tiers]) -> Mapping[Part, str | None]:
    """A reviewer for each part; None where nobody could.

    Nobody reviews a part of their own. As long as there is an assignment in which no two people
    review each other, it is one of these (up to `MOST_STEPS` of looking for it). Otherwise the
    earlier tier is taken, and in it whoever has least to do.
    """
    able = {
        part: tuple(
            tuple(one for one in tier if one != part.subject)
            for tier in tiers
            if any(one != part.subject for one in tier)
        )
        for part, tiers in sorted(candidates.items())
    }
    reviewing = set(chain.from_iterable(chain.from_iterable(able.values())))
    # Only who could review others can be half of a pair.
    tied = sorted(
        (part for part in able if part.subject in reviewing and able[part]),
        key=lambda part: (sum(map(len, able[part])), part),
    )
    chosen = _without_pairs(tied, able) or _first_guess(tied, able)
    load = Counter(chosen.values())
    found: dict[Part, str | None] = dict(chosen)
    for part, tiers in able.items():
        if part in found:
            continue
        if not tiers:
            found[part] = None
            continue
        least = min(tiers[0], key=lambda one: (load[one], tiers[0].index(one)))
        load[least] += 1
        found[part] = least
    return found


def pairs(assigned: Mapping[Part, str | None]) -> frozenset[Part]:
    """The parts whose subject reviews something of their reviewer's."""
    links = {(part.subject, reviewer) for part, reviewer in assigned.items() if reviewer}
    return frozenset(
        part
        for part, reviewer in assigned.items()
        if reviewer and (reviewer, part.subject) in links
    )


def _without_pairs(tied: Sequence[Part], able: Mapping[Part, Tiers]) -> dict[Part, str] | None:
    """An assignment of these parts without pairs; None when there is none or it takes too long."""
    chosen: dict[Part, str] = {}
    links: Counter[tuple[str, str]] = Counter()
    options = [list(chain.from_iterable(able[part])) for part in tied]
    tried = [0] * len(tied)
    at = steps = 0
    while at < len(tied):
        part = tied[at]
        if part in chosen:
            links[(part.subject, chosen.pop(part))] -= 1
        while tried[at] < len(options[at]):
            one = options[at][tried[at]]
            tried[at] += 1
            if not links[(one, part.subject)]:
                chosen[part] = one
                links[(part.subject, one)] += 1
                break
        steps += 1
        if part in chosen:
            at += 1
        else:
            tried[at] = 0
            at -= 1
        if at < 0 or steps > MOST_STEPS:
            return None
    return chosen


def _first_guess(tied: Sequence[Part], able: Mapping[Part, Tiers]) -> dict[Part, str]:
    chosen: dict[Part, str] = {}
    links: set[tuple[str, str]] = set()
    for part in tied:
        options = list(chain.from_iterable(able[part]))
        free = [one for one in options if (one, part.subject) not in links]
        chosen[part] = (free or options)[0]
        links.add((part.subject, chosen[part]))
    return chosen
