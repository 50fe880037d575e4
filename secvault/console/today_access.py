"""What is wrong with people, their rights, and what is asked of them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from secvault.console.deeds import deed_of
from secvault.console.language import Language
from secvault.console.today_concerns import DAY, Concern
from secvault.console.visitor import Visitor
from secvault.identity.directory import LARGEST_PAGE, LOCKED, NONE, Wanted
from secvault.service import grants, held_grants, people, token_life
from secvault.service.approvals import operations as approvals
from secvault.service.known_names import known_names
from secvault.service.reviews import campaigns, operations, views
from secvault.service.spine import Operation

PEOPLE, SYSTEMS, APPROVALS, REVIEWS = "/people", "/systems", "/approvals", "/reviews"
READ_PEOPLE = Operation("person.read", "it", "people", "it/people")
READ_TOKENS = Operation("token.read", "it", "tokens", "it/tokens")
READ_GRANTS = held_grants.READ
READ_REVIEWS = views.operation("review.read")

ENDING_DAYS = 14
"""So long before its end a token or a role is told of: time to ask a second person."""
STALE_DAYS = 365
"""So long after the last review the next one is missed."""


def factors(at: Visitor) -> Iterator[Concern]:
    """People who are locked out, and people who come in by a password alone, or not at all."""
    for kind, wanted in (("person-locked", LOCKED), ("person-without-factor", NONE)):
        found = people.list_people(
            at.service, at.caller, limit=LARGEST_PAGE, wanted=Wanted(factors=wanted)
        )
        whole = f"{PEOPLE}?factors={wanted}"
        for entry in found.people:
            name = entry.person.name
            yield Concern("warn", kind, name, f"{PEOPLE}/{quote(name)}", whole)


def tokens(at: Visitor) -> Iterator[Concern]:
    """Tokens of systems that end soon, and were made for longer."""
    ending = token_life.expiring_tokens(at.service, at.caller, ENDING_DAYS)
    found = [one for one in ending if one.expires_at - one.created_at > ENDING_DAYS * DAY]
    names = known_names(at.service, (one.subject for one in found))
    for one in found:
        name = names[one.subject]
        yield Concern(
            "warn",
            "token-ends",
            name,
            f"{SYSTEMS}/{quote(name)}",
            SYSTEMS,
            until=one.expires_at,
        )


def roles(at: Visitor) -> Iterator[Concern]:
    """Roles that end soon, and were given for longer."""
    found = grants.list_grants(at.service, at.caller, ending_days=ENDING_DAYS)
    names = known_names(at.service, (one.subject for one in found))
    for one in found:
        name = names[one.subject]
        place = PEOPLE if one.subject.startswith("user:") else SYSTEMS
        yield Concern(
            "warn", "role-ends", name, f"{place}/{quote(name)}", place, until=one.expires_at
        )


def requests(at: Visitor, language: Language) -> Iterator[Concern]:
    """What others ask a second person for."""
    for view in approvals.list_requests(at.service, at.caller, pending=True):
        request = view.request
        if request.requester != at.caller.principal.subject:
            yield Concern(
                "warn",
                "approval-waits",
                deed_of(request.proposal, language),
                f"{APPROVALS}/{request.id}",
                f"{APPROVALS}?show=waiting",
                since=request.created_at,
                until=request.expires_at,
            )


def reviews(at: Visitor) -> Iterator[Concern]:
    """What the visitor is to review; and reviews that do not come to their end."""
    own = operations.own_items(at.service, at.caller, limit=campaigns.LARGEST_PAGE)
    if own:
        yield Concern("warn", "review-own", path=REVIEWS, whole=REVIEWS, times=len(own))
    if not at.may(READ_REVIEWS):
        return
    now = at.service.clock.micros()
    known = operations.list_campaigns(at.service, at.caller)
    for view in known:
        one = view.campaign
        if one.state != campaigns.OPEN:
            continue
        path = f"{REVIEWS}/{one.id}"
        if view.undecided and one.deadline < now:
            yield Concern("bad", "review-overdue", one.name, path, REVIEWS, one.deadline)
        elif view.unassigned:
            yield Concern("warn", "review-unassigned", one.name, path, REVIEWS, until=one.deadline)
        elif not view.undecided:
            yield Concern("warn", "review-decided", one.name, path, REVIEWS)
    ended = [one.campaign.finished_at or 0 for one in known]
    if known and 0 not in ended and max(ended) < now - STALE_DAYS * DAY:
        yield Concern("warn", "review-stale", path=REVIEWS, whole=REVIEWS, since=max(ended))
