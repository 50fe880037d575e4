"""`secvault systems`: the service accounts of calling systems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, show

if TYPE_CHECKING:
    from secvault.identity.service_accounts import ServiceAccount
    from secvault.service.systems import ListedSystem

app = typer.Typer(
    no_args_is_help=True, help="Calling systems (service accounts): add, list, disable."
)


@app.command(
    epilog="Example: secvault systems add payroll-app --department hr --owner lan.tran "
    "--role role:it.cryptor"
)
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The system's name, such as payroll-app.")],
    *,
    department: Annotated[str, typer.Option(help="Where its roles count, such as hr.")],
    owner: Annotated[str, typer.Option(help="Sign-in name or id of who answers for it.")],
    role: Annotated[
        list[str] | None, typer.Option(help="A role to give it; may be repeated.")
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Add a system, which calls the API with tokens."""
    with opening.vault(context) as (service, caller):
        made = operations.systems.create_account(
            service,
            caller,
            name=name,
            department=department,
            owner=owner,
            roles=tuple(role or ()),
        )
    if as_json:
        show.document(_row(made))
    else:
        show.out(f"{made.name} added with the id {made.id}")
        show.talk(f"Next: secvault tokens issue {made.name} --name 'its first token'")


@app.command("list", epilog="Example: secvault systems list --json")
def list_(context: typer.Context, as_json: show.AsJson = False) -> None:
    """List the systems."""
    with opening.vault(context) as (service, caller):
        rows = [_listed(account) for account in operations.systems.list_accounts(service, caller)]
    columns = {
        "name": "Name",
        "department": "Department",
        "state": "State",
        "owner_name": "Owner",
        "owner_active": "Owner active",
        "created_at": "Since",
        "id": "Id",
    }
    show.listing("systems", rows, columns, as_json=as_json, empty="There is no system yet.")


@app.command("hand-over", epilog="Example: secvault systems hand-over payroll-app lan.tran")
def hand_over(
    context: typer.Context,
    system: Annotated[str, typer.Argument(help="Name or id of the system.")],
    owner: Annotated[str, typer.Argument(help="Sign-in name or id of who answers for it now.")],
) -> None:
    """Let somebody else answer for a system. Without an active owner it gets no tokens."""
    with opening.vault(context) as (service, caller):
        given = operations.systems.hand_over(service, caller, system, owner)
    show.out(f"{given.name} is in the hands of {given.owner_name}")


@app.command(epilog="Example: secvault systems disable payroll-app")
def disable(
    context: typer.Context,
    system: Annotated[str, typer.Argument(help="Name or id of the system.")],
) -> None:
    """Shut a system out at once and revoke all its tokens."""
    with opening.vault(context) as (service, caller):
        revoked = operations.systems.disable_account(service, caller, system)
    show.out(f"{show.cell(system)} is disabled; tokens revoked: {revoked}")


def _listed(system: ListedSystem) -> dict[str, Any]:
    return {
        **_row(system),
        "owner_name": system.owner_name,
        "owner_active": system.owner_active,
    }


def _row(account: ServiceAccount) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "department": account.department,
        "owner": account.owner,
        "state": account.state,
        "created_at": show.time(account.created_at),
    }
