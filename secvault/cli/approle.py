"""`secvault approle`: how calling systems sign in by themselves, by a role id and a secret id."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import ask, opening, operations, show

if TYPE_CHECKING:
    from secvault.identity.approles import RoleSettings
    from secvault.identity.secret_ids import SecretId
    from secvault.service.approles import RoleView

app = typer.Typer(
    no_args_is_help=True,
    help="AppRoles, by which systems sign in themselves: add, list, secret ids, remove.",
)

Name = Annotated[str, typer.Argument(help="The AppRole's name, such as payroll-sync.")]
Accessor = Annotated[
    str, typer.Argument(metavar="ACCESSOR", help="The secret id's accessor, never the secret id.")
]
Minutes = Annotated[int | None, typer.Option(help="How long, in minutes; else 32 days.")]


@app.command(
    epilog="Example: secvault approle add payroll-sync --role it.encryptor --token-minutes 60"
)
def add(
    context: typer.Context,
    name: Name,
    *,
    system: Annotated[
        str, typer.Option(help="The system that it is for; else that of the same name.")
    ] = "",
    role: Annotated[
        list[str] | None,
        typer.Option(help="Narrow its tokens to this role of the system; may be repeated."),
    ] = None,
    token_minutes: Minutes = None,
    token_max_minutes: Minutes = None,
    token_uses: Annotated[int | None, typer.Option(help="Uses of a token; 0 for any.")] = None,
    token_cidr: Annotated[
        list[str] | None, typer.Option(help="Network that tokens work from; may be repeated.")
    ] = None,
    secret_id_minutes: Minutes = None,
    secret_id_uses: Annotated[
        int | None, typer.Option(help="Uses of a secret id; 0 for any.")
    ] = None,
    secret_id_cidr: Annotated[
        list[str] | None, typer.Option(help="Network to sign in from; may be repeated.")
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Add an AppRole, or change what is named of the present one."""
    networks = operations.networks.read_networks
    given: dict[str, Any] = {
        "policies": None if role is None else tuple(role),
        "token_num_uses": token_uses,
        "secret_id_num_uses": secret_id_uses,
        "token_bound_cidrs": None if token_cidr is None else networks(token_cidr, "--token-cidr"),
        "secret_id_bound_cidrs": (
            None if secret_id_cidr is None else networks(secret_id_cidr, "--secret-id-cidr")
        ),
    }
    for field, minutes in (
        ("token_ttl", token_minutes),
        ("token_max_ttl", token_max_minutes),
        ("secret_id_ttl", secret_id_minutes),
    ):
        given[field] = None if minutes is None else minutes * 60
    changes = {field: value for field, value in given.items() if value is not None}

    def change(present: RoleSettings) -> RoleSettings:
        return replace(present, **changes)

    with opening.vault(context) as (service, caller):
        view = operations.approles.write_approle(service, caller, name, change, system)
    if as_json:
        show.document(_row(view))
    else:
        show.out(f"{view.role.name} lets {view.system} in by the role id {view.role.role_id}")
        show.talk(f"Next: secvault approle secret {view.role.name} > secret-id")


@app.command("list", epilog="Example: secvault approle list --json")
def list_(context: typer.Context, as_json: show.AsJson = False) -> None:
    """List the AppRoles."""
    with opening.vault(context) as (service, caller):
        rows = [_row(view) for view in operations.approles.list_approles(service, caller)]
    columns = {
        "name": "AppRole",
        "system": "System",
        "policies": "Narrowed to",
        "token_ttl": "Token, s",
        "secret_id_ttl": "Secret id, s",
        "role_id": "Role id",
    }
    show.listing("approles", rows, columns, as_json=as_json, empty="There is no AppRole.")


@app.command(epilog="Example: secvault approle secret payroll-sync --uses 1 --minutes 10 > id")
def secret(
    context: typer.Context,
    name: Name,
    *,
    minutes: Minutes = None,
    uses: Annotated[int | None, typer.Option(help="How often it works; 0 for any.")] = None,
    cidr: Annotated[
        list[str] | None, typer.Option(help="Network to sign in from; may be repeated.")
    ] = None,
    secret_id_from: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="One that was drawn elsewhere; - for stdin."),
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Make a secret id and print it on stdout. It is shown this once and kept nowhere."""
    wanted = operations.secret_ids.NewSecretId(
        text=ask.password_from(secret_id_from) if secret_id_from else None,
        ttl=None if minutes is None else minutes * 60,
        uses=uses,
        cidr_list=operations.networks.read_networks(cidr or (), "--cidr"),
    )
    with opening.vault(context) as (service, caller):
        made = operations.approles.create_secret_id(service, caller, name, wanted)
    if as_json:
        show.document({**_secret_row(made.known), "secret_id": made.text.text()})
    else:
        show.out(made.text.text())
        show.talk(
            f"Secret id {made.known.accessor} until {show.time(made.known.expires_at)}. "
            "Keep it where only the system can read it; it is not shown again."
        )


@app.command(epilog="Example: secvault approle secrets payroll-sync")
def secrets(context: typer.Context, name: Name, as_json: show.AsJson = False) -> None:
    """List the secret ids of an AppRole by their accessors."""
    with opening.vault(context) as (service, caller):
        found = operations.approles.list_secret_ids(service, caller, name)
    columns = {
        "accessor": "Accessor",
        "created_at": "Since",
        "expires_at": "Until",
        "uses_left": "Uses left",
    }
    rows = [_secret_row(each) for each in found]
    show.listing("secret_ids", rows, columns, as_json=as_json, empty="There is no secret id.")


@app.command(epilog="Example: secvault approle destroy payroll-sync 4fT9aXk2Qz")
def destroy(context: typer.Context, name: Name, accessor: Accessor) -> None:
    """End a secret id, and the tokens that it made."""
    with opening.vault(context) as (service, caller):
        ended = operations.approles.destroy_secret_id(service, caller, name, accessor=accessor)
    show.out(f"secret id {show.cell(accessor)} is destroyed; tokens revoked: {ended}")


@app.command(epilog="Example: secvault approle remove payroll-sync")
def remove(context: typer.Context, name: Name) -> None:
    """Remove an AppRole, and end its secret ids and tokens."""
    with opening.vault(context) as (service, caller):
        ended = operations.approles.delete_approle(service, caller, name)
    show.out(f"{show.cell(name)} is removed; tokens revoked: {ended}")


def _row(view: RoleView) -> dict[str, Any]:
    settings = view.role.settings
    return {
        "name": view.role.name,
        "system": view.system,
        "role_id": view.role.role_id,
        "policies": ", ".join(settings.policies) or None,
        "token_ttl": settings.token_ttl or None,
        "token_max_ttl": settings.token_max_ttl or None,
        "token_num_uses": settings.token_num_uses or None,
        "token_bound_cidrs": list(settings.token_bound_cidrs),
        "secret_id_ttl": settings.secret_id_ttl or None,
        "secret_id_num_uses": settings.secret_id_num_uses or None,
        "secret_id_bound_cidrs": list(settings.secret_id_bound_cidrs),
        "created_at": show.time(view.role.created_at),
    }


def _secret_row(known: SecretId) -> dict[str, Any]:
    return {
        "accessor": known.accessor,
        "created_at": show.time(known.created_at),
        "expires_at": show.time(known.expires_at),
        "uses_left": known.uses_left,
        "cidr_list": list(known.cidr_list),
    }
