"""Questions about every plan are answered through indexes, however many runs there were."""

from __future__ import annotations

import pytest
from sqlalchemy import Table, select, text

from secvault.backup.many_plans import asked, of_newest, under_way
from secvault.store import Store, tables


@pytest.mark.parametrize("table", [tables.backup_run, tables.drill], ids=lambda one: one.name)
def test_what_is_under_way_is_found_among_what_is_under_way_alone(
    sqlite_store: Store, table: Table
) -> None:
    with sqlite_store.read() as connection:
        of = asked(connection, [("nightly", "", 0)])
        statement = select(of_newest(table.c.id, of, under_way(table))).select_from(of)
        plan = connection.execute(
            text(
                "EXPLAIN QUERY PLAN "
                + str(statement.compile(connection, compile_kwargs={"literal_binds": True}))
            )
        )
        steps = [row.detail for row in plan]
    assert any(f"ix_{table.name}_alive" in one for one in steps), steps
