"""Questions about many plans in one statement each, so that hundreds of plans are seen at once.

What is newest of a plan is found through the index of its table, plan by plan, by the database: no
row of another plan is read, and none that is older than what was looked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    ScalarSelect,
    Table,
    cast,
    column,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy import Text as PlainText
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.selectable import CTE


def asked(connection: Connection, plans: Iterable[tuple[str, str, int]]) -> CTE:
    """Rows `plan`, `repository`, `since` to ask about; at least one.

    Each statement says itself what the last two are for. The rows are one value, in JSON: to make
    a statement with thousands of values takes longer than to answer it.
    """
    text = literal(json.dumps([*plans]), PlainText)
    if connection.dialect.name == "sqlite":
        each = func.json_each(text).table_valued("value", name="each")
        parts: list[ColumnElement[str]] = [
            func.json_extract(each.c.value, f"$[{place}]") for place in range(3)
        ]
    else:
        rows = func.jsonb_array_elements(cast(text, JSONB))
        each = rows.table_valued(column("value", JSONB), name="each")
        parts = [each.c.value[place].astext for place in range(3)]
    plan, repository, since = parts
    return select(
        cast(plan, PlainText).label("plan"),
        cast(repository, PlainText).label("repository"),
        cast(since, BigInteger).label("since"),
    ).cte("asked")


def among(connection: Connection, wanted: Column[str], texts: Iterable[str]) -> ColumnElement[bool]:
    """Whether the column is one of these, which are one value, as for `asked`."""
    text = literal(json.dumps([*texts]), PlainText)
    if connection.dialect.name == "sqlite":
        each = func.json_each(text).table_valued("value", name="each")
    else:
        each = func.jsonb_array_elements_text(cast(text, JSONB)).table_valued("value", name="each")
    return wanted.in_(select(cast(each.c.value, PlainText)))


def under_way(table: Table) -> ColumnElement[bool]:
    """Whether the work of the row is under way: in the words of its index, so that it is used."""
    return table.c.state.in_((literal_column("'running'"), literal_column("'waiting'")))


def of_newest(wanted: Column[Any], of: CTE, *where: ColumnElement[bool]) -> ScalarSelect[Any]:
    """What the plan's newest row by `started_at` that fits has in this column."""
    table = wanted.table
    return (
        select(wanted)
        .where(table.c.plan == of.c.plan, *where)
        .order_by(table.c.started_at.desc(), table.c.id.desc())
        .limit(1)
        .correlate(of)
        .scalar_subquery()
    )
