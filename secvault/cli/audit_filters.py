"""What `secvault audit` commands restrict the events by."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

Ended = Literal["ok", "denied", "error", "intent", "unknown"]

OfKind = Annotated[
    str,
    typer.Option("--kind", help="Only this kind, such as record.read; record. for all of them."),
]
EndedSo = Annotated[Ended | None, typer.Option("--outcome", help="Only what ended so.")]
ByActor = Annotated[
    str, typer.Option("--actor", help="Only by this one, such as user:<id>; svc: for all systems.")
]
OnResource = Annotated[
    str,
    typer.Option("--resource", help="Only this and what is below it, such as hr/employees."),
]
OfDepartment = Annotated[str, typer.Option("--department", help="Only of this department.")]
OfRequest = Annotated[str, typer.Option("--request", help="Only of the request with this id.")]
Moment = Annotated[
    str, typer.Option(metavar="TIME", help="Such as 2026-11-03 or 2026-11-03T10:00:00+07:00.")
]
