"""`secvault people`: the people who may sign in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import ask, opening, operations, show
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.identity.directory import Entry
    from secvault.service.resets import Reset

app = typer.Typer(
    no_args_is_help=True, help="People who may sign in: invite, list, change, disable, let back in."
)

Who = Annotated[str, typer.Argument(metavar="PERSON", help="Sign-in name or id.")]
Contact = Annotated[str, typer.Option(metavar="ADDRESS", help="An address of mail.")]


@app.command("list", epilog="Example: secvault people list --status expired --json")
def list_(
    context: typer.Context,
    *,
    search: Annotated[
        str, typer.Option(help="Words of a name; `nguyen` finds `Nguyễn`, too.")
    ] = "",
    status: Annotated[
        str, typer.Option(help="Only: invited, expired (no invitation in time), active, disabled.")
    ] = "",
    department: Annotated[str, typer.Option(help="Only who belongs there, such as hr.")] = "",
    factors: Annotated[
        str, typer.Option(help="Only: locked (by wrong codes), none (active without a factor).")
    ] = "",
    after: Annotated[str, typer.Option(metavar="ID", help="Go on after this person.")] = "",
    limit: Annotated[
        int | None, typer.Option(min=1, max=1000, help="At most so many; else all.")
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """List people, oldest first: what they can sign in with, and when they last did."""
    rows: list[dict[str, Any]] = []
    with opening.vault(context) as (service, caller):
        wanted = operations.directory.Wanted(status, department, search, factors)
        while True:
            page = operations.people.list_people(
                service, caller, after=after, limit=limit or 1000, wanted=wanted
            )
            rows += [_row(entry) for entry in page.people]
            after = page.next_after
            if limit is not None or not after:
                break
    columns = {
        "name": "Name",
        "display_name": "Full name",
        "department": "Department",
        "status": "Status",
        "factors": "Factors",
        "recovery_codes_left": "Recovery codes",
        "locked": "Locked",
        "last_sign_in_at": "Last sign-in",
        "id": "Id",
    }
    if as_json:
        show.document({"people": rows, "next": after or None})
        return
    show.table(rows, columns, "There is nobody.")
    if after:
        show.talk(f"More: --after {after}")


@app.command("show", epilog="Example: secvault people show lan.tran")
def show_(context: typer.Context, person: Who, as_json: show.AsJson = False) -> None:
    """Show one person, with address and notes."""
    with opening.vault(context) as (service, caller):
        row = _row(operations.people.read_person(service, caller, person))
    if as_json:
        show.document(row)
    else:
        show.facts(row)


@app.command(epilog="Example: secvault people change lan.tran --department accounting")
def change(
    context: typer.Context,
    person: Who,
    *,
    display_name: Annotated[str | None, typer.Option(help="The full name.")] = None,
    department: Annotated[str | None, typer.Option(help="Where they belong from now on.")] = None,
    contact: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Of who was never active: an address of mail; '' for none."
        ),
    ] = None,
    notes_from: Annotated[
        str, typer.Option(metavar="FILE", help="File with new notes; - for stdin.")
    ] = "",
    version: Annotated[
        int | None, typer.Option(min=1, help="Only if this is still their version.")
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Change somebody's full name, department, address or notes.

    What they may do is said by their grants, which stay: those elsewhere are named.
    """
    notes = ask.text_from(notes_from, "--notes-from") if notes_from else None
    given = (display_name, department, contact, notes)
    if all(each is None for each in given):
        raise InvalidInput("say what to change: --display-name, --department, --contact or notes")
    with opening.vault(context) as (service, caller):
        changes = operations.persons.Changes.of(*given)
        people = operations.people
        if version is None:
            version = people.read_person(service, caller, person).person.version
        done = people.change_person(service, caller, person, version, changes)
    if as_json:
        show.document(_row(done.entry))
        return
    show.out(f"{done.entry.person.name} is changed")
    for grant in done.elsewhere:
        show.talk(
            f"Still holds {grant.role} in {grant.department}: secvault grants revoke {grant.id}"
        )


