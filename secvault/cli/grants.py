"""`secvault grants`: who holds which role, where, until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, show

if TYPE_CHECKING:
    from secvault.access import Grant

app = typer.Typer(
    no_args_is_help=True, help="Roles given to people and systems: add, revoke, list."
)


@app.command(epilog="Example: secvault grants add user:lan.tran role:hr.clerk hr --days 90")
def add(
    context: typer.Context,
    subject: Annotated[str, typer.Argument(help="user:NAME for a person, svc:NAME for a system.")],
    role: Annotated[str, typer.Argument(help="A role of the policy, such as role:hr.clerk.")],
    department: Annotated[str, typer.Argument(help="Where it counts, such as hr.")],
    *,
    days: Annotated[int | None, typer.Option(help="Ends after so many days; else never.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """Give a role. Nobody can give one to themselves."""
    with opening.vault(context) as (service, caller):
        made = operations.grants.add_grant(
            service, caller, subject=subject, role=role, department=department, days=days
        )
    if as_json:
        show.document(_row(made))
    else:
        until = f"until {show.time(made.expires_at)}" if made.expires_at else "until revoked"
        show.out(f"{made.id}: {made.subject} holds {made.role} in {made.department} {until}")


@app.command("list", epilog="Example: secvault grants list --json")
def list_(context: typer.Context, as_json: show.AsJson = False) -> None:
    """List the roles in force now."""
    with opening.vault(context) as (service, caller):
        rows = [_row(grant) for grant in operations.grants.list_grants(service, caller)]
    columns = {
        "id": "Grant",
        "subject": "Who",
        "role": "Role",
        "department": "Department",
        "expires_at": "Until",
        "granted_by": "Given by",
        "source": "From",
    }
    show.listing("grants", rows, columns, as_json=as_json, empty="No role is given to anybody.")


@app.command(epilog="Example: secvault grants revoke g0123456789abcdef0123")
def revoke(
    context: typer.Context,
    grant: Annotated[str, typer.Argument(help="The grant's id, from `secvault grants list`.")],
) -> None:
    """Take a role away, now and everywhere."""
    with opening.vault(context) as (service, caller):
        ended = operations.grants.revoke_grant(service, caller, grant)
    show.out(f"{ended.subject} no longer holds {ended.role} in {ended.department}")


def _row(grant: Grant) -> dict[str, Any]:
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
