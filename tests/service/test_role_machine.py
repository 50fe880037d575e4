"""Eligibility, activation, request and claim as a state machine, with time.

The model keeps who may activate what until when, what runs, what was asked for and approved; after
any sequence each person holds each role exactly when the model says so, at the very microsecond.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, update

from secvault.access import list_grants
from secvault.errors import ApprovalRequired, Conflict, NotFound, Refused, SecvaultError
from secvault.service import eligibilities, role_activation, role_requests
from secvault.service.approvals import operations as approvals
from secvault.service.eligibilities import WantedEligibility
from secvault.service.role_activation import Use
from secvault.service.role_requests import WantedRole
from secvault.service.spans import Span
from secvault.service.spine import Caller
from secvault.store import tables
from secvault.store.epoch import POLICY, raise_epoch
from tests.running_service import House, copied, join
from tests.service.approval_house import ADMIN, Staff, staffed

SECOND = 1_000_000
# Not privileged, so that eligibilities need nobody; asked for in it, one approves.
ROLE, WHERE = "role:it.encryptor", "it"
HOLDERS = ("eve", "fay")
APPROVERS = ("admin", "binh")
WHO = st.sampled_from(HOLDERS)
SECONDS = st.sampled_from((1, 60, 600))
CLAIM_HOURS = 24
PEOPLE: dict[str, Caller] = {}


@dataclass
class Eligible:
    """An eligibility as the model knows it."""

    id: str
    who: str
    begins: int
    ends: int
    claim_by: int | None
    needs_approval: bool
    used: bool = False
    gone: bool = False

    def usable(self, now: int) -> bool:
        lapsed = not self.used and self.claim_by is not None and self.claim_by <= now
        return not self.gone and self.begins <= now < self.ends and not lapsed

    def over(self, now: int) -> bool:
        lapsed = not self.used and self.claim_by is not None and self.claim_by <= now
        return self.gone or self.ends <= now or lapsed


@dataclass
class Held:
    """A grant as the model knows it. by: the eligibility."""

    id: str
    who: str
    begins: int
    ends: int
    by: Eligible | None


@dataclass
class Asked:
    """A request as the model knows it. by: the eligibility that is to be used."""

    id: str
    who: str
    seconds: int
    ends: int
    by: Eligible | None
    open: bool = True
    given: set[str] = field(default_factory=set)


class Roles(RuleBasedStateMachine):
    """Drives the real service; `staff` is shared, its rows are put back for each run."""

    staff: ClassVar[Staff]
    seen: ClassVar[dict[str, int]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.eligible: list[Eligible] = []
        self.held: list[Held] = []
        self.asked: list[Asked] = []
        service = self.staff.service
        with service.store.write() as connection:
            raise_epoch(connection, POLICY)
            for table in (
                tables.role_activation,
                tables.role_eligibility,
                tables.approval,
                tables.approval_request,
            ):
                connection.execute(delete(table))
            grant = tables.role_grant
            connection.execute(
                update(grant)
                .where(grant.c.role == ROLE, grant.c.revoked_at.is_(None))
                .values(revoked_at=1)
            )
            connection.execute(update(tables.session).values(expires_at=2**62))

    @property
    def now(self) -> int:
        return self.staff.service.clock.micros()

    def caller(self, name: str) -> Caller:
        return Caller(replace(PEOPLE[name].principal, second_factor_at=self.now))

    def count(self, what: str) -> None:
        self.seen[what] = self.seen.get(what, 0) + 1

    def live(self, who: str) -> Held | None:
        """What holds the place: also before its start, after the clock was set back."""
        return next((each for each in self.held if each.who == who and self.now < each.ends), None)

    def of(self, who: str) -> list[Eligible]:
        return [each for each in self.eligible if each.who == who]

    @rule(
        who=WHO,
        begins=st.sampled_from((0, 0, 0, 30)),
        lasts=SECONDS,
        claim=st.sampled_from((None, None, 20, 100)),
        needs_approval=st.booleans(),
    )
    def make_eligible(
        self, *, who: str, begins: int, lasts: int, claim: int | None, needs_approval: bool
    ) -> None:
        start = self.now + begins * SECOND
        end = start + lasts * SECOND
        claim_by = None if claim is None or claim > lasts else start + claim * SECOND
        wanted = WantedEligibility(
            f"user:{who}",
            ROLE,
            WHERE,
            Span(start if begins else None, None, lasts),
            claim_by,
            1,
            needs_approval=needs_approval,
        )
        present = [each for each in self.of(who) if not each.over(self.now)]
        try:
            made = eligibilities.add(self.staff.service, self.caller("admin"), wanted)
        except Conflict:
            assert present
            return
        assert not present
        for each in self.of(who):
            each.gone = True
        self.eligible.append(Eligible(made.id, who, start, end, claim_by, needs_approval))

    @precondition(lambda self: self.eligible)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        found = data.draw(st.sampled_from(self.eligible))
        try:
            eligibilities.remove(self.staff.service, self.caller("admin"), found.id)
        except Conflict:
            assert found.gone
            return
        assert not found.gone
        found.gone = True
        self.held = [each for each in self.held if each.by is not found]

    @rule(who=WHO, seconds=st.sampled_from((1, 30, 60)))
    def activate(self, who: str, seconds: int) -> None:
        usable = [each for each in self.of(who) if each.usable(self.now)]
        use = Use(ROLE, WHERE, "because", seconds)
        approved = self._approved(who, seconds, usable[0]) if usable else None
        try:
            used = role_activation.activate(self.staff.service, self.caller(who), use)
        except ApprovalRequired as required:
            assert usable
            assert usable[0].needs_approval
            assert approved is None
            self._note_asked(str(required.request), who, seconds, usable[0])
            return
        except (NotFound, Conflict):
            assert not usable or self.live(who)
            self.count("not activated")
            return
        assert usable
        assert not self.live(who)
        if usable[0].needs_approval:
            assert approved
            approved.open = False
        self._holds(who, used.grant.id, min(self.now + seconds * SECOND, usable[0].ends), usable[0])
        self.count("activated")

    @precondition(lambda self: self.held)
    @rule(data=st.data(), who=WHO)
    def deactivate(self, data: st.DataObject, who: str) -> None:
        held = data.draw(st.sampled_from(self.held))
        try:
            role_activation.deactivate(self.staff.service, self.caller(who), held.id)
        except (NotFound, Conflict):
            assert held.who != who or held.by is None or held.ends <= self.now
            return
        assert held.who == who
        assert held.by is not None
        self.held.remove(held)

    @rule(who=WHO, seconds=SECONDS, approver=st.sampled_from(("", *APPROVERS)))
    def ask(self, who: str, seconds: int, approver: str) -> None:
        wanted = WantedRole(ROLE, WHERE, seconds, "because")
        try:
            view = role_requests.ask(self.staff.service, self.caller(who), wanted)
        except Conflict:
            assert self.live(who) or self._approved(who, seconds, None)
            return
        assert not self.live(who)
        asked = self._note_asked(view.request.id, who, seconds, None)
        if approver:
            self._approve(asked, approver)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), approver=st.sampled_from((*APPROVERS, *APPROVERS, *HOLDERS)))
    def approve(self, data: st.DataObject, approver: str) -> None:
        self._approve(data.draw(st.sampled_from(self._likely())), approver)

    def _approve(self, asked: Asked, approver: str) -> None:
        request = approvals.read_request(self.staff.service, self.caller("admin"), asked.id)
        digest = request.request.proposal.digest
        try:
            approvals.approve(self.staff.service, self.caller(approver), asked.id, digest)
        except (Refused, Conflict):
            assert approver in HOLDERS or not self._waits(asked)
            return
        assert approver in APPROVERS
        assert self._waits(asked)
        if not asked.given:
            asked.ends = self.now + CLAIM_HOURS * 3600 * SECOND
        asked.given.add(approver)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), other=st.sampled_from(("", "", "", *HOLDERS, "binh")))
    def claim(self, data: st.DataObject, other: str) -> None:
        asked = data.draw(st.sampled_from(self._likely()))
        who = other or asked.who
        granted = (
            asked.who == who
            and self._waits(asked)
            and bool(asked.given)
            and not self.live(who)
            and (asked.by is None or asked.by.usable(self.now))
        )
        try:
            grant = role_requests.claim(self.staff.service, self.caller(who), asked.id)
        except SecvaultError:
            assert not granted
            self.count("not claimed")
            return
        assert granted
        asked.open = False
        ends = self.now + asked.seconds * SECOND
        if asked.by is not None:
            ends = min(ends, asked.by.ends)
        self._holds(who, grant.id, ends, asked.by)
        self.count("claimed")

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        asked = data.draw(st.sampled_from(self.asked))
        try:
            approvals.withdraw(self.staff.service, self.caller(asked.who), asked.id)
        except Conflict:
            assert not self._waits(asked)
            return
        assert self._waits(asked)
        asked.open = False

    @rule(micros=st.sampled_from((1, SECOND, 30 * SECOND, 3600 * SECOND, 23 * 3600 * SECOND)))
    def time_passes(self, micros: int) -> None:
        self._set(self.now + micros)

    @precondition(lambda self: self.bounds())
    @rule(data=st.data(), before=st.sampled_from((0, 1)))
    def come_to_a_bound(self, data: st.DataObject, before: int) -> None:
        what, moment = data.draw(st.sampled_from(self.bounds()))
        if moment - before >= self.now:
            self._set(moment - before)
            self.count(f"at {what}")

    def bounds(self) -> list[tuple[str, int]]:
        """What is still to come: ends of grants, of requests, of eligibilities and their claims."""
        found = [("an end", each.ends) for each in self.held]
        found += [("the end of a request", each.ends) for each in self.asked if each.open]
        for each in self.eligible:
            if not each.over(self.now):
                found += [("a start", each.begins), ("an end of use", each.ends)]
                if each.claim_by is not None and not each.used:
                    found.append(("a lapse", each.claim_by))
        return [(what, moment) for what, moment in found if moment > self.now]

    @invariant()
    def each_holds_the_role_exactly_when_the_model_says_so(self) -> None:
        service, now = self.staff.service, self.now
        for name in HOLDERS:
            subject = PEOPLE[name].principal.subject
            expected = any(
                each.who == name and each.begins <= now < each.ends for each in self.held
            )
            assert (ROLE in service.policy.held_roles(subject, now)) is expected, name
            with service.store.read() as connection:
                found = list_grants(connection, subject=subject, role=ROLE, valid_at=now)
            assert len(found) == int(expected)

    def _set(self, micros: int) -> None:
        # Hands are in seconds; a float of today's seconds is exact to a quarter of a microsecond.
        self.staff.house.hands.seconds = (micros + 0.25) / SECOND
        assert self.now == micros

    def _likely(self) -> list[Asked]:
        """The requests that wait, where there are any, and the last of the others."""
        return [each for each in self.asked if self._waits(each)] + self.asked[-1:]

    def _waits(self, asked: Asked) -> bool:
        return asked.open and self.now < asked.ends

    def _approved(self, who: str, seconds: int, by: Eligible | None) -> Asked | None:
        return next(
            (
                each
                for each in self.asked
                if each.who == who
                and each.seconds == seconds
                and each.by is by
                and self._waits(each)
                and each.given
            ),
            None,
        )

    def _note_asked(self, request: str, who: str, seconds: int, by: Eligible | None) -> Asked:
        for each in self.asked:
            if each.id == request:
                return each
        self.asked.append(Asked(request, who, seconds, self.now + 24 * 3600 * SECOND, by))
        return self.asked[-1]

    def _holds(self, who: str, grant: str, ends: int, by: Eligible | None) -> None:
        self.held.append(Held(grant, who, self.now, ends, by))
        if by is not None:
            by.used = True


@pytest.fixture(scope="module")
def staff(furnished: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staff]:
    """Two who approve and two who want a role."""
    house = copied(furnished, tmp_path_factory.mktemp("roles"))
    with ExitStack() as closing:
        service = closing.enter_context(house.open())
        PEOPLE["admin"] = staffed(service, house).an
        PEOPLE["binh"] = join(service, house, "binh", ADMIN)
        for name in HOLDERS:
            PEOPLE[name] = join(service, house, name)
        yield staffed(service, house)


def test_a_role_is_held_exactly_as_long_as_it_was_activated_or_claimed_for(
    staff: Staff,
) -> None:
    Roles.staff = staff
    Roles.seen = {}
    run_state_machine_as_test(
        Roles,
        settings=settings(
            max_examples=int(os.environ.get("SVTEST_EXAMPLES", "20")),
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    # It was worth it.
    assert {"activated", "claimed"} & Roles.seen.keys()
