"""The question to the database: which records may come next in a search, in its order.

SQLAlchemy takes longer to write such a question than the database to answer it. How it reads
depends on few things (`Form`), so it is written once for each form, and kept as text for the
driver; values are bound to it. Start at `next_ids`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    and_,
    bindparam,
    false,
    or_,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.exc import DataError, OperationalError

from secvault.errors import Damaged
from secvault.records import plain_column
from secvault.records.blind_index import Token
from secvault.records.collection import Collection
from secvault.records.search_terms import Place, Sorting
from secvault.records.value import FieldType
from secvault.store.straight import straight
from secvault.store.tables import record, record_index

_MOST_KEPT = 64
"""Tokens of one question whose text is kept; those of wide ranges are long, and rarely alike."""


class Start(StrEnum):
    """Where the records begin: with the first, after a place, or after one that has no value."""

    FIRST = "first"
    AFTER = "after"
    AFTER_NO_VALUE = "after no value"


@dataclass(frozen=True)
class By:
    """The normal field that is sorted by, as far as SQL depends on it."""

    name: str
    type: FieldType


@dataclass(frozen=True)
class Form:
    """All that decides how a question reads.

    tokens: for each condition on a sealed field, how many tokens are asked for of each index.
    """

    dialect: str
    tokens: tuple[tuple[int, ...], ...]
    by: By | None
    descending: bool
    start: Start


def next_ids(
    connection: Connection,
    collection: Collection,
    wanted: Sequence[frozenset[Token]],
    others: Sequence[ColumnElement[bool]],
    sorting: Sorting,
    place: Place | None,
    limit: int,
) -> list[str]:
    """The ids of at most `limit` records after the place, in order.

    wanted: the record has one of the tokens of each set. others: what else must hold of its row in
    `record`. Raises Damaged.
    """
    tokens = [_by_index(those) for those in wanted]
    form = _form(connection.dialect.name, tokens, sorting, place)
    values = {
        "collection": collection.name,
        "limit": limit,
        **_token_values(tokens),
        **_place_values(form, place),
    }
    try:
        if others or sum(map(sum, form.tokens)) > _MOST_KEPT:
            return list(connection.execute(_question(form, others), values).scalars())
        text = _written(form)
        rows = straight(connection, text.statement, text.in_order(values))
    except DataError:
        raise _damaged(collection) from None
    except OperationalError as error:
        if str(error.orig).startswith("malformed JSON"):
            raise _damaged(collection) from None
        raise
    ids = [id_ for (id_,) in rows]
    # The driver gives what it finds; see `store.written`.
    if not all(type(id_) is str for id_ in ids):
        raise Damaged(f"the id of a record of {collection.name} is damaged")
    return ids


@dataclass(frozen=True)
class _Text:
    """names: of the values in the order of the statement. constants: those that never change."""

    statement: str
    names: tuple[str, ...]
    constants: Mapping[str, object]

    def in_order(self, values: Mapping[str, object]) -> list[object]:
        constants = self.constants
        return [values[name] if name in values else constants[name] for name in self.names]


@lru_cache(maxsize=256)
def _written(form: Form) -> _Text:
    # With `?` for each value, which `straight` takes on both engines.
    made = sqlite.dialect if form.dialect == "sqlite" else psycopg.dialect
    compiled = _question(form, ()).compile(dialect=made(paramstyle="qmark"))
    constants = {name: value for name, value in compiled.params.items() if value is not None}
    return _Text(str(compiled), tuple(compiled.positiontup or ()), constants)


def _question(form: Form, others: Iterable[ColumnElement[bool]]) -> Select[str]:
    statement = select(record.c.id).where(
        record.c.collection == bindparam("collection"),
        *(record.c.id.in_(_records_with(at, sizes)) for at, sizes in enumerate(form.tokens)),
        *others,
    )
    if form.start is not Start.FIRST:
        statement = statement.where(_after(form))
    return statement.order_by(*_order(form)).limit(bindparam("limit", type_=Integer))


def _records_with(at: int, sizes: Sequence[int]) -> Select[str]:
    """The records that have one of the tokens of the condition at this place."""
    column = record_index.c
    of_any = or_(
        false(),
        *(
            and_(
                column.field == bindparam(f"field_{at}_{which}"),
                column.kind == bindparam(f"kind_{at}_{which}"),
                column.version == bindparam(f"version_{at}_{which}"),
                column.token.in_([bindparam(f"token_{at}_{which}_{n}") for n in range(size)]),
            )
            for which, size in enumerate(sizes)
        ),
    )
    return select(column.record).where(column.collection == bindparam("collection"), of_any)


def _order(form: Form) -> list[ColumnElement[Any]]:
    directed: list[ColumnElement[Any]] = [
        one.desc() if form.descending else one.asc() for one in _columns(form)
    ]
    if form.by is None:
        return directed
    # False comes before true on both engines: what has no value comes last.
    return [plain_column.missing(form.dialect, form.by).asc(), *directed]


def _after(form: Form) -> ColumnElement[bool]:
    id_is: ColumnElement[Any] = bindparam("id_is")
    own = plain_column.after((record.c.id,), (id_is,), descending=form.descending)
    if form.by is None:
        return own
    missing = plain_column.missing(form.dialect, form.by)
    if form.start is Start.AFTER_NO_VALUE:
        return and_(missing, own)
    columns = _columns(form)
    key = (*(bindparam(f"key_{at}") for at in range(len(columns) - 1)), id_is)
    return or_(missing, plain_column.after(columns, key, descending=form.descending))


def _columns(form: Form) -> tuple[ColumnElement[Any], ...]:
    """What the records are put in order by, but for those without a value."""
    by = () if form.by is None else plain_column.order(form.dialect, form.by)
    return (*by, record.c.id)


_ByIndex = Mapping[tuple[str, str, int], Sequence[bytes]]
"""Tokens by field, kind and version of the index."""


def _by_index(wanted: frozenset[Token]) -> _ByIndex:
    found: dict[tuple[str, str, int], list[bytes]] = {}
    for field, kind, version, token in sorted(wanted):
        found.setdefault((field, kind.value, version), []).append(token)
    return {index: _filled(tokens) for index, tokens in found.items()}


def _filled(tokens: list[bytes]) -> list[bytes]:
    """The same to the database, in one of few lengths, so that there are few forms."""
    size = len(tokens)
    if size > _MOST_KEPT:
        return tokens
    return tokens + tokens[-1:] * ((1 << (size - 1).bit_length()) - size)


def _form(dialect: str, tokens: Sequence[_ByIndex], sorting: Sorting, place: Place | None) -> Form:
    field = sorting.field
    by = None if field is None else By(field.name, field.type)
    if place is None:
        start = Start.FIRST
    elif by is not None and place.value is None:
        start = Start.AFTER_NO_VALUE
    else:
        start = Start.AFTER
    sizes = tuple(tuple(map(len, those.values())) for those in tokens)
    return Form(dialect, sizes, by, sorting.descending, start)


def _token_values(tokens: Sequence[_ByIndex]) -> dict[str, object]:
    values: dict[str, object] = {}
    for at, those in enumerate(tokens):
        for which, ((field, kind, version), asked) in enumerate(those.items()):
            values[f"field_{at}_{which}"] = field
            values[f"kind_{at}_{which}"] = kind
            values[f"version_{at}_{which}"] = version
            values |= {f"token_{at}_{which}_{n}": token for n, token in enumerate(asked)}
    return values


def _place_values(form: Form, place: Place | None) -> dict[str, object]:
    if place is None:
        return {}
    values: dict[str, object] = {"id_is": place.id}
    if form.by is not None and form.start is Start.AFTER:
        key = plain_column.key_of(form.dialect, form.by, place.value)
        values |= {f"key_{at}": part for at, part in enumerate(key)}
    return values


def _damaged(collection: Collection) -> Damaged:
    return Damaged(
        f"plain fields of a record of {collection.name} are damaged; "
        f"`secvault records check {collection.name}` says which"
    )
