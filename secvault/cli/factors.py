"""`secvault factors`: a person's own second factors, and recovery codes to print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import ask, enrolment, opening, operations, show
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.crypto import Secret
    from secvault.service.factors import Factors
    from secvault.service.service import Service
    from secvault.service.spine import Caller

app = typer.Typer(
    no_args_is_help=True, help="Your second factors: list, remove, make and use recovery codes."
)


@app.command("list", epilog="Example: secvault factors list --person lan.tran --json")
def list_(
    context: typer.Context,
    person: Annotated[
        str, typer.Option(help="Somebody else, for administrators: sign-in name or id.")
    ] = "",
    as_json: show.AsJson = False,
) -> None:
    """List devices and passkeys, and how many recovery codes are left.

    Passkeys are made and used in a browser; here they are only listed and removed.
    """
    with opening.vault(context) as (service, caller):
        factors = operations.factors
        found = (
            factors.factors_of(service, caller, person)
            if person
            else factors.own_factors(service, caller)
        )
    if as_json:
        show.document({"factors": _rows(found), "recovery_codes_left": found.recovery.left})
        return
    columns = {
        "kind": "Kind",
        "name": "Name",
        "state": "State",
        "created_at": "Since",
        "last_used_at": "Last used",
        "id": "Id",
    }
    show.table(_rows(found), columns, "There is no second factor yet.")
    show.talk(f"Recovery codes left: {found.recovery.left}")


@app.command(epilog="Example: secvault factors remove 01a2b3c4d5e6470f8192a3b4c5d6e7f8")
def remove(
    context: typer.Context,
    passkey: Annotated[str, typer.Argument(help="Id of the passkey, as list shows it.")],
) -> None:
    """Remove one of your passkeys, unless it is your last factor; asks for your password."""
    with opening.vault(context) as (service, caller):
        password = _password(service, caller)
        operations.factors.remove_passkey(service, caller, passkey, password=password)
    show.out(f"{passkey} is removed")


@app.command(epilog="Example: secvault factors enrol --device 'new phone'")
def enrol(
    context: typer.Context,
    device: Annotated[str, typer.Option(help="What to call the device.")] = "authenticator app",
) -> None:
    """Enrol an authenticator app, in a session that a recovery code opened.

    Shows a QR code, then asks for two codes of the app.
    """
    if not ask.at_terminal():
        raise InvalidInput("enrolment shows a QR code and asks for two codes: use a terminal")
    with opening.vault(context) as (service, caller):
        factors = operations.factors
        begun = factors.begin_device(service, caller, device)
        enrolment.show_device(begun.uri, with_code=True)
        enrolment.confirm(
            lambda first, second: factors.confirm_device(
                service, caller, begun.device.id, first, second
            )
        )


@app.command("recovery-codes", epilog="Example: secvault factors recovery-codes | lp")
def recovery_codes(context: typer.Context, as_json: show.AsJson = False) -> None:
    """Make ten recovery codes and print them on stdout; those from before are void.

    Asks for your password, and takes a second factor shown within the last five minutes.
    They are shown this once. Each lets you in once, with your password, to enrol a new factor.
    """
    with opening.vault(context) as (service, caller):
        password = _password(service, caller)
        made = operations.factors.make_recovery_codes(service, caller, password=password)
    if as_json:
        show.document({"codes": [code.text() for code in made]})
        return
    for code in made:
        show.out(code.text())
    show.talk("Print them and keep them apart from your devices; they are not shown again.")


def _password(service: Service, caller: Caller) -> Secret | None:
    if not operations.reauthentication.needs_password(service, caller):
        return None
    return ask.secret("Your password")


def _rows(found: Factors) -> list[dict[str, Any]]:
    codes = [
        {
            "kind": "totp",
            "name": each.name,
            "state": each.state,
            "created_at": show.time(each.created_at),
            "last_used_at": show.time(each.last_used_at),
            "id": each.id,
        }
        for each in found.devices
    ]
    return codes + [
        {
            "kind": "passkey",
            "name": each.name,
            "state": "active",
            "created_at": show.time(each.created_at),
            "last_used_at": show.time(each.last_used_at),
            "id": each.id,
        }
        for each in found.passkeys
    ]
