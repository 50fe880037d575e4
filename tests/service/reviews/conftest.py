"""A vault with heads, clerks and administrators, and somebody who begins reviews."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import pytest
from sqlalchemy import select

from secvault.access import Grant, add_grant, list_grants, revoke_grant
from secvault.audit.query import Question, page
from secvault.identity import people
from secvault.identity.principal import Principal
from secvault.service import Service, authentication
from secvault.service.reviews import decisions, operations, starting
from secvault.service.reviews.decisions import Verdict
from secvault.service.reviews.starting import Plan
from secvault.service.reviews.views import ItemView, View
from secvault.service.spine import Caller
from secvault.store import tables
from tests.running_service import House, join, signed_in

ADMIN = ("role:it.admin", "it")
DAY = 86_400
SESSION = 1_200.0


@dataclass
class Office:
    """An open service in which reviews are done."""

    service: Service
    house: House
    inside: dict[str, tuple[Principal, float]] = field(default_factory=dict)

    @property
    def operator(self) -> Caller:
        return Caller(authentication.local_operator(self.service))

    def come(self, name: str) -> Caller:
        """Somebody with a session and a factor shown just now."""
        hands = self.house.hands
        known, since = self.inside.get(name, (None, 0.0))
        if known is None or not 0 <= hands.seconds - since < SESSION:
            known = signed_in(self.service, self.house, name).principal
            self.inside[name] = (known, hands.seconds)
        # The same session again, as after a step-up, which takes no hashing.
        return Caller(replace(known, second_factor_at=self.service.clock.micros()))

    def hire(self, name: str, *roles: tuple[str, str]) -> Caller:
        return join(self.service, self.house, name, *roles)

    def subject(self, name: str) -> str:
        with self.service.store.read() as connection:
            return people.find_person(connection, name).subject

    def grant_of(self, name: str, role: str = "") -> Grant:
        with self.service.store.read() as connection:
            found = list_grants(connection, subject=self.subject(name))
        return next(one for one in found if role in ("", one.role))

    def give(self, name: str, role: str, where: str, days: int | None = None) -> Grant:
        now = self.service.clock.micros()
        ends = None if days is None else now + days * DAY * 1_000_000
        with self.service.store.write() as connection:
            return add_grant(
                connection,
                self.service.policy.rules,
                subject=self.subject(name),
                role=role,
                department=where,
                granted_by="local:operator",
                at=now,
                expires_at=ends,
            )

    def take(self, grant: Grant) -> None:
        with self.service.store.write() as connection:
            revoke_grant(connection, grant.id, at=self.service.clock.micros())

    def ends(self, grant: Grant) -> tuple[int | None, int | None]:
        """When the grant ends, and when it was revoked; as seconds from now."""
        row = tables.role_grant.c
        with self.service.store.read() as connection:
            found = connection.execute(
                select(row.expires_at, row.revoked_at).where(row.id == grant.id)
            ).one()
        now = self.service.clock.micros()
        ends, revoked = (
            None if at is None else (at - now) // 1_000_000
            for at in (found.expires_at, found.revoked_at)
        )
        return ends, revoked

    def start(self, name: str = "Q4", **plan: object) -> View:
        """A review that the operator begins; nobody is kept out of it by that."""
        return starting.start(self.service, self.operator, Plan(name, **plan))  # type: ignore[arg-type]

    def items(self, review: View, name: str = "") -> list[ItemView]:
        found = operations.list_items(self.service, self.operator, review.campaign.id)
        return [one for one in found if name in ("", one.item.facts.name)]

    def item(self, review: View, name: str, role: str = "") -> ItemView:
        return next(one for one in self.items(review, name) if role in ("", one.item.facts.role))

    def decide(
        self, who: Caller, view: ItemView, what: str = "keep", days: int | None = None
    ) -> str:
        done = decisions.decide(self.service, who, view.item.id, Verdict(what, "because", days))
        return done.item.state

    def pass_days(self, days: float) -> None:
        self.house.hands.seconds += days * DAY

    def details(self, kind: str) -> list[dict[str, object]]:
        """What the audit entries of this kind say, the oldest first."""
        self.service.audit.drain()
        question = Question(kind=kind, outcome="ok")
        found = page(self.service.store, question, newest_first=False, limit=1000)
        return [dict(one.event.detail) for one in found.events]


@pytest.fixture
def office(house: House) -> Iterator[Office]:
    """One administrator `admin`, a head and a clerk of hr, an auditor, a system."""
    with ExitStack() as closing:
        yield Office(closing.enter_context(house.open()), house)
