"""`secvault audit questions`, `ask`, `save`, `forget`: what auditors ask the log, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from secvault.cli import opening, operations, show
from secvault.cli.moment import micros_of
from secvault.errors import InvalidInput

_NAME = typer.Argument(metavar="NAME", help="Of the question; see `audit questions`.")
_MOMENT = typer.Option(metavar="TIME", help="Such as 2026-11-03 or 2026-11-03T10:00:00+07:00.")


def questions(context: typer.Context, as_json: show.AsJson = False) -> None:
    """List the questions that can be asked: those of the product, and those saved here."""
    with opening.vault(context) as (service, caller):
        found = operations.audit_questions.list_questions(service, caller)
    shipped = [
        {
            "name": one.name,
            "title": one.title,
            "told": one.told,
            "takes": list(one.takes),
            "needs": list(one.needs),
            "columns": dict(one.columns),
        }
        for one in found.shipped
    ]
    own = [
        {
            "name": one.name,
            "title": one.title,
            "kinds": list(one.kinds),
            "outcomes": list(one.outcomes),
            "actor": one.actor,
            "resource": one.resource,
            "department": one.department,
            "facts": dict(one.facts),
            "after_hours": one.after_hours,
            "columns": list(one.columns),
            "kept_by": one.kept_by,
            "kept_at": show.time(one.kept_at),
        }
        for one in found.own
    ]
    if as_json:
        show.document({"shipped": shipped, "own": own})
        return
    rows: list[dict[str, Any]] = [
        *(
            {**row, "options": _options(one.takes, one.needs)}
            for row, one in zip(shipped, found.shipped, strict=True)
        ),
        *({**one, "options": "saved here"} for one in own),
    ]
    show.table(rows, {"name": "Name", "title": "What it answers", "options": "Goes by"}, "None.")
    show.talk("Ask one by its name: secvault audit ask NAME")


def ask(
    context: typer.Context,
    name: Annotated[str, _NAME],
    *,
    who: Annotated[
        str, typer.Option(help="Whose deeds, or about whom: user:<name or id>, svc:<name>.")
    ] = "",
    on: Annotated[
        str, typer.Option(help="Of which record or thing, such as hr/employees/e-7.")
    ] = "",
    department: Annotated[str, typer.Option(help="Only of this department.")] = "",
    since: Annotated[str, _MOMENT] = "",
    until: Annotated[str, _MOMENT] = "",
    days: Annotated[int | None, typer.Option(help="What counts as idle, in days.")] = None,
    after: Annotated[int | None, typer.Option(help="Continue after this number.")] = None,
    limit: Annotated[int, typer.Option(help="How many rows, 1 to 1000.")] = 50,
    as_json: show.AsJson = False,
) -> None:
    """Ask the log a question by its name, and show the answer as a table.

    Times without a zone are UTC; --until is not included. Asking is itself in the log.
    """
    with opening.vault(context) as (service, caller):
        asked = operations.saved_questions.Asked(
            who=who,
            on=on,
            department=department,
            since=micros_of(since, "--since"),
            until=micros_of(until, "--until"),
            days=days,
        )
        part = operations.saved_questions.Page(after, limit)
        found = operations.audit_questions.ask(service, caller, name, asked, part)
    rows = [dict(row) for row in found.rows]
    if as_json:
        show.document(
            {
                "name": found.name,
                "title": found.title,
                "columns": dict(found.columns),
                "rows": rows,
                "next": found.next,
            }
        )
        return
    show.talk(found.title)
    show.table(rows, _filled(found.columns, rows), "Nothing fits.")
    if found.next is not None:
        show.talk(f"More: the same with --after {found.next}")


def save(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="1 to 48 of a-z, 0-9 and -.")],
    *,
    title: Annotated[str, typer.Option(help="What it answers, for those who read the list.")],
    kind: Annotated[
        list[str] | None,
        typer.Option(help="Only these kinds, such as record.read; all of record with record."),
    ] = None,
    outcome: Annotated[list[str] | None, typer.Option(help="Only what ended so.")] = None,
    actor: Annotated[str, typer.Option(help="Only by this one, or by all of svc:")] = "",
    resource: Annotated[str, typer.Option(help="Only this and what is below it.")] = "",
    department: Annotated[str, typer.Option(help="Only of this department.")] = "",
    fact: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Only with this detail.")
    ] = None,
    after_hours: Annotated[
        bool, typer.Option("--after-hours", help="Only when the company does not work.")
    ] = False,
    column: Annotated[
        list[str] | None, typer.Option(help="Columns of the answer, in their order.")
    ] = None,
) -> None:
    """Save a question for everybody who may read the log; the same name changes it."""
    rooms = operations.own_questions
    facts = [one.partition("=") for one in fact or []]
    if not all(separator for _, separator, _ in facts):
        raise InvalidInput.at("--fact", "write it as NAME=VALUE, such as plan=nightly")
    wanted = rooms.OwnQuestion(
        name=name,
        title=title,
        kinds=tuple(kind or ()),
        outcomes=tuple(outcome or ()),  # type: ignore[arg-type]  # checked where it is kept
        actor=actor,
        resource=resource,
        department=department,
        facts=tuple(sorted((key, value) for key, _, value in facts)),
        after_hours=after_hours,
        columns=tuple(column or rooms.USUAL_COLUMNS),
    )
    with opening.vault(context) as (service, caller):
        operations.audit_questions.keep_question(service, caller, wanted)
    show.talk(f"Saved: secvault audit ask {name}")


def forget(context: typer.Context, name: Annotated[str, _NAME]) -> None:
    """Forget a question that was saved here."""
    with opening.vault(context) as (service, caller):
        operations.audit_questions.drop_question(service, caller, name)
    show.talk("It is forgotten.")


def _options(takes: Sequence[str], needs: Sequence[str]) -> str:
    said = []
    for one in takes:
        options = "--since --until" if one == "period" else f"--{one}"
        said.append(options if one in needs else f"[{options}]")
    return " ".join(said)


def _filled(columns: Any, rows: list[dict[str, Any]]) -> dict[str, str]:
    """The columns that some row has something in: a person's screen is narrow."""
    return {
        key: title
        for key, title in columns.items()
        if any(row.get(key) not in (None, "") for row in rows)
    }
