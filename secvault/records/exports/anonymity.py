"""k-anonymity over quasi-identifiers: what would stand out is left blank, or left out.

Sweeney, "k-anonymity: a model for protecting privacy" (2002), counted in people and not in rows:
a person with twelve payslips is one person. What is not bounded by it is in
docs/how-to/export.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from secvault.errors import InvalidInput
from secvault.tabular.column import Cell

LEAST_K, MOST_K = 2, 1000
MOST_GROUPS = 200_000
"""Different combinations that are counted; what keeps so many apart hides nobody."""

Key = tuple[Cell, ...]


@dataclass
class _Group:
    """rows: records in it. subjects: different people, no more kept than are enough. values: the
    same of each sensitive column.
    """

    rows: int = 0
    subjects: set[str] = field(default_factory=set)
    values: list[set[Cell]] = field(default_factory=list)

    def take(self, other: _Group, enough: int) -> None:
        self.rows += other.rows
        _add(self.subjects, other.subjects, enough)
        if not self.values:
            self.values = [set() for _ in other.values]
        for mine, theirs in zip(self.values, other.values, strict=True):
            _add(mine, theirs, enough)


@dataclass(frozen=True)
class Verdict:
    """What becomes of each combination.

    blanked: by column, how many different values are left blank. small: the sizes, in people, of
    the groups that are left out, and how many there are of each. left_out: their records. groups:
    those that remain. achieved: the people of the smallest of them, up to k; 0 when none remains.
    diversity: the fewest different values that a sensitive column has in one of them, up to k
    (l of distinct l-diversity).
    """

    k: int
    blanked: tuple[int, ...]
    small: Mapping[int, int]
    left_out: int
    groups: int
    diversity: tuple[int, ...]
    achieved: int
    _rare: tuple[frozenset[Cell], ...]
    _kept: frozenset[Key]

    @property
    def met(self) -> bool:
        """Whether every combination has k people as it is, with nothing blank or left out."""
        return not self.left_out and not any(self.blanked)

    def shown(self, key: Key) -> Key | None:
        """The combination as it is shown; None for a record that is left out."""
        made = _blank(key, self._rare)
        return made if made in self._kept else None


class Groups:
    """Counts who is alike. k: the fewest people of a group. Memory grows with the groups alone."""

    def __init__(self, k: int) -> None:
        self._k = k
        self._groups: dict[Key, _Group] = {}

    def add(self, key: Key, subject: str, sensitive: Key) -> None:
        """Count a record of a person. Raises InvalidInput when nearly everybody is unlike."""
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) == MOST_GROUPS:
                raise InvalidInput.at(
                    "quasi",
                    f"there are more than {MOST_GROUPS} different combinations of these fields, "
                    "which hide nobody: drop some, or generalise them (year, month, band)",
                )
            group = self._groups[key] = _Group(values=[set() for _ in sensitive])
        group.rows += 1
        _add(group.subjects, {subject}, self._k)
        for values, cell in zip(group.values, sensitive, strict=True):
            _add(values, {cell}, self._k)

    def settle(self) -> Verdict:
        """What each combination becomes, so that every one that is shown has k people or more."""
        rare = self._rare()
        merged: dict[Key, _Group] = {}
        for key, group in self._groups.items():
            merged.setdefault(_blank(key, rare), _Group()).take(group, self._k)
        out = {key: group for key, group in merged.items() if len(group.subjects) < self._k}
        kept = [group for key, group in merged.items() if key not in out]
        least = zip(*([len(each) for each in group.values] for group in kept), strict=True)
        return Verdict(
            k=self._k,
            blanked=tuple(len(values) for values in rare),
            small=dict(sorted(Counter(len(group.subjects) for group in out.values()).items())),
            left_out=sum(group.rows for group in out.values()),
            groups=len(kept),
            diversity=tuple(min(each) for each in least),
            achieved=min((len(group.subjects) for group in kept), default=0),
            _rare=rare,
            _kept=frozenset(merged) - frozenset(out),
        )

    def _rare(self) -> tuple[frozenset[Cell], ...]:
        """By column, the values that fewer than k people have."""
        width = len(next(iter(self._groups), ()))
        who: list[dict[Cell, set[str]]] = [{} for _ in range(width)]
        for key, group in self._groups.items():
            for place, cell in enumerate(key):
                _add(who[place].setdefault(cell, set()), group.subjects, self._k)
        return tuple(
            frozenset(
                # No value cannot be left blank.
                cell
                for cell, people in of.items()
                if cell is not None and len(people) < self._k
            )
            for of in who
        )


def _add(kept: set[Cell] | set[str], more: set[Cell] | set[str], enough: int) -> None:
    for each in more:
        if len(kept) >= enough:
            return
        kept.add(each)  # type: ignore[arg-type]


def _blank(key: Key, rare: tuple[frozenset[Cell], ...]) -> Key:
    return tuple(None if cell in values else cell for cell, values in zip(key, rare, strict=True))
