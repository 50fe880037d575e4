"""`secvault tokens`: what calling systems show to be let in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, show

if TYPE_CHECKING:
    from secvault.identity.tokens import Token

app = typer.Typer(no_args_is_help=True, help="Tokens of calling systems: issue, list, revoke.")


@app.command(
    epilog="Example: secvault tokens issue payroll-app --role it.encryptor --days 90 > token"
)
def issue(
    context: typer.Context,
    system: Annotated[str, typer.Argument(help="Name or id of the system.")],
    name: Annotated[str, typer.Option(help="Where the token will be used.")] = "token",
    days: Annotated[
        int | None, typer.Option(help="How long it lives, 1 to 365; else as configured.")
    ] = None,
    role: Annotated[
        list[str] | None,
        typer.Option(help="Narrow it to this role of the system; may be repeated. Else all."),
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Make a token and print it on stdout. It is shown this once and kept nowhere."""
    with opening.vault(context) as (service, caller):
        issued = operations.systems.issue_token(
            service,
            caller,
            account=system,
            display_name=name,
            days=days,
            roles=tuple(role or ()),
        )
    if as_json:
        show.document({**_row(issued.token), "token": issued.text.text()})
    else:
        show.out(issued.text.text())
        show.talk(
            f"Token {issued.token.key_id} until {show.time(issued.token.expires_at)}. "
            "Keep it where only the system can read it; it is not shown again."
        )


@app.command("list", epilog="Example: secvault tokens list --json")
def list_(context: typer.Context, as_json: show.AsJson = False) -> None:
    """List all tokens, without their secrets."""
    with opening.vault(context) as (service, caller):
        rows = [_row(token) for token in operations.systems.list_tokens(service, caller)]
    columns = {
        "key_id": "Token",
        "account": "System",
        "display_name": "Name",
        "expires_at": "Until",
        "narrowed_to": "Narrowed to",
        "last_used_at": "Last used",
        "revoked_at": "Revoked",
    }
    show.listing("tokens", rows, columns, as_json=as_json, empty="There is no token.")


@app.command(epilog="Example: secvault tokens revoke 4fT9aXk2Qz")
def revoke(
    context: typer.Context,
    key_id: Annotated[
        str,
        typer.Argument(metavar="KEY-ID", help="The token's id: svt_<this>_..., never all of it."),
    ],
) -> None:
    """End a token for ever."""
    with opening.vault(context) as (service, caller):
        ended = operations.systems.revoke_token(service, caller, key_id)
    show.out(f"token {ended.key_id} is revoked")


def _row(token: Token) -> dict[str, Any]:
    return {
        "key_id": token.key_id,
        "account": token.account,
        "display_name": token.display_name,
        "created_at": show.time(token.created_at),
        "expires_at": show.time(token.expires_at),
        "narrowed_to": _narrowed_to(token),
        "last_used_at": show.time(token.last_used_at),
        "revoked_at": show.time(token.revoked_at),
    }


def _narrowed_to(token: Token) -> str | None:
    if not token.layers:
        return None
    # The last layer is the narrowest that was asked for.
    names = operations.token_policies.names_of(token.layers[-1])
    return ", ".join(names)