@app.command(epilog="Example: secvault people place lan.tran --employee NV-0042 --team warehouse")
def place(
    context: typer.Context,
    person: Who,
    *,
    employee: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Their number in the company; '' for none.")
    ] = None,
    team: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A team of theirs, in place of all; '' for no team."),
    ] = None,
    version: Annotated[
        int | None, typer.Option(min=1, help="Only if this is still their version.")
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Say which employee somebody is and in which teams: then records of these are their own.

    Needs a second person's approval (secvault --ask REASON people place ...): what is sensitive in
    such records opens to them.
    """
    if employee is None and team is None:
        raise InvalidInput("say what to change: --employee or --team")
    with opening.vault(context) as (service, caller):
        found = operations.people.read_person(service, caller, person).person
        number = (found.employee or "") if employee is None else employee
        teams = found.teams.splitlines() if team is None else [name for name in team if name]
        to = operations.placement.Placement.of(number, teams)
        done = operations.people.place_person(service, caller, person, version or found.version, to)
    if as_json:
        show.document(_row(done))
        return
    placed = done.person
    show.out(f"{placed.name}: employee {placed.employee or 'without a number'}")
    show.out(f"Teams: {', '.join(placed.teams.splitlines()) or 'none'}")


@app.command(epilog="Example: secvault people disable lan.tran")
def disable(context: typer.Context, person: Who) -> None:
    """Shut somebody out at once; their sessions and invitation end."""
    with opening.vault(context) as (service, caller):
        done = operations.people.disable_person(service, caller, person)
    show.out(f"{done.person.name} is disabled; all sessions ended ({done.sessions_ended})")
    if done.systems:
        show.talk(f"Still answers for the systems {', '.join(done.systems)}.")


@app.command(epilog="Example: secvault people enable lan.tran")
def enable(context: typer.Context, person: Who) -> None:
    """Let a disabled person sign in again, anew."""
    with opening.vault(context) as (service, caller):
        done = operations.people.enable_person(service, caller, person)
        invited = done.state == operations.persons.INVITED
    if invited:
        show.out(f"{done.name} may be invited again")
        show.talk(f"Next: secvault people reinvite {done.name}")
    else:
        show.out(f"{done.name} may sign in again")


@app.command(epilog="Example: secvault people unlock lan.tran")
def unlock(context: typer.Context, person: Who) -> None:
    """Forget somebody's failed sign-ins, so that they may try again at once."""
    with opening.vault(context) as (service, caller):
        done = operations.people.unlock_person(service, caller, person)
    show.out(f"{done.name} may try again")


@app.command("reset-factors", epilog="Example: secvault people reset-factors lan.tran")
def reset_factors(context: typer.Context, person: Who, as_json: show.AsJson = False) -> None:
    """End all second factors of somebody who lost them; needs a second person's approval.

    Prints a part of the code that lets them enrol a new one, with their password; each approver
    has another part.
    """
    with opening.vault(context) as (service, caller):
        done = operations.resets.reset_factors(service, caller, person)
    _print_part(done, as_json=as_json, then=f"secvault sign-in --recovery {done.person.name}")


@app.command(
    "revoke-factor",
    epilog="Example: secvault people revoke-factor lan.tran 01a2b3c4d5e6470f8192a3b4c5d6e7f8",
)
def revoke_factor(
    context: typer.Context,
    person: Who,
    factor: Annotated[
        str, typer.Argument(metavar="FACTOR", help="Its id, as `factors list --person` shows it.")
    ],
    as_json: show.AsJson = False,
) -> None:
    """End one lost device or passkey of somebody, and their sessions.

    They sign in with another one. The last one takes `reset-factors`, with a second person.
    """
    with opening.vault(context) as (service, caller):
        done = operations.lost_factors.revoke_factor(service, caller, person, factor)
    if as_json:
        show.document(
            {
                "person": done.person.id,
                "factor": done.factor,
                "kind": done.kind,
                "name": done.name,
                "sessions_ended": done.sessions_ended,
            }
        )
        return
    show.out(
        f"{show.cell(done.name)} of {done.person.name} lets nobody in any more; "
        f"all sessions ended ({done.sessions_ended})"
    )


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


def _row(entry: Entry) -> dict[str, Any]:
    person = entry.person
    return {
        "id": person.id,
        "name": person.name,
        "display_name": person.display_name,
        "department": person.department,
        "state": person.state,
        "status": entry.status,
        "second_factor": bool(entry.factors),
        "factors": list(entry.factors),
        "locked": entry.locked,
        "recovery_codes_left": entry.recovery_codes_left,
        "created_at": show.time(person.created_at),
        "last_sign_in_at": show.time(person.last_sign_in_at),
        "invitation_expires_at": show.time(entry.invited_until),
        "contact": entry.contact.address,
        "language": entry.contact.language,
        "notes": person.notes,
        "employee": person.employee or "",
        "teams": person.teams.splitlines(),
        "version": person.version,
    }
