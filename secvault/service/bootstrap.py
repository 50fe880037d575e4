"""The first administrator: by a one-time code that only this machine's operator can ask for.

It works as long as nobody who was ever an administrator has activated their account; from then on
there is no way in but through the people who are there.
"""

from __future__ import annotations

from sqlalchemy import Connection

from secvault.access import list_grants
from secvault.audit.event import Actor, Event
from secvault.crypto.secret import Secret
from secvault.errors import Conflict
from secvault.identity import enrolment, invitations, people
from secvault.identity.invitations import Issued
from secvault.identity.people import NewPerson, Person
from secvault.service.authentication import OPERATOR, local_operator
from secvault.service.break_glass import recovery
from secvault.service.giving import detail_of, give_role
from secvault.service.people import context_words, operation
from secvault.service.prospects import candidate
from secvault.service.separation import known, put_on_record, require_apart
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome

ADMINISTRATOR = "role:it.admin"
DEPARTMENT = "it"
FIRST_DEVICE = "first device"
MINUTE = 60


def no_administrator_yet(service: Service) -> bool:
    """Whether the first administrator is still to come."""
    with service.store.read() as connection:
        return not _was_one(connection)


def issue_first(service: Service) -> Issued:
    """The code for the first administrator, shown once; an earlier one is void.

    For the operator of this machine only. Raises Conflict when there ever was an administrator.
    """
    caller = Caller(local_operator(service))

    def act(connection: Connection) -> Outcome[Issued]:
        require_none(connection)
        issued = invitations.issue_first(
            connection,
            service.clock,
            service.entrance.keys,
            seconds=service.settings.identity.bootstrap_minutes * MINUTE,
            by=caller.principal.subject,
            random=service.random,
        )
        return Outcome(issued, detail={"expires_at": issued.expires_at})

    return service.spine.change(caller, operation("bootstrap.issue"), act)


def admit_first(service: Service, connection: Connection, person: Person) -> None:
    """Make this person the administrator, with the transaction that activates them.

    Raises Conflict when there ever was one, unless the seal's holders have opened a way in.
    """
    if not recovery.use_up(service, connection, person.subject):
        require_none(connection)
    first = candidate(service, person.subject, ADMINISTRATOR, DEPARTMENT)
    warned = require_apart(service, connection, (first,))
    grant = give_role(
        service,
        connection,
        subject=person.subject,
        role=ADMINISTRATOR,
        department=DEPARTMENT,
        granted_by=OPERATOR,
    )
    event = Event(
        kind="grant.add",
        outcome="ok",
        actor=Actor("local", "operator"),
        resource=f"it/grants/{grant.id}",
        department="it",
        detail=detail_of(service, grant),
    )
    service.audit.enqueue(connection, event)
    put_on_record(service, connection, known(warned), Actor("local", "operator"))


def first_administrator(
    service: Service, *, name: str, display_name: str, password: Secret, seed: Secret
) -> Person:
    """Make the first administrator at once, for unattended set-up: whoever calls this is they.

    seed: base32, of a device that is in use from now on. Raises Conflict when there ever was one.
    """
    caller = Caller(local_operator(service))
    new = NewPerson.of(name, display_name, DEPARTMENT)
    hashed = service.entrance.hasher.hash_new(password, context_words(service, new))

    def act(connection: Connection) -> Outcome[Person]:
        begun = invitations.first_person(connection)
        if begun is None:
            made = people.create_person(connection, service.clock, new)
        else:
            people.rename_invited(connection, begun, new.name, new.display_name)
            made = people.read_person(connection, begun)
        invitations.end_first(connection)
        enrolment.discard_pending(connection, made.id)
        admit_first(service, connection, made)
        people.activate_person(connection, service.clock, made.id, hashed)
        enrolment.adopt_device(
            connection,
            service.clock,
            service.entrance.keys,
            made,
            name=FIRST_DEVICE,
            seed=seed,
            random=service.random,
        )
        return Outcome(people.read_person(connection, made.id), detail={"person": made.id})

    return service.spine.change(caller, operation("person.create"), act)


def require_none(connection: Connection) -> None:
    """Return while nobody who was ever an administrator has activated. Raises Conflict."""
    if _was_one(connection):
        raise Conflict("there is an administrator already; sign in, or ask them to invite you")


def _was_one(connection: Connection) -> bool:
    # Grants that were revoked or ran out are among them.
    holders = {grant.subject for grant in list_grants(connection, role=ADMINISTRATOR)}
    return people.any_activated(
        connection,
        (each.removeprefix("user:") for each in holders if each.startswith("user:")),
    )
