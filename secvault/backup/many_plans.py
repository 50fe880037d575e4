"""Questions about many plans in one statement each, so that hundreds of plans are seen at once.

What is newest of a plan is found through the index of its table, plan by plan, by the database: no
row of another plan is read, and none that is older than what was looked for.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ScalarSelect,
    Table,
    Values,
    column,
    select,
    values,
)
from sqlalchemy import Text as PlainText
from sqlalchemy.sql.selectable import CTE


def asked(plans: Iterable[tuple[str, str, int]]) -> CTE:
    """Rows `plan`, `repository`, `since` to ask about; at least one.

    Each statement says itself what the last two are for.
    """
    rows: Values = values(
        column("plan", PlainText),
        column("repository", PlainText),
        column("since", BigInteger),
        name="asked",
    )
    return rows.data(list(plans)).cte("asked")


def newest_id(table: Table, of: CTE, *where: ColumnElement[bool]) -> ScalarSelect[str]:
    """The id of the newest row of the plan by `started_at` that fits."""
    return (
        select(table.c.id)
        .where(table.c.plan == of.c.plan, *where)
        .order_by(table.c.started_at.desc(), table.c.id.desc())
        .limit(1)
        .correlate(of)
        .scalar_subquery()
    )
