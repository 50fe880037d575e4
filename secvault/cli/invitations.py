"""`secvault people invite` and `activate`: from a one-time code to somebody who can sign in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from secvault.cli import ask, enrolment, opening, operations, show
from secvault.cli.people import Contact, Who
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.crypto import Secret
    from secvault.identity.activation import Activated, Begun
    from secvault.service.invitations import Invited
    from secvault.service.service import Service

INVITE_EXAMPLE = "Example: secvault people invite lan --display-name 'Trần Thị Lan' --department hr"

Send = Annotated[
    bool,
    typer.Option(
        "--send", help="Send the code to their address, and do not show it.", show_default=False
    ),
]


def invite(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The name to sign in with, such as lan.tran.")],
    *,
    department: Annotated[str, typer.Option(help="Where the person belongs, such as hr.")],
    display_name: Annotated[str, typer.Option(help="The full name, for people to read.")] = "",
    contact: Contact = "",
    language: Annotated[
        str, typer.Option(help="en or vi, for mail to them; else the installation's.")
    ] = "",
    notes: Annotated[str, typer.Option(help="What to remember of them.")] = "",
    send: Send = False,
    as_json: show.AsJson = False,
) -> None:
    """Invite a person: prints a code, once, by which they choose a password and enrol a factor.

    The code goes to stdout. The new person holds no role yet: give one with `secvault grants add`.
    """
    with opening.vault(context) as (service, caller):
        new = operations.persons.NewPerson.of(
            name, display_name or name, department, contact, notes, language
        )
        made = operations.invitations.invite(service, caller, new, send=send)
    _show(made, as_json=as_json)


def reinvite(
    context: typer.Context, person: Who, send: Send = False, as_json: show.AsJson = False
) -> None:
    """Give somebody who was never active a new code; the earlier one is void."""
    with opening.vault(context) as (service, caller):
        made = operations.invitations.invite_again(service, caller, person, send=send)
    _show(made, as_json=as_json)


def uninvite(context: typer.Context, person: Who) -> None:
    """Void the code of somebody who has not used it."""
    with opening.vault(context) as (service, caller):
        done = operations.invitations.revoke_invitation(service, caller, person)
    show.out(f"The invitation of {done.name} is void")


def activate(
    context: typer.Context,
    code_from: Annotated[
        str, typer.Option(metavar="FILE", help="File with the code. Else it is asked.")
    ] = "",
    device: Annotated[str, typer.Option(help="What to call the device.")] = "authenticator app",
    hardware_token: Annotated[
        bool,
        typer.Option(
            "--hardware-token", help="Confirm a token that was assigned.", show_default=False
        ),
    ] = False,
) -> None:
    """Use an invitation: choose a password, enrol a device, and get recovery codes.

    Whoever is invited runs this. It can be begun anew until two codes of the device were typed.
    """
    if not ask.at_terminal():
        raise InvalidInput("activation asks for a new password and two codes: use a terminal")
    with opening.opened(opening.settings(context)) as service:
        code = ask.first_line(code_from, "--code-from") if code_from else ask.secret("The code")
        activate_with(service, code, device=device, hardware_token=hardware_token)


def activate_with(
    service: Service, code: Secret, *, device: str, hardware_token: bool = False
) -> Activated:
    """Ask for everything that the invitation of this code still needs; print recovery codes."""
    activation = operations.activation
    shown = activation.look(service, code)
    if shown.first:
        show.talk("The first administrator invites everybody else.")
    known = "" if shown.first or shown.person is None else shown.person.name
    if known:
        show.talk(f"This invitation is for {known}.")
    begun = _begin_until_right(service, code, known, device, hardware_token=hardware_token)
    if begun.enrolment is not None:
        enrolment.show_device(begun.enrolment.uri, with_code=True)
    done: list[Activated] = []
    enrolment.confirm(
        lambda first, second: done.append(activation.complete(service, code, (first, second)))
    )
    show.talk("Recovery codes, each good once for who has lost the device; print them:")
    for each in done[-1].recovery_codes:
        show.out(each.text())
    show.talk(f"{done[-1].person.name} can sign in.")
    return done[-1]


def _begin_until_right(
    service: Service, code: Secret, known: str, device: str, *, hardware_token: bool
) -> Begun:
    name = ""
    while True:
        if not known:
            name = name or ask.line("Name to sign in with, such as lan.tran")
        try:
            return operations.activation.begin(
                service,
                code,
                password=ask.password_twice(known or name),
                device=device,
                name=name,
                hardware_token=hardware_token,
            )
        except InvalidInput as error:
            wrong = {fault.field for fault in error.fields}
            if not wrong & {"name", "display_name", "password"}:
                raise
            show.talk(f"{error.detail}. Try again.")
            if "password" not in wrong:
                name = ""


def _show(made: Invited, *, as_json: bool) -> None:
    if as_json:
        show.document(
            {
                "id": made.person.id,
                "name": made.person.name,
                "code": None if made.code is None else made.code.text(),
                "expires_at": show.time(made.expires_at),
            }
        )
        return
    show.talk(f"{made.person.name} is invited until {show.time(made.expires_at)}.")
    if made.code is None:
        show.talk("The code was sent to their address.")
    else:
        show.talk("Hand this code over yourself; it is shown once:")
        show.out(made.code.text())
        show.talk("They run `secvault people activate`, or use /api/v1/activation.")
