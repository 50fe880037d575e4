"""Four eyes as a state machine: nothing is done without a valid set of distinct people.

The model keeps who holds what and who agreed to what; after any sequence of asking, approving,
taking roles and time away, doing is granted exactly when the model says so.
"""

from __future__ import annotations

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

from secvault.access import add_grant, list_grants
from secvault.access.grants import revoke_grant
from secvault.errors import ApprovalRequired, Conflict, NotAuthenticated, Refused
from secvault.identity.principal import Principal
from secvault.service.approvals import operations as approvals
from secvault.service.spine import Caller, Operation, Outcome
from secvault.store import tables
from tests.running_service import House, copied, join
from tests.service.approval_house import ADMIN, Staff, staffed

ADMINS = ("admin", "binh", "chi", "dung")
WHO = st.sampled_from(ADMINS)
PROPOSERS = st.sampled_from((*ADMINS, "operator"))
WHAT = st.sampled_from(("k1", "k2"))
DAY = 86_400
ENOUGH, MOST_ROUNDS = 3, 5
"""So many approved deeds must have been done, in at most so many rounds of chance."""


@dataclass
class Asked:
    """A request as the model knows it."""

    id: str
    requester: str
    what: str
    subject: str
    ends: float
    open: bool = True
    given: set[str] = field(default_factory=set)


