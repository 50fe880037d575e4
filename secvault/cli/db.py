"""`secvault db`: the schema of the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from secvault.cli import opening, operations, show

if TYPE_CHECKING:
    from secvault.store import Store

app = typer.Typer(no_args_is_help=True, help="The database's schema: is it current, upgrade it.")


@app.command(epilog="Example: secvault db status")
def status(context: typer.Context, as_json: show.AsJson = False) -> None:
    """Say which schema the store has and which this program needs; exit 4 when they differ."""
    with _store(context) as store:
        present = operations.migrate.schema_revision(store)
        values = {
            "engine": store.dialect,
            "schema": present,
            "program": operations.migrate.head(),
        }
        current = present == values["program"]
        if as_json:
            show.document({**values, "current": current})
        else:
            show.facts({**values, "current": current})
        operations.migrate.require_current(store)


@app.command(epilog="Example: secvault db upgrade")
def upgrade(context: typer.Context, as_json: show.AsJson = False) -> None:
    """Bring the store up to this program. Stop the service first.

    A SQLite database is copied beside itself before it is changed.
    """
    with _store(context) as store:
        before, after = operations.migrate.upgrade(store)
    if as_json:
        show.document({"before": before, "after": after, "changed": before != after})
    elif before == after:
        show.out(f"the store is current: {after}")
    else:
        show.out(f"upgraded from {before} to {after}")


@contextmanager
def _store(context: typer.Context) -> Iterator[Store]:
    chosen = opening.settings(context)
    opening.require_vault(chosen)
    store = operations.engine.open_store(chosen.store_url)
    try:
        yield store
    finally:
        store.close()
