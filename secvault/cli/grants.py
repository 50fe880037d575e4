"""`secvault grants`: who holds which role, where, until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, show

if TYPE_CHECKING:
    from secvault.access import Grant
    from secvault.service.spans import Span

app = typer.Typer(
    no_args_is_help=True,
    help="Roles of people and systems: give, renew and revoke them, ask for one, activate one.",
)

COLUMNS = {
    "id": "Grant",
    "subject": "Who",
    "role": "Role",
    "department": "Department",
    "not_before": "From",
    "expires_at": "Until",
    "granted_by": "Given by",
    "source": "By way of",
}


Role = Annotated[str, typer.Argument(help="A role of the policy, such as role:hr.clerk.")]
Days = Annotated[int | None, typer.Option(help="Ends after so many days.")]
Hours = Annotated[int | None, typer.Option(help="Ends after so many hours.")]
Until = Annotated[
    str, typer.Option("--until", metavar="MOMENT", help="Ends then: 2026-11-03T18:00:00+07:00.")
]
From = Annotated[
    str,
    typer.Option("--from", metavar="MOMENT", help="Begins then, with its time zone; else now."),
]


@app.command(epilog="Example: secvault grants add user:lan.tran role:hr.clerk hr --days 90")
def add(
    context: typer.Context,
    subject: Annotated[str, typer.Argument(help="user:NAME for a person, svc:NAME for a system.")],
    role: Role,
    department: Annotated[str, typer.Argument(help="Where it counts, such as hr.")],
    *,
    days: Days = None,
    hours: Hours = None,
    begins: From = "",
    until: Until = "",
    as_json: show.AsJson = False,
) -> None:
    """Give a role. Nobody can give one to themselves.

    Days and hours count from the beginning. Without an end it lasts until it is revoked, but a
    privileged role ends after as long as the settings allow (grants.privileged_days).
    """
    with opening.vault(context) as (service, caller):
        made = operations.grants.add_grant(
            service,
            caller,
            subject=subject,
            role=role,
            department=department,
            span=span(days=days, hours=hours, begins=begins, until=until),
        )
    if as_json:
        show.document(row_of(made))
    else:
        show.out(said(made))


@app.command("list", epilog="Example: secvault grants list --json")
def list_(
    context: typer.Context,
    without_end: Annotated[
        bool,
        typer.Option("--without-end", help="Privileged roles without an end.", show_default=False),
    ] = False,
    to_come: Annotated[
        bool, typer.Option("--to-come", help="Those that only begin later.", show_default=False)
    ] = False,
    ending_days: Annotated[
        int | None,
        typer.Option(min=1, max=3650, help="Those that end within so many days, soonest first."),
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """List the roles in force now."""
    with opening.vault(context) as (service, caller):
        found = operations.grants.list_grants(
            service, caller, without_end=without_end, to_come=to_come, ending_days=ending_days
        )
    empty = "No privileged role is without an end." if without_end else "There is none."
    show.listing("grants", map(row_of, found), COLUMNS, as_json=as_json, empty=empty)


@app.command(epilog="Example: secvault grants renew g0123456789abcdef0123 --days 180")
def renew(
    context: typer.Context,
    grant: Annotated[str, typer.Argument(help="The grant's id, from `secvault grants list`.")],
    *,
    days: Days = None,
    hours: Hours = None,
    until: Until = "",
    as_json: show.AsJson = False,
) -> None:
    """Give a role a later end, counted from now. Nobody renews their own."""
    with opening.vault(context) as (service, caller):
        lasting = span(days=days, hours=hours, until=until)
        done = operations.grants.renew_grant(service, caller, grant, span=lasting)
    if as_json:
        show.document(row_of(done))
    else:
        show.out(said(done))


@app.command(epilog="Example: secvault grants revoke g0123456789abcdef0123")
def revoke(
    context: typer.Context,
    grant: Annotated[str, typer.Argument(help="The grant's id, from `secvault grants list`.")],
) -> None:
    """Take a role away, now and everywhere."""
    with opening.vault(context) as (service, caller):
        ended = operations.grants.revoke_grant(service, caller, grant)
    show.out(f"{ended.subject} no longer holds {ended.role} in {ended.department}")


def span(
    *, days: int | None = None, hours: int | None = None, begins: str = "", until: str = ""
) -> Span:
    """How long a role is wanted. Raises InvalidInput."""
    spans = operations.spans
    return spans.Span(
        spans.moment_of(begins, "--from") if begins else None,
        spans.moment_of(until, "--until") if until else None,
        spans.length(days=days, hours=hours),
    )


def said(grant: Grant) -> str:
    """A grant as a sentence."""
    until = f"until {show.time(grant.expires_at)}" if grant.expires_at else "until revoked"
    begins = f" from {show.time(grant.not_before)}" if grant.not_before > grant.created_at else ""
    return f"{grant.id}: {grant.subject} holds {grant.role} in {grant.department}{begins} {until}"


def row_of(grant: Grant) -> dict[str, Any]:
    """A grant as a row."""
    return {
        "id": grant.id,
        "subject": grant.subject,
        "role": grant.role,
        "department": grant.department,
        "not_before": show.time(grant.not_before),
        "expires_at": show.time(grant.expires_at),
        "granted_by": grant.granted_by,
        "source": grant.source,
        "created_at": show.time(grant.created_at),
    }