class FourEyes(RuleBasedStateMachine):
    """Drives the real service; `staff` is shared, its rows are put back for each run."""

    staff: ClassVar[Staff]
    deeds: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Asked] = []
        self.holding = set(ADMINS)
        self.active = set(ADMINS)
        self.done: list[Asked] = []
        self._put_back()

    def _put_back(self) -> None:
        service = self.staff.service
        with service.store.write() as connection:
            for table in (tables.approval, tables.approval_request):
                connection.execute(delete(table))
            connection.execute(update(tables.person).values(state="active"))
            # How long sessions last is not what this is about.
            connection.execute(update(tables.session).values(expires_at=2**62))
        for name in ADMINS:
            self._grant(name)

    def _grant(self, name: str) -> None:
        service = self.staff.service
        with service.store.write() as connection:
            if not self._grants(name):
                add_grant(
                    connection,
                    service.policy.rules,
                    subject=self._subject(name),
                    role=ADMIN[0],
                    department=ADMIN[1],
                    granted_by="local:operator",
                    at=service.clock.micros(),
                )

    def _grants(self, name: str) -> list[str]:
        service = self.staff.service
        with service.store.read() as connection:
            found = list_grants(
                connection, subject=self._subject(name), valid_at=service.clock.micros()
            )
        return [grant.id for grant in found]

    def _subject(self, name: str) -> str:
        return PEOPLE[name].subject

    def _caller(self, name: str, *, fresh: bool = True) -> Caller:
        if name == "operator":
            return self.staff.operator
        now = self.staff.service.clock.micros()
        shown = now if fresh else now - 301 * 1_000_000
        return Caller(replace(PEOPLE[name], second_factor_at=shown))

    @rule(who=PROPOSERS, what=WHAT, affected=st.sampled_from(("", "", "chi")))
    def ask(self, who: str, what: str, affected: str) -> None:
        if not self._may_act(who):
            return
        caller = replace(self._caller(who), reason="because")
        expected = self._usable(who, what, affected)
        try:
            self._try(caller, what, affected)
        except ApprovalRequired as required:
            request = required.request
        else:
            # A reason does not keep it from being done when it has its approvals.
            assert expected is not None
            self._used(expected)
            return
        assert expected is None
        known = [one for one in self.requests if one.id == request]
        if known:
            assert known[0].open
            assert (known[0].requester, known[0].what) == (who, what)
            return
        ends = self.staff.house.hands.seconds + DAY
        self.requests.append(Asked(request, who, what, affected, ends))

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), who=WHO, fresh=st.sampled_from((True, True, True, False)))
    def approve(self, data: st.DataObject, who: str, *, fresh: bool) -> None:
        asked = data.draw(st.sampled_from(self.requests))
        with self.staff.service.store.read() as connection:
            digest = approvals.requests.read_request(
                connection, self.staff.service.clock, asked.id
            ).proposal.digest
        fits = (
            fresh
            and self._may_act(who)
            and who not in (asked.requester, asked.subject)
            and self._is_open(asked)
        )
        try:
            approvals.approve(self.staff.service, self._caller(who, fresh=fresh), asked.id, digest)
        except (Refused, Conflict, NotAuthenticated):
            assert not fits
        else:
            assert fits
            asked.given.add(who)

    def refuse(self, asked: Asked, who: str) -> None:
        fits = self._may_act(who) and self._is_open(asked)
        try:
            approvals.refuse(self.staff.service, self._caller(who), asked.id)
        except (Refused, Conflict, NotAuthenticated):
            assert not fits
        else:
            assert fits
            asked.open = False

    def take_the_role(self, who: str) -> None:
        service = self.staff.service
        for grant in self._grants(who):
            with service.store.write() as connection:
                revoke_grant(connection, grant, at=service.clock.micros())
        self.holding.discard(who)

    def give_the_role_back(self, who: str) -> None:
        self._grant(who)
        self.holding.add(who)

    def disable_or_enable(self, who: str, state: str) -> None:
        with self.staff.service.store.write() as connection:
            connection.execute(
                update(tables.person).where(tables.person.c.name == who).values(state=state)
            )
        (self.active.add if state == "active" else self.active.discard)(who)

    @rule(
        data=st.data(),
        who=WHO,
        what=st.sampled_from(("refuse", "take", "give", "disable", "enable", "wait")),
    )
    def change(self, data: st.DataObject, who: str, what: str) -> None:
        if what == "refuse" and self.requests:
            self.refuse(data.draw(st.sampled_from(self.requests)), who)
        elif what == "take":
            self.take_the_role(who)
        elif what == "give":
            self.give_the_role_back(who)
        elif what == "wait":
            self.staff.house.hands.seconds += 5 * 3600
        elif what != "refuse":
            self.disable_or_enable(who, "active" if what == "enable" else "disabled")

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), other=PROPOSERS, own=st.booleans())
    def carry_out(self, data: st.DataObject, other: str, *, own: bool) -> None:
        asked = data.draw(st.sampled_from(self.requests))
        who, what, affected = (asked.requester if own else other), asked.what, asked.subject
        expected = self._usable(who, what, affected)
        try:
            self._try(self._caller(who), what, affected)
        except ApprovalRequired:
            assert expected is None
        except (Refused, NotAuthenticated):
            assert not self._may_act(who)
        else:
            assert expected is not None
            self._used(expected)

    @invariant()
    def each_deed_had_its_people(self) -> None:
        for asked in self.done:
            people = asked.given - {asked.requester, asked.subject}
            assert len(people | {asked.requester} - {"operator"}) >= 2

    def _try(self, caller: Caller, what: str, affected: str) -> None:
        terms = {"what": what, **({"subject": self._subject(affected)} if affected else {})}
        deed = Operation("key.delete", "it", "transit/k", "it/transit/k")
        self.staff.service.spine.change(caller, deed, lambda _: Outcome(None), lambda _: terms)

    def _used(self, asked: Asked) -> None:
        asked.open = False
        self.done.append(asked)
        FourEyes.deeds += 1

    def _is_open(self, asked: Asked) -> bool:
        return asked.open and self.staff.house.hands.seconds < asked.ends

    def _may_act(self, who: str) -> bool:
        """Whether the policy lets them, and their session is still good."""
        return who == "operator" or who in self.holding & self.active

    def _usable(self, who: str, what: str, affected: str) -> Asked | None:
        """The oldest request by which `who` may do it now."""
        if not self._may_act(who):
            return None
        for asked in self.requests:
            if (asked.what, asked.subject) != (what, affected) or not self._is_open(asked):
                continue
            needed = 2 if "operator" in (who, asked.requester) else 1
            counted = asked.given & self.holding & self.active
            if len(counted - {who, asked.requester, affected}) >= needed:
                return asked
        return None


PEOPLE: dict[str, Principal] = {}


@pytest.fixture(scope="module")
def staff(furnished: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staff]:
    """Four administrators."""
    with ExitStack() as closing:
        house = copied(furnished, tmp_path_factory.mktemp("machine"))
        service = closing.enter_context(house.open())
        made = staffed(service, house)
        PEOPLE["admin"] = made.an.principal
        for name in ADMINS[1:]:
            PEOPLE[name] = join(service, house, name, ADMIN).principal
        yield made


def test_nothing_is_done_without_a_valid_set_of_distinct_people(staff: Staff) -> None:
    FourEyes.staff = staff
    FourEyes.deeds = 0
    # What is tried is chance: most often the first round does enough.
    for _ in range(MOST_ROUNDS):
        run_state_machine_as_test(
            FourEyes,
            settings=settings(
                max_examples=15,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )
        if FourEyes.deeds >= ENOUGH:
            break
    # It is not by never doing anything.
    assert FourEyes.deeds >= ENOUGH
