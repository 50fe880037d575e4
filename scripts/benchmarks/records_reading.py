"""Finding and reading records in a vault that holds them, beside a plain table; and re-wrapping."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnClause, Connection, bindparam, column, select, table
from sqlalchemy import text as sql

from benchmarks.records_vault import (
    FIELDS,
    LOOKED_UP,
    OPEN,
    PERSON,
    SEALED,
    SENSITIVE_FIELDS,
    TABLE,
    account,
    record_id,
    values,
)
from secvault.identity.names import compared
from secvault.keyring.keyring import RECORDS
from secvault.records.blind_index import IndexKeys, Kind, token_of
from secvault.records.collection import Collection
from secvault.records.normal_form import normal_form
from secvault.records.record import read_records, record_ids
from secvault.records.search import find_records
from secvault.records.search_terms import parse_search
from secvault.records.value import FieldType
from secvault.service import Service, records, rewrapping
from secvault.service.spine import Caller
from secvault.store.tables import record, record_index

PAGE = 50
_COLUMNS: list[ColumnClause[str]] = [column(name) for name in ("id", *FIELDS)]
_PLAIN = table(TABLE, *_COLUMNS)
_ID_BY_COLUMN = select(_PLAIN.c.id).where(column(LOOKED_UP) == sql(":sought"))
_BY_COLUMN = select(_PLAIN).where(column(LOOKED_UP) == sql(":sought"))
_BY_TOKEN = select(record_index.c.record).where(
    record_index.c.collection == SEALED,
    record_index.c.field == LOOKED_UP,
    record_index.c.kind == str(Kind.EXACT),
    record_index.c.version == 1,
    record_index.c.token == bindparam("token_is"),
)
_KEPT = ("record", "record_field", "record_index")
"""The tables that re-wrapping must not touch."""

_Tell = Callable[[int], None]


@dataclass(frozen=True)
class Taken:
    """Milliseconds of each, in alternating turns."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class LookedUp:
    """Finding the one record with a bank account. ids: from the value to the id. records: to the
    whole record, ours opened, verified, and compared with what is sought. column: the same record
    by its person, which stands in an indexed column of ours in clear, as pages of records are
    read: `ours` opened and verified too, `bare` its id only.
    """

    ids: Taken = field(default_factory=Taken)
    records: Taken = field(default_factory=Taken)
    column: Taken = field(default_factory=Taken)


def lookups(service: Service, numbers: range, count: int, tell: _Tell) -> LookedUp:
    """By the blind index and by plain columns, in turn. The whole records are found by what the
    service's search and its pages call.
    """
    collection = service.collections[SEALED]
    index = collection.fields[LOOKED_UP].index
    if index is None or index.exact is None:
        raise SystemExit(f"{LOOKED_UP} has no index")
    bits, version = index.exact, index.version
    drawn = random.Random(1)
    taken = LookedUp()
    with service.store.read() as connection:
        keys = IndexKeys.of(connection, service.keyring, collection)
    for number in (drawn.choice(numbers) for _ in range(count)):
        sought = account(number)

        def by_token(connection: Connection, sought: str = sought) -> list[str]:
            said = normal_form(FieldType.ACCOUNT, sought)
            token = token_of(keys, LOOKED_UP, version, Kind.EXACT, said, bits)
            return list(connection.execute(_BY_TOKEN, {"token_is": token}).scalars())

        def by_column(connection: Connection, sought: str = sought) -> list[str]:
            return list(connection.execute(_ID_BY_COLUMN, {"sought": sought}).scalars())

        def found(connection: Connection, sought: str = sought) -> list[str]:
            search = parse_search(collection, {LOOKED_UP: sought})
            page = find_records(connection, service.keyring, collection, search, PAGE)
            return [one.id for one in page.records if one.value(LOOKED_UP) == sought]

        def row(connection: Connection, sought: str = sought) -> list[str]:
            return [row.id for row in connection.execute(_BY_COLUMN, {"sought": sought})]

        own, own_ids = _by_person(service, collection, number)
        for act, times in (
            (by_token, taken.ids.ours),
            (by_column, taken.ids.theirs),
            (found, taken.records.ours),
            (row, taken.records.theirs),
            (own, taken.column.ours),
            (own_ids, taken.column.bare),
        ):
            ids = _timed(times, lambda act=act: _reading(service, act))  # type: ignore[misc]
            # Another value may share the token of 32 bits; only opening tells.
            if ids != [record_id(number)] and not (act is by_token and record_id(number) in ids):
                raise SystemExit(f"looking up {number} found {ids}")
        tell(1)
    return taken


def _by_person(
    service: Service, collection: Collection, number: int
) -> tuple[Callable[[Connection], list[str]], Callable[[Connection], list[str]]]:
    """What finds the records about a person by our column in clear: opened, and their ids alone."""
    about_it = record.c.person == compared(values(number)[PERSON])

    def ids(connection: Connection) -> list[str]:
        return list(record_ids(connection, collection, "", PAGE, about_it))

    def opened(connection: Connection) -> list[str]:
        found = read_records(connection, service.keyring, collection, ids(connection))
        return [one.id for one in found]

    return opened, ids


def pages(service: Service, caller: Caller, among: range, count: int, tell: _Tell) -> Taken:
    """Pages of 50 records in clear: of the collection with encrypted fields, of the one without.

    Both as the service lists them, decision and audit entry included. among: the records that both
    have. bare: the same rows of the plain table by a bare statement.
    """
    drawn = random.Random(2)
    taken = Taken()
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
            _timed(taken.ours, lambda: listed(SEALED)),
            _timed(taken.theirs, lambda: listed(OPEN)),
            _timed(taken.bare, lambda: _reading(service, bare)),
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
