"""Reviews as a state machine: after any sequence of doings, each item is what its story says.

The model keeps, for every item, who may decide it and what became of its grant; invariants are held
after each step, whatever was tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, update

from secvault.access import Grant, list_grants, revoke_grant
from secvault.access.grants import read_grant
from secvault.errors import (
    ApprovalRequired,
    Conflict,
    InvalidInput,
    NotFound,
    Refused,
    TooManyAttempts,
)
from secvault.identity.principal import Principal
from secvault.service.reviews import campaigns, lapsing, operations, starting
from secvault.service.reviews.campaigns import Item
from secvault.service.reviews.facts import Scope
from secvault.service.reviews.starting import Plan
from secvault.service.reviews.views import ItemView
from secvault.service.spine import Caller
from secvault.store import tables
from tests.running_service import House, copied
from tests.service.reviews.conftest import ADMIN, DAY, Office

PEOPLE = ("admin", "binh", "head", "clerk")
HELD = (
    ("admin", *ADMIN),
    ("binh", *ADMIN),
    ("head", "role:hr.head", "hr"),
    ("clerk", "role:hr.clerk", "hr"),
    ("binh", "role:hr.clerk", "hr"),
)
WHO = st.sampled_from(PEOPLE)


@dataclass
class Known:
    """An item as the model knows it."""

    item: Item
    reviewer: str | None
    state: str = "open"


class Reviews(RuleBasedStateMachine):
    """Drives the real service; `office` is shared, its people hold the same again for each run."""

    office: ClassVar[Office]
    principals: ClassVar[dict[str, Principal]] = {}
    decided: ClassVar[int] = 0
    lapsed: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, Known] = {}
        self.campaign: campaigns.Campaign | None = None
        self._put_back()

    def _put_back(self) -> None:
        office = self.office
        with office.service.store.write() as connection:
            for table in (tables.review_item, tables.review_campaign, tables.review_told):
                connection.execute(delete(table))
            now = office.service.clock.micros()
            for grant in list_grants(connection, valid_at=now):
                revoke_grant(connection, grant.id, at=now)
            # How long sessions last is not what this is about.
            connection.execute(update(tables.session).values(expires_at=2**62))
        for name, role, where in HELD:
            office.give(name, role, where)

    def _caller(self, name: str) -> Caller:
        now = self.office.service.clock.micros()
        return Caller(replace(self.principals[name], second_factor_at=now))

    @initialize(overdue=st.sampled_from(("revoke", "shorten")))
    def begin(self, overdue: str) -> None:
        self.start(overdue, "operator")

    @precondition(lambda self: self.campaign is None)
    @rule(overdue=st.sampled_from(("revoke", "shorten")), by=st.sampled_from(("operator", "admin")))
    def start(self, overdue: str, by: str) -> None:
        office = self.office
        caller = office.operator if by == "operator" else self._caller(by)
        plan = Plan("a run", Scope(systems=False), days=10, overdue=overdue, fallback="clerk")
        try:
            view = starting.start(office.service, caller, plan)
        except (Conflict, Refused):
            # Nobody holds anything any more, or whoever begins it.
            return
        self.campaign = view.campaign
        names = {office.subject(name): name for name in PEOPLE}
        self.known = {
            one.item.id: Known(one.item, names.get(one.item.reviewer or ""))
            for one in office.items(view)
        }
        for one in self.known.values():
            assert one.reviewer != names[one.item.subject]
            assert one.reviewer != by

    @precondition(lambda self: self.known)
    @rule(
        data=st.data(),
        who=WHO,
        own=st.integers(0, 3),
        what=st.sampled_from(("keep", "shorten", "revoke")),
    )
    def decide(self, data: st.DataObject, who: str, own: int, what: str) -> None:
        known = data.draw(st.sampled_from(list(self.known.values())))
        if own:
            who = known.reviewer or who
        gone = self._ended(known.item)
        try:
            state = self.office.decide(
                self._caller(who),
                self._view(known),
                what,
                5 if what == "shorten" else None,
            )
        except TooManyAttempts:
            assert what == "keep"
            return
        except ApprovalRequired:
            assert what != "keep"
            assert known.item.facts.role == ADMIN[0]
            return
        except (Conflict, NotFound, Refused, InvalidInput):
            return
        assert who == known.reviewer
        assert known.state in campaigns.UNDECIDED
        assert self.office.subject(who) != known.item.subject
        assert (state == campaigns.VOID) == gone
        known.state = state
        Reviews.decided += 1

    @precondition(lambda self: self.known)
    @rule(data=st.data(), to=WHO)
    def reassign(self, data: st.DataObject, to: str) -> None:
        known = data.draw(st.sampled_from(list(self.known.values())))
        try:
            operations.reassign(self.office.service, self.office.operator, known.item.id, to)
        except Conflict:
            return
        assert known.state in campaigns.UNDECIDED
        assert self.office.subject(to) != known.item.subject
        known.reviewer = to

    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        name, role, _ = data.draw(st.sampled_from(HELD[2:]))
        for grant in self._live(name, role):
            self.office.take(grant)

    @rule(days=st.sampled_from((0, 1, 6, 11)))
    def wait_and_look_after(self, days: int) -> None:
        self.office.pass_days(days)
        turn = lapsing.look_after(self.office.service)
        Reviews.lapsed += turn.lapsed
        if self.campaign is None:
            return
        over = self.office.service.clock.micros() >= self.campaign.deadline
        assert over or not (turn.lapsed or turn.escalated or turn.finished)
        for known in self.known.values():
            state = self._state(known)
            if over and known.state == campaigns.OPEN:
                assert state in (campaigns.LAPSED, campaigns.ESCALATED, campaigns.VOID)
                known.state = state
        self._forget_when_finished()

    @precondition(lambda self: self.campaign)
    @rule()
    def finish(self) -> None:
        assert self.campaign is not None
        undecided = any(
            one.state in campaigns.UNDECIDED and not self._ended(one.item)
            for one in self.known.values()
        )
        try:
            operations.finish(self.office.service, self.office.operator, self.campaign.id)
        except Conflict:
            assert undecided
        else:
            assert not undecided
            for known in self.known.values():
                known.state = self._state(known)
            self._forget_when_finished()

    @invariant()
    def the_rows_are_what_the_model_says(self) -> None:
        for known in self.known.values():
            assert self._state(known) == known.state

    @invariant()
    def what_was_ended_is_ended_and_what_was_kept_or_is_open_is_not_touched(self) -> None:
        for known in self.known.values():
            if known.state == campaigns.REVOKED:
                assert self._ended(known.item)
            if known.state == campaigns.SHORTENED:
                ends = self.office.ends(self._grant(known.item))[0]
                assert ends is not None
                assert ends <= 5 * DAY

    @invariant()
    def somebody_administers_and_two_can_approve(self) -> None:
        service = self.office.service
        with service.store.read() as connection:
            assert len(service.approvers.in_department(connection, "it")) == 2

    def _forget_when_finished(self) -> None:
        assert self.campaign is not None
        with self.office.service.store.read() as connection:
            found = campaigns.read_campaign(connection, self.campaign.id)
        if found.state == campaigns.FINISHED:
            assert not [one for one in self.known.values() if one.state in campaigns.UNDECIDED]
            self.campaign, self.known = None, {}

    def _view(self, known: Known) -> ItemView:
        return ItemView(known.item, "")

    def _state(self, known: Known) -> str:
        with self.office.service.store.read() as connection:
            return campaigns.read_item(connection, known.item.id).state

    def _grant(self, item: Item) -> Grant:

        with self.office.service.store.read() as connection:
            return read_grant(connection, item.grant_id)

    def _ended(self, item: Item) -> bool:
        ends, revoked = self.office.ends(self._grant(item))
        return revoked is not None or (ends is not None and ends <= 0)

    def _live(self, name: str, role: str) -> list[Grant]:

        office = self.office
        with office.service.store.read() as connection:
            return list(
                list_grants(
                    connection,
                    subject=office.subject(name),
                    role=role,
                    valid_at=office.service.clock.micros(),
                )
            )


@pytest.fixture(scope="module")
def shared(furnished: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """An office with two administrators."""
    with ExitStack() as closing:
        house = copied(furnished, tmp_path_factory.mktemp("machine"))
        office = Office(closing.enter_context(house.open()), house)
        office.hire("binh", ADMIN)
        for name in PEOPLE:
            Reviews.principals[name] = office.come(name).principal
        yield office


def test_any_story_of_a_review_ends_as_the_model_says(shared: Office) -> None:
    Reviews.office = shared
    Reviews.decided = Reviews.lapsed = 0
    run_state_machine_as_test(
        Reviews,
        settings=settings(
            max_examples=10,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
    # It is not by never doing anything.
    assert Reviews.decided + Reviews.lapsed >= 3
