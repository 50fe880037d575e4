"""What time does to a review: told once, lapsed once, signed once; and nobody is shut out by it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from secvault.access import last_use
from secvault.config.reviews import CampaignSettings
from secvault.crypto.secret import Secret
from secvault.errors import Conflict
from secvault.service import authentication, bootstrap, opening
from secvault.service.reviews import campaigns, decisions, lapsing, operations, starting
from secvault.service.reviews.decisions import Verdict
from secvault.service.reviews.facts import Scope
from secvault.service.reviews.views import ItemView
from secvault.service.spine import Caller
from secvault.service.workflows import schedules
from tests.running_service import PASSWORD, SEED, Hands, House, signed_in
from tests.service.reviews.conftest import ADMIN, DAY, Office
from tests.service.test_approvals_at_once import HouseAt

CLERKS = Scope(roles=("role:hr.clerk",))


def test_what_nobody_reviewed_lapses_at_the_deadline_and_the_end_is_signed(office: Office) -> None:
    office.hire("binh", ("role:hr.clerk", "hr"))
    review = office.start(scope=CLERKS, days=10)
    office.decide(office.come("head"), office.item(review, "binh"))
    office.house.hands.seconds = review.campaign.deadline / 1_000_000 - 31
    head = office.come("head")
    assert lapsing.look_after(office.service).lapsed == 0
    assert office.ends(office.grant_of("clerk")) == (None, None)
    office.take(office.grant_of("head"))
    office.house.hands.seconds += 1
    with pytest.raises(Conflict, match="deadline"):
        office.decide(head, office.item(review, "clerk"))
    turn = lapsing.look_after(office.service)
    assert (turn.lapsed, turn.escalated, turn.finished) == (1, 0, 1)
    view = operations.read_campaign(office.service, office.operator, review.campaign.id)
    assert view.campaign.state == campaigns.FINISHED
    assert dict(view.counts) == {"kept": 1, "lapsed": 1, "void": 1}
    assert office.ends(office.grant_of("clerk"))[1] is not None
    assert office.ends(office.grant_of("binh")) == (None, None)
    assert lapsing.look_after(office.service) == lapsing.Turn()


def test_overdue_items_are_shortened_where_that_was_chosen(office: Office) -> None:
    soon = office.give("auditor", "role:hr.clerk", "hr", days=33)
    review = office.start(scope=CLERKS, overdue="shorten", overdue_days=7)
    office.pass_days(30)
    assert lapsing.look_after(office.service).lapsed == 3
    assert office.ends(office.grant_of("clerk")) == (7 * DAY, None)
    # It ends sooner by itself.
    assert office.ends(soon) == (3 * DAY, None)
    view = operations.read_campaign(office.service, office.operator, review.campaign.id)
    assert dict(view.counts) == {"lapsed": 3}


def test_the_last_administrator_and_the_last_approvers_do_not_lapse_but_wait_loudly(
    office: Office,
) -> None:
    office.hire("binh", ADMIN)
    office.hire("chi", ADMIN)
    review = office.start(scope=Scope(privileged_only=True))
    office.pass_days(31)
    turn = lapsing.look_after(office.service)
    # One of three administrators, and the head; two who can approve are left.
    assert (turn.lapsed, turn.escalated, turn.finished) == (2, 2, 0)
    left = [
        name for name in ("admin", "binh", "chi") if office.ends(office.grant_of(name))[1] is None
    ]
    assert len(left) == 2
    told = [one for one in office.details("review.warn") if one.get("state") == "escalated"]
    assert told == []
    assert lapsing.look_after(office.service).told == 1
    assert lapsing.look_after(office.service).told == 0
    office.pass_days(1)
    assert lapsing.look_after(office.service).told == 1
    # Their reviewers still decide; then the review ends.
    for name in left:
        item = office.item(review, name)
        reviewer = item.reviewer_name
        if reviewer not in left:
            other = next(one for one in left if one != name)
            operations.reassign(office.service, office.operator, item.item.id, "auditor")
            reviewer = "auditor"
            assert other
        who = office.come(reviewer)
        decisions.decide(office.service, who, item.item.id, Verdict("keep", "the last two"))
    assert lapsing.look_after(office.service).finished == 1


def test_a_single_administrator_does_not_lapse_before_there_is_anybody_to_approve(
    office: Office,
) -> None:
    before = office.grant_of("admin")
    office.start(scope=Scope(roles=("role:it.admin",)), fallback="head", overdue="shorten")
    office.pass_days(31)
    turn = lapsing.look_after(office.service)
    assert (turn.lapsed, turn.escalated) == (0, 1)
    assert office.grant_of("admin") == before


def test_shortening_counts_those_whose_grants_end_before_as_gone(office: Office) -> None:
    for name in ("binh", "chi"):
        office.hire(name)
        office.give(name, *ADMIN, days=33)
        office.come(name)
    before = office.grant_of("admin")
    office.start(scope=Scope(roles=("role:it.admin",)), overdue="shorten", overdue_days=7)
    office.pass_days(31)
    turn = lapsing.look_after(office.service)
    # Two end by themselves in two days; so the third must not end in seven.
    assert (turn.lapsed, turn.escalated) == (2, 1)
    assert office.grant_of("admin") == before


def test_reviewers_are_told_at_the_start_and_before_the_deadline_once_each(office: Office) -> None:
    review = office.start(scope=CLERKS, days=20)
    told: list[list[object]] = []
    for days in (0, 1, 5, 0, 8, 5):
        office.pass_days(days)
        before = len(office.details("review.warn"))
        lapsing.look_after(office.service)
        lapsing.look_after(office.service)
        told.append([one["days"] for one in office.details("review.warn")[before:]])
    # Two reviewers: the head for the clerk, an administrator for the head; 20, then 14, 7, 1 left.
    assert told == [[20, 20], [], [14, 14], [], [7, 7], [1, 1]]
    head = office.subject("head").removeprefix("user:")
    assert {one["person"] for one in office.details("review.warn")} >= {head}
    office.decide(office.come("head"), office.item(review, "clerk"))


def test_what_has_no_reviewer_is_told_to_administrators(office: Office) -> None:
    office.hire("binh", ADMIN)
    admin = office.come("admin")
    starting.start(office.service, admin, starting.Plan("Q4", Scope(roles=("role:it.admin",))))
    lapsing.look_after(office.service)
    (nobody,) = [one for one in office.details("review.warn") if "person" not in one]
    assert nobody["days"] == 30


def test_a_declared_review_begins_by_its_schedule_once_for_each_job(office: Office) -> None:
    chosen = CampaignSettings(departments=("hr",), fallback="admin", days=14)
    service = office.service
    reviews = service.settings.reviews.model_copy(update={"campaigns": {"hr": chosen}})
    settings = service.settings.model_copy(update={"reviews": reviews})
    object.__setattr__(service, "settings", settings)
    assert ("review", "hr", "0 8 1 */3 *") in {
        (one.kind, one.plan, one.cron) for one in schedules(service)
    }
    jobs = Caller(authentication.jobs())
    first = starting.start_declared(service, jobs, "hr", "review:hr:1")
    again = starting.start_declared(service, jobs, "hr", "review:hr:1")
    assert first.campaign == again.campaign
    other = starting.start_declared(service, jobs, "hr", "review:hr:2")
    assert other.campaign.id != first.campaign.id
    assert len(operations.list_campaigns(service, office.operator)) == 2


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """An office over each engine, with an administrator."""
    url = "" if request.param == "sqlite" else str(request.getfixturevalue("postgresql_url"))
    house: House = HouseAt(tmp_path, Hands(), {}, {"admin": SEED}, url=url)
    opening.create_vault(house.settings, house.hands.clock())
    with house.open() as service:
        bootstrap.first_administrator(
            service,
            name="admin",
            display_name="An",
            password=Secret.of(PASSWORD),
            seed=Secret.of(SEED),
        )
        signed_in(service, house, "admin")
        yield Office(service, house)


def test_two_workers_and_a_late_reviewer_do_each_thing_once(anywhere: Office) -> None:
    office = anywhere
    office.hire("head", ("role:hr.head", "hr"))
    for number in range(6):
        office.hire(f"clerk-{number}", ("role:hr.clerk", "hr"))
    review = office.start(scope=CLERKS, days=3)
    last_use.follow(office.service.store, office.service.clock, office.service.policy)
    office.pass_days(3)
    turns: list[lapsing.Turn] = []
    together = threading.Barrier(3, timeout=300)

    def work() -> None:
        together.wait()
        turns.extend(lapsing.look_after(office.service) for _ in range(2))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert sum(turn.lapsed for turn in turns) == 7
    assert sum(turn.finished for turn in turns) == 1
    assert len(office.details("review.lapse")) == len(office.details("grant.revoke")) == 7
    assert len(office.details("review.finish")) == 1
    view = operations.read_campaign(office.service, office.operator, review.campaign.id)
    assert dict(view.counts) == {"lapsed": 7}


def test_a_decision_and_a_lapse_at_the_same_moment_are_one_or_the_other(anywhere: Office) -> None:
    office = anywhere
    office.hire("head", ("role:hr.head", "hr"))
    for number in range(3):
        office.hire(f"clerk-{number}", ("role:hr.clerk", "hr"))
        # In the first turn the head is reviewed, too, and is head no more.
        review = office.start(f"turn {number}", scope=CLERKS, days=3, fallback="head")
        item = office.item(review, f"clerk-{number}")
        office.house.hands.seconds = review.campaign.deadline / 1_000_000 - 31
        head = office.come("head")
        ends: list[str] = []

        def decide(item: ItemView = item, head: Caller = head, ends: list[str] = ends) -> None:
            try:
                ends.append(office.decide(head, item, "shorten", 5))
            except Conflict:
                ends.append("too late")

        thread = threading.Thread(target=decide)
        thread.start()
        office.house.hands.seconds += 2
        lapsing.look_after(office.service)
        thread.join(300)
        state = office.item(review, f"clerk-{number}").item.state
        assert (ends, state) in ((["shortened"], "shortened"), (["too late"], "lapsed"))
        if state == "shortened":
            assert office.ends(office.grant_of(f"clerk-{number}"))[1] is None
