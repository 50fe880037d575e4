"""Whether loaded databases are what was saved: tables, rows, sums, digests, objects, passwords.

Nothing here quotes a value: sums and digests are compared, and named by their table and column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from secvault.backup.drills.result import Fault
from secvault.backup.sources.figures import DIGESTS, SUMS, TABLES
from secvault.backup.sources.loading import Facts
from secvault.crypto.canonical import JsonValue

# Sums of floating numbers depend on the order of the rows in their last digits.
_ROUNDING = Decimal("1e-9")
# One row in so many may have come and gone while a table was saved.
_UNSETTLED = 100


@dataclass
class Compared:
    """How much was compared. unsettled: tables that were written to while they were saved."""

    tables: int = 0
    rows: int = 0
    sums: int = 0
    digests: int = 0
    unsettled: int = 0


def faults(
    source: str, database: str, saved: Facts, found: Facts, tolerance: float, counted: Compared
) -> Iterator[Fault]:
    """In what one loaded database differs from what was saved; adds to `counted`.

    saved, found: its facts. tolerance: how far numbers of rows and sums may be from what was
    saved, as a share of it; digests are compared where it is none.
    """
    near = Decimal(str(tolerance))
    where = f"{source}: {database}"
    tables, here = _part(saved, TABLES), _part(found, TABLES)
    missing = sorted(set(tables) - set(here))
    if missing and len(missing) == len(tables) and here:
        yield Fault(
            "dump-of-another-database",
            where,
            f"none of the {len(tables)} saved tables is in it, and {len(here)} others are",
        )
        return
    for table in missing:
        yield Fault("table-missing", f"{where}: {table}", "the table is missing")
    for table in sorted(set(tables) & set(here)):
        counted.tables += 1
        counted.rows += _whole(here[table])
        yield from _table(f"{where}: {table}", table, saved, found, near, counted)
    if not missing:
        yield from _objects(where, saved, found)


def passwords(
    source: str, saved: Mapping[str, JsonValue], found: Mapping[str, bool | None]
) -> Iterator[Fault]:
    """Accounts whose password in the dump is not the one that the server had.

    found: by account: whether it is the same; None: the dump does not tell the account.
    """
    for name in sorted(saved):
        same = found.get(name)
        if same is None:
            yield Fault("login-wrong", f"{source}: {name}", "the dump does not hold the account")
        elif not same:
            yield Fault(
                "login-wrong",
                f"{source}: {name}",
                "the password in the dump is not the one that the server had",
            )


def _table(
    where: str, table: str, saved: Facts, found: Facts, near: Decimal, counted: Compared
) -> Iterator[Fault]:
    expected, rows = _part(saved, TABLES)[table], _part(found, TABLES)[table]
    if not _is_count(expected):
        yield Fault("manifest-damaged", where, "the manifest does not say how many rows it had")
        return
    low, high = _ends(expected)
    if _is_unsettled(table, saved):
        counted.unsettled += 1
        spare = 2 * (high - low) + high // _UNSETTLED + 1
        if _whole(rows) < low - spare:
            yield Fault("rows-lost", where, f"{_whole(rows)} rows, saved were {low} to {high}")
        return
    if not _within(rows, expected, near):
        words = f"{_whole(rows)} rows, saved were {low if low == high else f'{low} to {high}'}"
        fewer = Decimal(_whole(rows)) < low
        yield Fault("rows-lost" if fewer else "sum-differs", where, words)
        return
    sums, here = _part(_part(saved, SUMS), table), _part(_part(found, SUMS), table)
    different = [
        column
        for column, total in sorted(sums.items())
        if column in here and not _within(here[column], total, near + _ROUNDING)
    ]
    counted.sums += len(sums.keys() & here.keys())
    if absent := sorted(sums.keys() - here.keys()) if here or sums else []:
        yield Fault("sum-differs", where, f"it has no column of numbers {absent[0]}")
        return
    if different:
        yield Fault("sum-differs", where, f"another sum of the column {different[0]}")
        return
    digest, there = _part(saved, DIGESTS).get(table), _part(found, DIGESTS).get(table)
    if digest is None or there is None:
        return
    counted.digests += 1
    if digest != there and not near:
        yield Fault("sum-differs", where, "as many rows as were saved, with other content")


def _is_unsettled(table: str, saved: Facts) -> bool:
    """Whether the source saw the table change while it was saved. What it held at the moment of the
    dump may then be more or less than what it held before and after it."""
    numbers = [_part(saved, TABLES)[table], *_part(_part(saved, SUMS), table).values()]
    digests = _part(saved, DIGESTS)
    changed = any(isinstance(one, list) for one in numbers)
    return changed or (bool(digests) and table not in digests)


def _objects(where: str, saved: Facts, found: Facts) -> Iterator[Fault]:
    here = _part(found, "objects")
    for kind, expected in sorted(_part(saved, "objects").items()):
        there = here.get(kind, 0)
        if expected != there:
            yield Fault("table-missing", where, f"{there} {kind}, saved were {expected}")


def _within(found: JsonValue, saved: JsonValue, near: Decimal) -> bool:
    """Whether a number is one that was saved, or between two, or as near as is allowed."""
    if found == saved:
        return True
    try:
        low, high = _ends(saved)
        number = Decimal(str(found))
        return low - abs(low) * near <= number <= high + abs(high) * near
    except InvalidOperation:
        # What is no number, or none that can be compared (NaN), is the same to the letter or not.
        return False


def _ends(saved: JsonValue) -> tuple[Decimal, Decimal]:
    ends = [Decimal(str(one)) for one in (saved if isinstance(saved, list) else [saved])]
    if not ends:
        raise InvalidOperation
    return min(ends), max(ends)


def _is_count(rows: JsonValue) -> bool:
    ends = rows if isinstance(rows, list) else [rows]
    return bool(ends) and all(isinstance(one, int) for one in ends)


def _whole(rows: JsonValue) -> int:
    return rows if isinstance(rows, int) else 0


def _part(facts: Mapping[str, JsonValue], name: str) -> Mapping[str, JsonValue]:
    found = facts.get(name)
    return found if isinstance(found, dict) else {}
