"""What the blind indexes of a collection give away, for the records at hand.

Whoever reads the database sees which records share a token, and how many do; nothing else. How much
that says depends on how the values are spread, which only the data tells. The measures follow the
literature on frequency analysis (Naveed, Kamara, Wright: Inference Attacks on Property-Preserving
Encrypted Databases, CCS 2015). Nothing is decrypted here. Start at `leakages`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from secvault.records.blind_index import Kind
from secvault.records.collection import Collection
from secvault.records.index_state import indexes_of
from secvault.records.schema_index import FEWEST_BITS, Index
from secvault.store.tables import record_index

MIXED = 8
"""Records of other values that share a token with a value, where bits are chosen to mix."""

_MANY_IN_VAIN = 100
_OFTEN_NAMED = 0.2
_FEW = 20


@dataclass(frozen=True)
class Band:
    """Tokens that stand in `least` to `most` records each. records: in how many together."""

    least: int
    most: int
    tokens: int
    records: int


@dataclass(frozen=True)
class Leakage:
    """What one index gives away.

    records: that have a token. tokens: different ones. in_vain: how many records with another
    value (or part, or bucket) a search is expected to open beside those sought, at most.
    commonest: share of the records that have the most frequent token. alike: the chance that two
    records taken at random share one. alone: share of the records whose token no other has.
    named: share of the records whose value somebody names who knows exactly how often each value
    occurs, and has nothing but the index. All shares from 0 to 1; 0 without records.
    """

    field: str
    kind: Kind
    version: int
    bits: int
    records: int
    tokens: int
    in_vain: float
    commonest: float
    alike: float
    alone: float
    named: float
    bands: tuple[Band, ...]

    @property
    def advice(self) -> str:
        """What to make of it, in a sentence or two."""
        if self.records < _FEW:
            many = f"Only {self.records} records have" if self.records > 1 else "One record has"
            few = f"{many} a token, too few to judge by; look again when there are more."
            return few if self.records else "No record has a value here yet."
        if self.in_vain > _MANY_IN_VAIN:
            return (
                f"Slow: a search opens about {self.in_vain:.0f} records in vain. "
                f"{self._mixing() + 3} bits would open about {MIXED // 8}."
            )
        if self.named >= _OFTEN_NAMED:
            return (
                f"Weak: values repeat, and whoever knows how often each occurs can name it in "
                f"{self.named:.0%} of the records from the database alone. {self._weaker()}"
            )
        if self.alone >= 1 - _OFTEN_NAMED:
            return (
                "Good: hardly a value repeats, so the tokens tell little more than that records "
                "differ."
            )
        return (
            f"Fair: the commonest value stands in {self.commonest:.1%} of the records, and two "
            f"records taken at random are seen to be alike with a chance of {self.alike:.2%}."
        )

    def _mixing(self) -> int:
        return max(FEWEST_BITS, int(math.log2(max(1, self.records / MIXED))))

    def _weaker(self) -> str:
        bits = self._mixing()
        if bits < self.bits and self.tokens > 2**bits:
            others = self.records / 2**bits
            return f"{bits} bits would mix about {others:.0f} records of other values in."
        return (
            "Fewer bits would not help with so few different values: search for it within another "
            "condition, or guard the database as the values themselves."
        )


def leakages(
    connection: Connection, collection: Collection, field: str | None = None
) -> tuple[Leakage, ...]:
    """What the indexes of the present schema give away, by field and kind. field: of one only."""
    column = record_index.c
    group = (column.field, column.kind, column.version)
    sizes = (
        select(*group, func.count().label("size"))
        .where(column.collection == collection.name)
        .group_by(*group, column.token)
        .subquery()
    )
    of = sizes.c
    counted: dict[tuple[str, str, int], list[tuple[int, int]]] = {}
    for row in connection.execute(
        select(of.field, of.kind, of.version, of.size, func.count().label("tokens"))
        .group_by(of.field, of.kind, of.version, of.size)
        .order_by(of.size)
    ):
        counted.setdefault((row.field, row.kind, row.version), []).append((row.size, row.tokens))
    return tuple(
        leakage_of(name, kind, index.version, bits, counted.get((name, kind, index.version), []))
        for name, index in indexes_of(collection).items()
        if field in (None, name)
        for kind, bits in _kinds(index)
    )


def leakage_of(
    field: str, kind: Kind, version: int, bits: int, sizes: Iterable[tuple[int, int]]
) -> Leakage:
    """The measures. sizes: in how many records a token stands, and how many tokens do so."""
    counted = sorted(sizes)
    records = sum(size * tokens for size, tokens in counted)
    whole = records or 1
    commonest = counted[-1][0] if counted else 0
    return Leakage(
        field=field,
        kind=kind,
        version=version,
        bits=bits,
        records=records,
        tokens=sum(tokens for _, tokens in counted),
        in_vain=records / 2**bits,
        commonest=commonest / whole,
        alike=sum(tokens * (size / whole) ** 2 for size, tokens in counted),
        alone=sum(tokens for size, tokens in counted if size == 1) / whole,
        # Of the tokens that are equally frequent, a guess hits one.
        named=sum(size for size, _ in counted) / whole,
        bands=_bands(counted),
    )


def _kinds(index: Index) -> list[tuple[Kind, int]]:
    found = [(Kind.EXACT, index.exact)] if index.exact is not None else []
    for kind, part in (
        (Kind.PREFIX, index.prefix), (Kind.LAST, index.last), (Kind.RANGE, index.range)
    ):  # fmt: skip
        if part is not None:
            found.append((kind, part.bits))
    return found


def _bands(counted: list[tuple[int, int]]) -> tuple[Band, ...]:
    """By powers of two: 1, 2 to 3, 4 to 7 and so on."""
    found: dict[int, tuple[int, int]] = {}
    for size, tokens in counted:
        power = size.bit_length() - 1
        before = found.get(power, (0, 0))
        found[power] = (before[0] + tokens, before[1] + size * tokens)
    return tuple(
        Band(2**power, 2 ** (power + 1) - 1, tokens, records)
        for power, (tokens, records) in sorted(found.items())
    )
