"""`secvault devices` and `secvault password`: one's own second factors and password."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from secvault.cli import ask, enrolment, opening, operations, show
from secvault.errors import InvalidInput

app = typer.Typer(
    no_args_is_help=True, help="Your own TOTP devices: list, add, confirm, remove, resync."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Your sign-in name.")]
DeviceId = Annotated[str, typer.Argument(metavar="DEVICE", help="Its id, of `devices list`.")]


@app.command("list", epilog="Example: secvault devices list")
def list_(context: typer.Context, as_json: show.AsJson = False) -> None:
    """List your devices, those that wait to be confirmed too."""
    _require_session()
    with opening.vault(context) as (service, caller):
        found = operations.own_factors.list_devices(service, caller)
    rows = [
        {
            "id": device.id,
            "name": device.name,
            "state": device.state,
            "codes": f"{device.algorithm}, {device.digits} digits, {device.period} s",
            "last_used_at": show.time(device.last_used_at),
        }
        for device in found
    ]
    columns = {
        "name": "Name",
        "state": "State",
        "codes": "Codes",
        "last_used_at": "Last used",
        "id": "Id",
    }
    show.listing("devices", rows, columns, as_json=as_json, empty="There is no device yet.")


@app.command(epilog="Example: secvault devices add tablet")
def add(
    context: typer.Context,
    device: Annotated[str, typer.Argument(help="What to call the new device.")],
    *,
    algorithm: Annotated[str, typer.Option(help="SHA1, SHA256 or SHA512.")] = "SHA1",
    digits: Annotated[int, typer.Option(help="6 or 8.")] = 6,
    period: Annotated[int, typer.Option(help="Seconds of one code: 30 or 60.")] = 30,
) -> None:
    """Add a device of your own: asks for both factors, shows a QR code, asks for two codes.

    Many apps know SHA1 with 6 digits in 30 seconds only, whatever the QR code says.
    """
    _require_session()
    if not ask.at_terminal():
        raise InvalidInput("enrolment shows a QR code and asks for two codes: use a terminal")
    shape = operations.totp.Shape.of(algorithm, digits, period)
    with opening.vault(context) as (service, caller):
        begun = operations.own_factors.enrol_device(
            service,
            caller,
            name=device,
            password=ask.secret("Your password"),
            code=ask.secret("A code of a device in use"),
            shape=shape,
        )
        enrolment.show_device(begun.uri, with_code=True)
        enrolment.confirm(
            lambda first, second: operations.own_factors.confirm_device(
                service, caller, begun.device.id, (first, second)
            )
        )


@app.command(epilog="Example: secvault devices confirm lan.tran")
def confirm(
    context: typer.Context,
    name: Name,
    device: Annotated[
        str, typer.Option(help="Its id, when you are signed in with another one.")
    ] = "",
) -> None:
    """Put a token into use that was assigned to you: asks for two codes in a row.

    Without --device it is your first one, and your password is asked for.
    """
    with opening.vault(context) as (service, caller):
        if device:
            codes = ask.two_codes()
            operations.own_factors.confirm_device(service, caller, device, codes)
        else:
            password = ask.secret(f"Password of {name}")
            codes = ask.two_codes()
            operations.own_factors.confirm_first_device(service, name, password, codes)
    show.out("The device is in use.")


@app.command(epilog="Example: secvault devices remove 0192f0c0a1b2c3d4e5f60718293a4b5c")
def remove(context: typer.Context, device: DeviceId) -> None:
    """Take a device of yours out of use for good; asks for both factors. Never the last one."""
    _require_session()
    with opening.vault(context) as (service, caller):
        gone = operations.own_factors.remove_device(
            service,
            caller,
            device,
            password=ask.secret("Your password"),
            code=ask.secret("A code of a device in use"),
        )
    show.out(f"{gone.name} is out of use")


@app.command(epilog="Example: secvault devices resync lan.tran")
def resync(context: typer.Context, name: Name) -> None:
    """Follow the clock of a device that has run away by up to 20 codes; three times a day."""
    with opening.opened(opening.settings(context)) as service:
        password = ask.secret(f"Password of {name}")
        operations.own_factors.resync_device(service, name, password, ask.two_codes())
    show.out("The device is in step again; wait for its next code.")


def password(
    context: typer.Context,
    forgotten: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Your sign-in name, after your password was reset: needs its code."
        ),
    ] = "",
) -> None:
    """Change your own password: asks for the old one and a code; your other sessions end."""
    if forgotten:
        _redeem(context, forgotten)
        return
    _require_session()
    with opening.vault(context) as (service, caller):
        old = ask.secret("Your present password")
        code = ask.secret("A code of a device in use")
        if ask.at_terminal():
            new = ask.password_twice(caller.principal.name)
        else:
            new = ask.secret("The new password")
        ended = operations.own_factors.change_password(
            service, caller, password=old, code=code, new=new
        )
    show.out(f"The password is changed; other sessions ended: {ended}")


def _redeem(context: typer.Context, name: str) -> None:
    with opening.opened(opening.settings(context)) as service:
        code = ask.secret("All parts of the code of the reset")
        second = ask.secret(
            "A code of a device in use; or, after a reset of your factors, all parts of its code"
        )
        new = ask.password_twice(name) if ask.at_terminal() else ask.secret("The new password")
        operations.resets.redeem_password(service, name=name, code=code, second=second, new=new)
    show.out("The password is set; sign in with it.")


def _require_session() -> None:
    if not os.environ.get("SECVAULT_TOKEN"):
        raise InvalidInput.at("SECVAULT_TOKEN", "is not set: run secvault sign-in first")
