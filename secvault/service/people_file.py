"""People in and out by a CSV file: invited all at once or not at all, listed without secrets."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.access import DEPARTMENTS
from secvault.audit.event import Event
from secvault.clock import timestamp
from secvault.identity import directory, people
from secvault.identity.directory import Entry
from secvault.identity.people import NewPerson, Person
from secvault.identity.people_file import FileRow, read_people, write_people
from secvault.service.invitations import Invited, issue
from secvault.service.people import operation
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome, actor_of

_PAGE = 1000


@dataclass(frozen=True)
class Imported:
    """What came of a file. existing: sign-in names that were there already, left as they are.

    would_invite: what a dry run found; invited is empty then, else it has a code for each.
    """

    invited: tuple[Invited, ...]
    existing: tuple[str, ...]
    would_invite: tuple[str, ...] = ()


def import_people(
    service: Service, caller: Caller, content: bytes, *, dry_run: bool = False
) -> Imported:
    """Invite everybody in the file who is not there yet, all or none.

    Running it again changes nothing and invites nobody anew. dry_run: find every fault and say what
    would be done, and change nothing. Raises InvalidInput with each fault by line and column.
    """
    action = operation("person.import")
    service.spine.decide(caller, action)
    rows = read_people(content, DEPARTMENTS)

    def look(connection: Connection) -> Outcome[Imported]:
        new, existing = _sorted_out(connection, rows)
        found = Imported((), existing, tuple(each.name for each in new))
        return Outcome(found, count=0, detail={"operation": "dry-run"})

    def act(connection: Connection) -> Outcome[Imported]:
        new, existing = _sorted_out(connection, rows)
        made = tuple(_invited(service, connection, caller, each) for each in new)
        return Outcome(Imported(made, existing), count=len(made), detail={"operation": "import"})

    if dry_run:
        return service.spine.read(caller, action, look)
    return service.spine.change(caller, action, act)


def export_people(service: Service, caller: Caller) -> str:
    """Everybody as CSV text, oldest first: no password, seed, code or digest of one."""

    def act(connection: Connection) -> Outcome[str]:
        found: list[Entry] = []
        after = ""
        while True:
            page = directory.list_page(
                connection,
                service.clock,
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
    connection: Connection, rows: tuple[FileRow, ...]
) -> tuple[tuple[NewPerson, ...], tuple[str, ...]]:
    taken = people.names_taken(connection, [row.new.name for row in rows])
    new = tuple(row.new for row in rows if row.new.name not in taken)
    return new, tuple(row.new.name for row in rows if row.new.name in taken)


def _invited(service: Service, connection: Connection, caller: Caller, new: NewPerson) -> Invited:
    made = people.create_person(connection, service.clock, new)
    issued = issue(service, connection, caller, made)
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
    return Invited(made, issued.code, issued.expires_at)


def _row(entry: Entry) -> dict[str, str]:
    who: Person = entry.person
    return {
        "name": who.name,
        "display_name": who.display_name,
        "department": who.department,
        "contact": who.contact,
        "notes": who.notes,
        "status": entry.status,
        "factors": " ".join(entry.factors),
        "recovery_codes_left": str(entry.recovery_codes_left),
        "last_sign_in_at": "" if who.last_sign_in_at is None else timestamp(who.last_sign_in_at),
        "created_at": timestamp(who.created_at),
    }
