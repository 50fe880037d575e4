"""`secvault tokens`: what calling systems show to be let in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, show
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.identity.tokens import Token

app = typer.Typer(
    no_args_is_help=True, help="Tokens of calling systems: issue, list, rotate, revoke."
)


_LONGEST_REPORT = 1024 * 1024
_COLUMNS = {
    "key_id": "Token",
    "account": "System",
    "display_name": "Name",
    "expires_at": "Until",
    "narrowed_to": "Narrowed to",
    "networks": "Networks",
    "last_used_at": "Last used",
    "last_used_network": "From",
    "replaced_by": "Replaced by",
    "revoked_at": "Revoked",
}
_KeyId = Annotated[
    str, typer.Argument(metavar="KEY-ID", help="The token's id: svt_<this>_..., never all of it.")
]


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
    action: Annotated[
        list[str] | None,
        typer.Option(help="Limit it to this action, as data.encrypt; may be repeated. Else all."),
    ] = None,
    department: Annotated[
        list[str] | None, typer.Option(help="Limit it to this department; may be repeated.")
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option(
            "--object", help="Limit it to this, such as transit/payroll; may be repeated."
        ),
    ] = None,
    network: Annotated[
        list[str] | None,
        typer.Option(help="Where alone it may be used from, as 10.1.0.0/16; may be repeated."),
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
            scope=operations.scope.scope(action or (), department or (), on or ()),
            networks=operations.networks.read_networks(network or (), "network"),
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
    show.listing("tokens", rows, _COLUMNS, as_json=as_json, empty="There is no token.")


@app.command(epilog="Example: secvault tokens expiring --days 7")
def expiring(
    context: typer.Context,
    days: Annotated[int, typer.Option(help="Within how many days, 1 to 365.")] = 30,
    as_json: show.AsJson = False,
) -> None:
    """List the tokens that end soon, soonest first."""
    with opening.vault(context) as (service, caller):
        found = operations.token_life.expiring_tokens(service, caller, days)
        rows = [_row(token) for token in found]
    empty = f"No token ends within {days} days."
    show.listing("tokens", rows, _COLUMNS, as_json=as_json, empty=empty)


@app.command(epilog="Example: secvault tokens rotate 4fT9aXk2Qz --overlap-hours 48 > token")
def rotate(
    context: typer.Context,
    key_id: _KeyId,
    overlap_hours: Annotated[
        int | None, typer.Option(help="How long the old one is valid, 0 to 168; else 24.")
    ] = None,
    days: Annotated[
        int | None, typer.Option(help="How long the new one lives, 1 to 365; else as configured.")
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Make the token that replaces one, and print it on stdout. It is shown this once."""
    with opening.vault(context) as (service, caller):
        done = operations.token_life.rotate_token(
            service, caller, key_id, hours=overlap_hours, days=days
        )
    new, former = done.issued.token, done.former
    if as_json:
        row = {
            **_row(new),
            "token": done.issued.text.text(),
            "former_expires_at": show.time(former.expires_at),
            "ended": done.ended,
        }
        show.document(row)
        return
    show.out(done.issued.text.text())
    over = "is revoked" if former.revoked_at else f"ends {show.time(former.expires_at)}"
    show.talk(
        f"Token {new.key_id} until {show.time(new.expires_at)}. {former.key_id} {over}. "
        "Keep the new one where only the system can read it; it is not shown again."
    )
    if done.ended:
        show.talk(f"{done.ended}, from before the last rotation, ended now.")


@app.command("report-leak", epilog="Example: secvault tokens report-leak < found.txt")
def report_leak(context: typer.Context) -> None:
    """End the tokens in the text on stdin, found where they do not belong. None is repeated."""
    with opening.opened(opening.settings(context)) as service:
        found = operations.leaked_tokens.tokens_in(sys.stdin.read(_LONGEST_REPORT))
        if not found:
            raise InvalidInput("nothing on stdin looks like a token: svt_...")
        operations.leaked_tokens.report_leak(service, found)
    show.out(f"looked at {len(found)}; those that are genuine are revoked")


@app.command(epilog="Example: secvault tokens revoke 4fT9aXk2Qz")
def revoke(
    context: typer.Context,
    key_id: _KeyId,
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
        "networks": ", ".join(token.networks) or None,
        "last_used_at": show.time(token.last_used_at),
        "last_used_network": token.last_used_network or None,
        "replaces": token.replaces,
        "replaced_by": token.replaced_by,
        "revoked_at": show.time(token.revoked_at),
    }


def _narrowed_to(token: Token) -> str | None:
    if not token.layers:
        return None
    # The last layer of roles is the narrowest that was asked for.
    roles = [layer for layer in token.layers if not operations.scope.is_scope(layer)]
    names = operations.token_policies.names_of(roles[-1]) if roles else ()
    return ", ".join((*names, *operations.scope.words_of(token.layers)))
