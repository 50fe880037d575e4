"""People: the list of them, and everything about one person on one page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Path, Query, Request
from starlette.responses import Response

from secvault.access import DEPARTMENTS
from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.audit.leaf import StoredEvent
from secvault.audit.question import Question
from secvault.console.page import page
from secvault.console.visitor import Visiting, Visitor
from secvault.identity.directory import STATUSES, Entry, Wanted
from secvault.identity.sessions import KnownSession
from secvault.service import audit_log, factors, held_grants, people, sessions
from secvault.service.factors import Factors
from secvault.service.held_grants import HeldGrant
from secvault.service.spine import Operation

router = Routes(include_in_schema=False)

PATH = "/people"
PAGE = 50
MOST_DENIALS = 10

ACTS = (
    "person.update",
    "person.invite",
    "person.uninvite",
    "person.disable",
    "person.enable",
    "person.unlock",
    "session.end",
    "factor.reset",
    "factor.revoke",
    "password.reset",
)
"""What may be done to a person on their page, each by a form of its own."""

PersonName = Annotated[str, Path(min_length=1, max_length=64)]


@dataclass(frozen=True)
class About:
    """A person as the visitor may know them; None for what they may not.

    acts: those of ACTS, and of grants, that the visitor may do, at least once they have shown a
    factor again.
    """

    entry: Entry
    factors: Factors
    sessions: tuple[KnownSession, ...] | None
    grants: tuple[HeldGrant, ...] | None
    denials: tuple[StoredEvent, ...] | None
    acts: frozenset[str]
    is_visitor: bool


@router.get(PATH)
@operation("it/people", "person.read", "person.create")
def person_list(
    request: Request,
    at: Visiting,
    search: Annotated[str, Query(max_length=400)] = "",
    department: Annotated[str, Query(max_length=63)] = "",
    status: Annotated[str, Query(max_length=20)] = "",
    factors: Annotated[str, Query(max_length=20)] = "",
    after: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """A page of the people who may sign in or are invited; the whole view is in the address."""
    wanted = Wanted(status, department, search, factors)
    found = people.list_people(at.service, at.caller, after=after, limit=PAGE, wanted=wanted)
    view = {"search": search, "department": department, "status": status, "factors": factors}
    view = {name: value for name, value in view.items() if value}
    return page(
        request,
        "people/list.html",
        visitor=at,
        people=found.people,
        search=search,
        department=department,
        wanted_status=status,
        wanted_factors=factors,
        departments=DEPARTMENTS,
        statuses=STATUSES,
        first=f"{PATH}?{urlencode(view)}" if after else "",
        following=f"{PATH}?{urlencode({**view, 'after': found.next_after})}"
        if found.next_after
        else "",
        may_invite=at.may(of_people("person.create")),
        now=at.service.clock.micros(),
    )


@router.get(f"{PATH}/{{person}}")
@operation(
    "it/people/{person}",
    "person.read",
    "session.read",
    "grant.read",
    "grant.add",
    "grant.revoke",
    "audit.read",
    "audit.personal",
    "record.history",
    *ACTS,
)
def person_page(request: Request, at: Visiting, person: PersonName) -> Response:
    """Somebody, what they may do and until when, where they are signed in, and what was refused."""
    return page(
        request,
        "people/person.html",
        visitor=at,
        about=_about(at, person),
        departments=DEPARTMENTS,
        now=at.service.clock.micros(),
    )


def of_people(action: str) -> Operation:
    """The operation on people, as `secvault.service.people` asks for it."""
    return Operation(action, "it", "people", "it/people")


def _about(at: Visitor, person: str) -> About:
    entry = people.read_person(at.service, at.caller, person)
    subject = entry.person.subject
    wanted = (
        *(of_people(action) for action in ACTS),
        Operation("grant.add", "it", "grants", "it/grants"),
        Operation("grant.revoke", "it", "grants", "it/grants"),
    )
    return About(
        entry,
        factors.factors_of(at.service, at.caller, entry.person.id),
        sessions.sessions_of(at.service, at.caller, entry.person.id)
        if at.may(of_people("session.read"))
        else None,
        held_grants.grants_of(at.service, at.caller, subject) if at.may(held_grants.READ) else None,
        _denials(at, subject) if at.may(audit_log.LOG) else None,
        frozenset(one.action for one in wanted if at.could(one)),
        subject == at.caller.principal.subject,
    )


def _denials(at: Visitor, subject: str) -> tuple[StoredEvent, ...]:
    question = Question(actor=subject, outcome="denied")
    found = audit_log.read_events(at.service, at.caller, question, None, MOST_DENIALS)
    return found.events
