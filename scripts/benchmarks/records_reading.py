"""Finding and reading records in a vault that holds them, beside a plain table; and re-wrapping."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, column, select, table
from sqlalchemy import text as sql

from benchmarks.records_vault import (
    FIELDS,
    LOOKED_UP,
    OPEN,
    SEALED,
    SENSITIVE_FIELDS,
    TABLE,
    account,
    record_id,
    values,
)
from secvault.keyring.keyring import RECORDS
from secvault.records.search import find_records
from secvault.records.search_terms import parse_search
from secvault.service import Service, records, rewrapping
from secvault.service.spine import Caller

PAGE = 50
_COLUMNS = [column(name) for name in ("id", *FIELDS)]
_PLAIN = table(TABLE, *_COLUMNS)
_KEPT = ("record", "record_field", "record_index")
"""The tables that re-wrapping must not touch."""

_Tell = Callable[[int], None]


@dataclass(frozen=True)
class Taken:
    """Milliseconds of each, in alternating turns."""

    ours: list[float]
    theirs: list[float]
    bare: list[float]


def lookups(service: Service, numbers: range, count: int, tell: _Tell) -> Taken:
    """Finding the one record with a bank account: by its blind index, and by the plain column.

    Ours is the function that the service's search calls: it opens what the index gives and drops
    what is not meant. bare: ours as far as the ids of the candidates.
    """
    collection = service.collections[SEALED]
    by_account = select(_PLAIN).where(column(LOOKED_UP) == sql(":sought"))
    drawn = random.Random(1)
    taken = Taken([], [], [])
    for number in (drawn.choice(numbers) for _ in range(count)):
        sought = account(number)

        def ours(connection: Connection, sought: str = sought) -> list[str]:
            search = parse_search(collection, {LOOKED_UP: sought})
            found = find_records(connection, service.keyring, collection, search, PAGE)
            assert all(one.value(LOOKED_UP) == sought for one in found.records)
            return [one.id for one in found.records]

        def theirs(connection: Connection, sought: str = sought) -> list[str]:
            return [row.id for row in connection.execute(by_account, {"sought": sought})]

        for act, times in ((ours, taken.ours), (theirs, taken.theirs)):
            found = _timed(times, lambda act=act: _reading(service, act))  # type: ignore[misc]
            if found != [record_id(number)]:
                raise SystemExit(f"looking up {number} found {found}")
        tell(1)
    return taken


def pages(service: Service, caller: Caller, among: range, count: int, tell: _Tell) -> Taken:
    """Pages of 50 records in clear: of the collection with encrypted fields, of the one without.

    Both as the service lists them, decision and audit entry included. among: the records that both
    have. bare: the same rows of the plain table by a bare statement.
    """
    drawn = random.Random(2)
    taken = Taken([], [], [])
    for number in (drawn.choice(among[: max(1, len(among) - PAGE)]) for _ in range(count)):
        after = record_id(number)

        def listed(collection: str, after: str = after) -> list[Any]:
            page = records.list_records(service, caller, collection, after, PAGE)
            return [(one.id, dict(one.fields)) for one in page.records]

        def bare(connection: Connection, after: str = after) -> list[Any]:
            question = select(_PLAIN).where(column("id") > after).order_by(column("id"))
            rows = connection.execute(question.limit(PAGE)).mappings()
            return [(row["id"], {name: row[name] for name in FIELDS}) for row in rows]

        found = (
            _timed(taken.ours, lambda: listed(SEALED)),  # noqa: B023 - called at once
            _timed(taken.theirs, lambda: listed(OPEN)),  # noqa: B023
            _timed(taken.bare, lambda: _reading(service, bare)),  # noqa: B023
        )
        if not (found[0] == found[1] == found[2] and len(found[0]) == PAGE):
            raise SystemExit(f"the pages after {after} differ")
        tell(1)
    return taken


@dataclass(frozen=True)
class Rewrapped:
    """touched: rows of records, fields and indexes that were written to meanwhile."""

    data_keys: int
    seconds: float
    touched: int


def rewrap(service: Service, tell: Callable[[int, int], None]) -> Rewrapped:
    """Rotate the key of the collection and re-wrap all data keys, as the service's job does."""
    _watch(service)
    with service.store.write() as connection:
        service.keyring.rotate(connection, RECORDS, SEALED)
    began = time.perf_counter()
    done = rewrapping.rewrap_all_of(service, SEALED, tell)
    seconds = time.perf_counter() - began
    if done.damaged or done.left:
        raise SystemExit(f"{done.left} data keys were left behind")
    with service.store.read() as connection:
        touched = connection.scalar(sql("SELECT count(*) FROM bench_touched")) or 0
    return Rewrapped(done.rewrapped, seconds, touched)


def _watch(service: Service) -> None:
    """Have the database note every row of `_KEPT` that is written to."""
    statements = ["CREATE TABLE bench_touched (name TEXT NOT NULL)"]
    note = "INSERT INTO bench_touched VALUES"
    if service.store.dialect == "postgresql":
        statements.append(
            "CREATE FUNCTION bench_touch() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {note} (TG_TABLE_NAME); RETURN NULL; END $$"
        )
    for name in _KEPT:
        if service.store.dialect == "postgresql":
            statements.append(
                f"CREATE TRIGGER bench_{name} AFTER INSERT OR UPDATE OR DELETE ON {name} "
                "FOR EACH ROW EXECUTE FUNCTION bench_touch()"
            )
            continue
        statements += [
            f"CREATE TRIGGER bench_{name}_{verb} AFTER {verb} ON {name} "
            f"BEGIN {note} ('{name}'); END"
            for verb in ("INSERT", "UPDATE", "DELETE")
        ]
    with service.store.write() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@dataclass(frozen=True)
class Sizes:
    """Bytes in the database, indexes included.

    field: of one encrypted field, of which `value` are its value. ours, plain: of one record.
    """

    field: float
    value: float
    ours: float
    plain: float


def sizes(service: Service, numbers: range) -> Sizes:
    """What a record takes, beside the same in the plain table; no other records are there."""
    if service.store.dialect == "postgresql":
        question = "SELECT pg_total_relation_size('{0}')"
    else:
        question = (
            "SELECT sum(pgsize) FROM dbstat WHERE name IN "
            "(SELECT name FROM sqlite_schema WHERE tbl_name = '{0}')"
        )
    with service.store.read() as connection:

        def of(name: str) -> float:
            return float(connection.scalar(sql(question.format(name))) or 0)

        tables = ("record", "record_field", "record_index", "data_key", "object_actor")
        some = numbers[:1000]
        lengths = [
            len(values(number)[name].encode()) for number in some for name in SENSITIVE_FIELDS
        ]
        return Sizes(
            of("record_field") / (len(numbers) * len(SENSITIVE_FIELDS)),
            sum(lengths) / len(lengths),
            sum(map(of, tables)) / len(numbers),
            of(TABLE) / len(numbers),
        )


def quantile(taken: Sequence[float], share: float) -> float:
    """The value that this share of them does not pass."""
    return sorted(taken)[min(len(taken) - 1, int(len(taken) * share))]


def _timed(times: list[float], act: Callable[[], Any]) -> Any:
    began = time.perf_counter()
    found = act()
    times.append((time.perf_counter() - began) * 1000)
    return found


def _reading(service: Service, act: Callable[[Connection], Any]) -> Any:
    with service.store.read() as connection:
        return act(connection)
