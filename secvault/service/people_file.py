"""People in and out by a CSV file: invited all at once or not at all, listed without secrets."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.access import DEPARTMENTS
from secvault.audit.event import Event
from secvault.clock import timestamp
from secvault.crypto.secret import Secret
from secvault.errors import FieldError, InvalidInput, Unavailable
from secvault.identity import directory, people
from secvault.identity.directory import Entry
from secvault.identity.invitations import Issued
from secvault.identity.people import Person
from secvault.identity.people_file import MOST_FAULTS, FileRow, read_people, write_people
from secvault.service import invitation_mail
from secvault.service.approval import Terms
from secvault.service.invitations import Invited, contact_in, handed_over, make
from secvault.service.people import operation
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome, actor_of

_PAGE = 1000
_SHOWN = 50
SEND_SECONDS = 120.0
"""How long the mails of one file are sent at most."""
IN_A_ROW = 3
"""Failures in a row after which the mail server is asked no more."""


@dataclass(frozen=True)
class Imported:
    """What came of a file. existing: sign-in names that were there already, left as they are.

    would_invite: what a dry run found; invited is empty then, else it has a code for each, unless
    the codes were sent. unsent: sign-in names of those invited whose code the mail server did not
    take, or was not asked to after too many failures; they are to be invited again.
    """

    invited: tuple[Invited, ...]
    existing: tuple[str, ...]
    would_invite: tuple[str, ...] = ()
    unsent: tuple[str, ...] = ()


_Made = tuple[FileRow, Person, Issued]


def import_people(
    service: Service, caller: Caller, content: bytes, *, dry_run: bool = False, send: bool = False
) -> Imported:
    """Invite everybody in the file who is not there yet, all or none.

    Running it again changes nothing and invites nobody anew. dry_run: find every fault and say what
    would be done, and change nothing. send: each code to its person, who must have an address, and
    show none. A file that says whose records are somebody's own needs a second person: raises
    ApprovalRequired. Raises InvalidInput with each fault by line and column.
    """
    action = operation("person.import")
    service.spine.decide(caller, action)
    rows = read_people(content, DEPARTMENTS)
    key = service.entrance.keys.contacts

    def look(connection: Connection) -> Outcome[Imported]:
        new, existing = _sorted_out(service, connection, rows, send=send)
        found = Imported((), existing, tuple(each.new.name for each in new))
        return Outcome(found, count=0, detail={"operation": "dry-run"})

    def act(connection: Connection) -> Outcome[tuple[tuple[_Made, ...], tuple[str, ...]]]:
        new, existing = _sorted_out(service, connection, rows, send=send)
        made = tuple(_made(service, connection, caller, key, each) for each in new)
        return Outcome((made, existing), count=len(made), detail={"operation": "import"})

    def terms(connection: Connection) -> Terms | None:
        new, _ = _sorted_out(service, connection, rows, send=send)
        return _placing(new)

    if dry_run:
        return service.spine.change(caller, action, look, lambda _connection: None)
    made, existing = service.spine.change(caller, action, act, terms)
    if send:
        invited, unsent = _sent(service, made)
        return Imported(invited, existing, unsent=unsent)
    return Imported(
        tuple(handed_over(service, person, issued, None) for _, person, issued in made), existing
    )


def export_people(service: Service, caller: Caller) -> str:
    """Everybody as CSV text, oldest first: no password, seed, code or digest of one."""
    key = service.entrance.keys.contacts

    def act(connection: Connection) -> Outcome[str]:
        found: list[Entry] = []
        after = ""
        while True:
            page = directory.list_page(
                connection,
                service.clock,
                key,
                after=after,
                limit=_PAGE,
                lock_after=service.entrance.attempts.lock_after,
            )
            found += page
            if len(page) < _PAGE:
                break
            after = page[-1].person.id
        return Outcome(write_people(_row(each) for each in found), count=len(found))

    return service.spine.read(caller, operation("person.export"), act)


def _sorted_out(
    service: Service, connection: Connection, rows: tuple[FileRow, ...], *, send: bool
) -> tuple[tuple[FileRow, ...], tuple[str, ...]]:
    taken = people.names_taken(connection, [row.new.name for row in rows])
    new = tuple(row for row in rows if row.new.name not in taken)
    if send:
        _require_ways(service, new)
    return new, tuple(row.new.name for row in rows if row.new.name in taken)


def _placing(new: tuple[FileRow, ...]) -> Terms | None:
    """Whom the file would place: all under the digest, and the first of them to be read."""
    placed = [row.new for row in new if row.new.employee is not None or row.new.teams]
    if not placed:
        return None
    lines: list[str] = [
        f"{one.name}: {one.employee or 'no number'}; {', '.join(one.teams.splitlines())}"
        for one in placed
    ]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return {"people": len(placed), "sha256": digest, "first": [*lines[:_SHOWN]]}


def _require_ways(service: Service, new: tuple[FileRow, ...]) -> None:
    faults: list[FieldError] = []
    for row in new:
        try:
            invitation_mail.require_way(service, row.new.contact, f"line {row.line}, contact")
        except InvalidInput as error:
            faults += error.fields
        if len(faults) == MOST_FAULTS or any(fault.field == "send" for fault in faults):
            break
    if faults:
        said = "; ".join(f"{fault.field}: {fault.detail}" for fault in faults)
        raise InvalidInput(said, fields=tuple(faults))


def _sent(service: Service, made: tuple[_Made, ...]) -> tuple[tuple[Invited, ...], tuple[str, ...]]:
    end = service.clock.monotonic() + SEND_SECONDS
    invited: list[Invited] = []
    unsent: list[str] = []
    failures = 0
    for row, person, issued in made:
        sent = False
        if failures < IN_A_ROW and service.clock.monotonic() < end:
            try:
                handed_over(service, person, issued, contact_in(row.new))
                sent = True
            except Unavailable:
                failures += 1
        if sent:
            failures = 0
        else:
            unsent.append(person.name)
        invited.append(Invited(person, None, issued.expires_at))
    return tuple(invited), tuple(unsent)


def _made(
    service: Service, connection: Connection, caller: Caller, key: Secret, row: FileRow
) -> _Made:
    made, issued = make(service, connection, caller, key, row.new)
    # Each person stands in the log as one that was invited alone.
    event = Event(
        kind="person.create",
        outcome="ok",
        actor=actor_of(caller.principal),
        resource="it/people",
        department="it",
        request=caller.request_id,
        detail={"person": made.id, "expires_at": issued.expires_at},
    )
    service.audit.enqueue(connection, event)
    return row, made, issued


def _row(entry: Entry) -> dict[str, str]:
    who: Person = entry.person
    return {
        "name": who.name,
        "display_name": who.display_name,
        "department": who.department,
        "contact": entry.contact.address,
        "language": entry.contact.language,
        "notes": who.notes,
        "employee": who.employee or "",
        "teams": "; ".join(who.teams.splitlines()),
        "status": entry.status,
        "factors": " ".join(entry.factors),
        "recovery_codes_left": str(entry.recovery_codes_left),
        "last_sign_in_at": "" if who.last_sign_in_at is None else timestamp(who.last_sign_in_at),
        "created_at": timestamp(who.created_at),
    }
