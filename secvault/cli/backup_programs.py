"""`secvault backup programs`: whether restic and the others are there, and how to get them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from secvault.cli import opening, operations, show

if TYPE_CHECKING:
    from secvault.backup.programs import Program

_COLUMNS = {"program": "Program", "wanted_by": "For", "path": "Found at", "version": "Version"}


def programs(context: typer.Context, as_json: show.AsJson = False) -> None:
    """Look for restic, and for what the plans' sources and hooks run; say what to do about it.

    Exit code 1 when one is missing or too old. Look also as the service's own account, which may
    have another PATH.
    """
    with opening.vault(context) as (service, caller):
        found, cache = operations.backup_programs.look_for_programs(service, caller)
    rows = [_row(one) for one in found]
    faulty = [row for row in rows if row["fault"]]
    if as_json:
        show.document(
            {
                "programs": rows,
                "cache": {"folder": str(cache.folder), "bytes": cache.bytes},
                "complete": not faulty,
            }
        )
    else:
        show.table(rows, _COLUMNS, "")
        size = "nothing yet" if cache.bytes is None else show.size(cache.bytes)
        show.out(f"restic's cache: {show.cell(str(cache.folder))}, {size}")
        for row in faulty:
            show.talk(f"{row['wanted_by']}: {row['fault']}; {row['mend']}")
    if faulty:
        raise typer.Exit(1)


def _row(one: Program) -> dict[str, Any]:
    return {
        "program": one.name,
        "wanted_by": one.wanted_by,
        "path": None if one.path is None else str(one.path),
        "version": one.version or None,
        "fault": one.fault or None,
        "mend": one.mend or None,
    }
