"""`secvault people`: the people who may sign in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import ask, enrolment, opening, operations, show
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.service.people import PersonView
    from secvault.service.resets import Reset

app = typer.Typer(no_args_is_help=True, help="People who may sign in: add, enrol, disable, unlock.")

Who = Annotated[str, typer.Argument(metavar="PERSON", help="Sign-in name or id.")]


@app.command(
    epilog="Example: secvault people add lan --display-name 'Tran Thi Lan' --department hr"
)
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The name to sign in with, such as lan.tran.")],
    *,
    department: Annotated[str, typer.Option(help="Where the person works, such as hr.")],
    display_name: Annotated[str, typer.Option(help="The full name, for people to read.")] = "",
    password_from: Annotated[
        str,
        typer.Option(metavar="FILE", help="File with the password; - for stdin. Else it is asked."),
    ] = "",
    as_json: show.AsJson = False,
) -> None:
    """Add a person, who can sign in once a second factor is enrolled.

    The new person holds no role yet: give one with `secvault grants add`.
    """
    with opening.vault(context) as (service, caller):
        if password_from:
            password = ask.password_from(password_from)
        elif ask.at_terminal():
            password = ask.password_twice(name)
        else:
            raise InvalidInput.at("--password-from", "give it FILE, or - for stdin")
        made = operations.people.create_person(
            service,
            caller,
            name=name,
            display_name=display_name or name,
            department=department,
            password=password,
        )
        if as_json:
            show.document({"id": made.id, "name": made.name})
        else:
            show.out(f"{made.name} added with the id {made.id}")
            show.talk(f"Next: secvault people enrol {made.name}")


@app.command("list", epilog="Example: secvault people list --json")
def list_(context: typer.Context, as_json: show.AsJson = False) -> None:
    """List everybody who may sign in."""
    with opening.vault(context) as (service, caller):
        rows = [_row(view) for view in operations.people.list_people(service, caller)]
    columns = {
        "name": "Name",
        "display_name": "Full name",
        "department": "Department",
        "state": "State",
        "second_factor": "2nd factor",
        "last_sign_in_at": "Last sign-in",
        "id": "Id",
    }
    show.listing("people", rows, columns, as_json=as_json, empty="There is nobody yet.")


@app.command(epilog="Example: secvault people disable lan.tran")
def disable(context: typer.Context, person: Who) -> None:
    """Shut somebody out at once; their sessions end."""
    with opening.vault(context) as (service, caller):
        done = operations.people.disable_person(service, caller, person)
    show.out(f"{done.name} is disabled; all sessions ended")


@app.command(epilog="Example: secvault people enable lan.tran")
def enable(context: typer.Context, person: Who) -> None:
    """Let a disabled person sign in again."""
    with opening.vault(context) as (service, caller):
        done = operations.people.enable_person(service, caller, person)
    show.out(f"{done.name} may sign in again")


@app.command(epilog="Example: secvault people unlock lan.tran")
def unlock(context: typer.Context, person: Who) -> None:
    """Forget somebody's failed sign-ins, so that they may try again at once."""
    with opening.vault(context) as (service, caller):
        done = operations.people.unlock_person(service, caller, person)
    show.out(f"{done.name} may try again")


@app.command(epilog="Example: secvault people enrol lan.tran --device phone")
def enrol(
    context: typer.Context,
    person: Who,
    device: Annotated[str, typer.Option(help="What to call the device.")] = "authenticator app",
) -> None:
    """Give a person a second factor: shows a QR code, then asks for two codes of the app.

    Until two codes were typed the device does not work; run it again to begin anew.
    """
    if not ask.at_terminal():
        raise InvalidInput("enrolment shows a QR code and asks for two codes: use a terminal")
    with opening.vault(context) as (service, caller):
        begun = operations.people.enrol_totp(service, caller, person, device)
        enrolment.show_device(begun.uri, with_code=True)
        enrolment.confirm(
            lambda first, second: operations.people.confirm_totp(
                service, caller, person, begun.device.id, first, second
            )
        )


@app.command("reset-factors", epilog="Example: secvault people reset-factors lan.tran")
def reset_factors(context: typer.Context, person: Who, as_json: show.AsJson = False) -> None:
    """End all second factors of somebody who lost them; needs a second person's approval.

    Prints a part of the code that lets them enrol a new one, with their password; each approver
    has another part.
    """
    with opening.vault(context) as (service, caller):
        done = operations.resets.reset_factors(service, caller, person)
    _print_part(done, as_json=as_json, then=f"secvault sign-in --recovery {done.person.name}")


@app.command("reset-password", epilog="Example: secvault people reset-password lan.tran")
def reset_password(context: typer.Context, person: Who, as_json: show.AsJson = False) -> None:
    """End the password of somebody who forgot it; needs a second person's approval.

    Prints a part of the code that lets them set a new one, with a second factor; each approver has
    another part.
    """
    with opening.vault(context) as (service, caller):
        done = operations.resets.reset_password(service, caller, person)
    _print_part(done, as_json=as_json, then=f"secvault password --forgotten {done.person.name}")


def _print_part(done: Reset, *, as_json: bool, then: str) -> None:
    part, until = done.part.text(), show.time(done.expires_at)
    if as_json:
        shown = {"person": done.person.id, "part": part, "parts": done.parts, "expires_at": until}
        show.document(shown)
        return
    show.out(part)
    show.talk(
        f"Give this part to {done.person.name} and to nobody else; it is shown once and good until "
        f"{until}. The code has {done.parts} in all. With them: {then}"
    )


def _row(view: PersonView) -> dict[str, Any]:
    person = view.person
    return {
        "id": person.id,
        "name": person.name,
        "display_name": person.display_name,
        "department": person.department,
        "state": person.state,
        "second_factor": view.second_factor,
        "created_at": show.time(person.created_at),
        "last_sign_in_at": show.time(person.last_sign_in_at),
    }
