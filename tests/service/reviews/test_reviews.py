"""A review from its start to its signed end: who decides what, and what that does to the grant."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from secvault.crypto.evidence import verify_evidence
from secvault.errors import (
    ApprovalRequired,
    Conflict,
    Damaged,
    InvalidInput,
    NotFound,
    Refused,
    StepUpRequired,
    TooManyAttempts,
)
from secvault.service.approvals import operations as approvals
from secvault.service.reviews import campaigns, decisions, evidence, operations, starting
from secvault.service.reviews.decisions import Verdict
from secvault.service.reviews.facts import Scope
from secvault.service.reviews.page import WORDS, review_page
from secvault.service.reviews.starting import Plan
from secvault.store import tables
from tests.service.reviews.conftest import ADMIN, DAY, Office

HR = Scope(departments=("hr",))


def test_the_population_is_everybody_who_holds_something_with_what_a_reviewer_must_know(
    office: Office,
) -> None:
    review = office.start()
    shown = {(one.item.facts.name, one.item.facts.role): one for one in office.items(review)}
    assert set(shown) == {
        ("admin", "role:it.admin"),
        ("clerk", "role:hr.clerk"),
        ("head", "role:hr.head"),
        ("auditor", "role:it.auditor"),
        ("system", "role:it.cryptor"),
    }
    head = shown["head", "role:hr.head"].item.facts
    assert head.inherits == ("role:hr.clerk",)
    assert {"changes bank data", "changes health data"} <= set(head.sensitive)
    assert (head.privileged, head.granted_by) == (True, "local:operator")
    assert head.last_seen is not None
    assert not shown["clerk", "role:hr.clerk"].item.facts.privileged


def test_heads_review_their_department_and_nobody_themselves_or_their_own_system(
    office: Office,
) -> None:
    office.hire("binh", ADMIN)
    review = office.start()
    reviewer = {
        (one.item.facts.name, one.item.facts.role): one.reviewer_name
        for one in office.items(review)
    }
    assert reviewer["clerk", "role:hr.clerk"] == "head"
    assert reviewer["head", "role:hr.head"] in ("admin", "binh")
    # `admin` answers for the system.
    assert reviewer["system", "role:it.cryptor"] == "binh"
    # Of two administrators, and nobody else, one cannot but review the other.
    assert {reviewer["admin", "role:it.admin"], reviewer["binh", "role:it.admin"]} == {
        "binh",
        "admin",
    }
    pairs = {one.item.facts.name for one in office.items(review) if one.item.facts.pair}
    assert pairs == {"admin", "binh"}


def test_a_third_person_keeps_two_from_reviewing_each_other(office: Office) -> None:
    office.hire("binh", ADMIN)
    office.hire("chi", ADMIN)
    review = office.start()
    assert not [one for one in office.items(review) if one.item.facts.pair]


def test_whoever_starts_a_review_reviews_nothing_in_it(office: Office) -> None:
    office.hire("binh", ADMIN)
    admin = office.come("admin")
    review = starting.start(office.service, admin, Plan("Q4", fallback="admin"))
    assert "admin" not in {one.reviewer_name for one in office.items(review)}
    # Only another administrator could review binh.
    assert review.unassigned == 1
    item = office.item(review, "binh")
    with pytest.raises(Conflict, match="started"):
        operations.reassign(office.service, office.operator, item.item.id, "admin")


def test_scopes_narrow_what_is_reviewed(office: Office) -> None:
    for scope, names in (
        (HR, {"clerk", "head", "auditor"}),
        (Scope(roles=("role:hr.clerk",)), {"clerk", "head"}),
        (Scope(privileged_only=True), {"head", "admin"}),
        (Scope(systems=False), {"clerk", "head", "auditor", "admin"}),
    ):
        review = office.start(scope=scope)
        assert {one.item.facts.name for one in office.items(review)} == names


def test_orphans_are_named(office: Office) -> None:
    office.hire("binh", ADMIN)
    with office.service.store.write() as connection:
        for name in ("clerk", "admin"):
            connection.execute(
                update(tables.person).where(tables.person.c.name == name).values(state="disabled")
            )
    review = office.start()
    assert office.item(review, "clerk").item.facts.orphan == "disabled"
    assert office.item(review, "system").item.facts.orphan == "no_owner"
    assert review.campaign.frozen.ownerless == ("system",)


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        ({"days": 2}, "days"),
        ({"overdue": "nothing"}, "overdue"),
        ({"overdue_days": 0}, "overdue_days"),
        ({"scope": Scope(departments=("sales",))}, "departments"),
        ({"scope": Scope(roles=("role:hr.boss",))}, "roles"),
        ({"reviewers": ("nobody",)}, "reviewers"),
        ({"fallback": "nobody"}, "fallback"),
        ({"heads": False}, "reviewers"),
        ({"name": "\n"}, "name"),
    ],
)
def test_a_review_that_cannot_be_is_refused_by_the_field(
    office: Office, plan: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        starting.start(office.service, office.operator, Plan(**{"name": "Q4", **plan}))
    assert refused.value.fields[0].field == field
    assert operations.list_campaigns(office.service, office.operator) == ()


def test_each_decision_acts_on_its_grant(office: Office) -> None:
    office.hire("binh", ("role:hr.clerk", "hr"))
    office.hire("chi", ("role:hr.clerk", "hr"))
    review = office.start(scope=HR)
    head = office.come("head")
    assert office.decide(head, office.item(review, "clerk")) == "kept"
    assert office.decide(head, office.item(review, "binh"), "shorten", 10) == "shortened"
    assert office.decide(head, office.item(review, "chi"), "revoke") == "revoked"
    assert office.ends(office.grant_of("clerk")) == (None, None)
    assert office.ends(office.grant_of("binh")) == (10 * DAY, None)
    assert office.ends(office.grant_of("chi")) == (None, 0)
    (ended,) = office.details("grant.revoke")
    assert (ended["subject"], ended["reason"]) == (office.subject("chi"), "review")
    states = [one["state"] for one in office.details("review.decide")]
    assert states == ["kept", "shortened", "revoked"]
    # What is decided stays so.
    with pytest.raises(Conflict, match="kept already"):
        office.decide(head, office.item(review, "clerk"), "revoke")


def test_only_the_reviewer_decides_with_a_fresh_factor_and_a_comment(office: Office) -> None:
    review = office.start(scope=HR)
    item = office.item(review, "clerk")
    for name in ("clerk", "admin", "auditor"):
        with pytest.raises(NotFound):
            office.decide(office.come(name), item)
    head = office.come("head")
    with pytest.raises(InvalidInput, match="comment"):
        decisions.decide(office.service, head, item.item.id, Verdict("keep", " "))
    with pytest.raises(InvalidInput, match="days"):
        office.decide(head, item, "shorten")
    with pytest.raises(InvalidInput, match="days"):
        office.decide(head, item, "revoke", 3)
    office.house.hands.seconds += 301
    with pytest.raises(StepUpRequired):
        office.decide(head, item)
    with pytest.raises(NotFound):
        office.decide(office.operator, item)


def test_a_grant_that_ended_meanwhile_makes_its_item_void(office: Office) -> None:
    office.give("auditor", "role:hr.clerk", "hr", days=2)
    review = office.start(scope=Scope(roles=("role:hr.clerk",)))
    office.take(office.grant_of("clerk"))
    assert office.item(review, "clerk").ended
    assert office.decide(office.come("head"), office.item(review, "clerk"), "revoke") == "void"
    office.pass_days(3)
    assert office.decide(office.come("head"), office.item(review, "auditor")) == "void"


def test_what_was_granted_meanwhile_is_no_part_of_it_but_named(office: Office) -> None:
    review = office.start(scope=Scope(roles=("role:hr.clerk",), systems=False))
    clerk = office.grant_of("clerk")
    office.take(clerk)
    again = office.give("clerk", "role:hr.clerk", "hr")
    head = office.come("head")
    office.decide(head, office.item(review, "clerk"), "revoke")
    assert office.ends(again) == (None, None)
    office.decide(office.come("admin"), office.item(review, "head"))
    operations.finish(office.service, office.operator, review.campaign.id)
    document, _, _ = evidence.read_evidence(office.service, office.operator, review.campaign.id)
    assert [one["grant"] for one in document["granted_meanwhile"]] == [again.id]  # type: ignore


def test_a_grant_that_was_extended_meanwhile_cannot_be_kept_unseen(office: Office) -> None:
    grant = office.give("auditor", "role:hr.clerk", "hr", days=20)
    review = office.start(scope=HR)
    with office.service.store.write() as connection:
        connection.execute(
            update(tables.role_grant)
            .where(tables.role_grant.c.id == grant.id)
            .values(expires_at=None)
        )
    item = office.item(review, "auditor", "role:hr.clerk")
    head = office.come("head")
    with pytest.raises(Conflict, match="extended"):
        office.decide(head, item)
    assert office.decide(head, item, "shorten", 5) == "shortened"


def test_an_end_is_never_put_off_by_shortening(office: Office) -> None:
    office.give("auditor", "role:hr.clerk", "hr", days=20)
    review = office.start(scope=HR)
    item, head = office.item(review, "auditor", "role:hr.clerk"), office.come("head")
    with pytest.raises(InvalidInput, match="earlier"):
        office.decide(head, item, "shorten", 21)


def test_the_last_administrator_is_not_reviewed_away(office: Office) -> None:
    review = office.start(fallback="head", heads=False)
    item, before = office.item(review, "admin"), office.grant_of("admin")
    for what, days in (("revoke", None), ("shorten", 1)):
        with pytest.raises(Conflict, match="nobody who administers"):
            office.decide(office.come("head"), item, what, days)
    assert office.grant_of("admin") == before


def test_one_of_the_last_two_approvers_needs_a_second_person(office: Office) -> None:
    office.hire("binh", ADMIN)
    review = office.start(fallback="head", scope=Scope(roles=("role:it.admin",)))
    item = office.item(review, "binh")
    head = office.come("head")
    asking = replace(head, reason="has left")
    with pytest.raises(ApprovalRequired):
        office.decide(head, item, "shorten", 3)
    with pytest.raises(ApprovalRequired) as required:
        office.decide(asking, item, "revoke")
    request = required.value.request
    admin = office.come("admin")
    shown = approvals.read_request(office.service, admin, request)
    digest, binh = shown.request.proposal.digest, office.come("binh")
    with pytest.raises(Refused):
        approvals.approve(office.service, binh, request, digest)
    approvals.approve(office.service, office.come("admin"), request, digest)
    # What was approved is revoking, not shortening.
    with pytest.raises(ApprovalRequired):
        office.decide(office.come("head"), item, "shorten", 3)
    assert office.decide(office.come("head"), item, "revoke") == "revoked"


def test_keeping_faster_than_anybody_looks_is_slowed_down_and_signed(office: Office) -> None:
    object.__setattr__(
        office.service,
        "settings",
        office.service.settings.model_copy(
            update={
                "reviews": office.service.settings.reviews.model_copy(
                    update={"keeps_per_minute": 2}
                )
            }
        ),
    )
    for name in ("binh", "chi", "dung"):
        office.hire(name, ("role:hr.clerk", "hr"))
    review = office.start(scope=Scope(roles=("role:hr.clerk",)))
    head = office.come("head")
    for name in ("binh", "chi"):
        office.decide(head, office.item(review, name))
    with pytest.raises(TooManyAttempts) as slowed:
        office.decide(head, office.item(review, "dung"))
    office.decide(head, office.item(review, "dung"), "revoke")
    office.house.hands.seconds += slowed.value.retry_after
    office.decide(head, office.item(review, "clerk"))
    (pace,) = operations.read_campaign(office.service, office.operator, review.campaign.id).paces
    assert (pace.decided, pace.kept, pace.most_in_a_minute) == (4, 3, 3)


def test_an_item_is_given_to_somebody_who_may_review_it(office: Office) -> None:
    office.hire("binh", ADMIN)
    review = office.start()
    clerk = office.item(review, "clerk").item
    system = office.item(review, "system").item

    def give(item: campaigns.Item, name: str, by: str = "binh") -> str:
        given = operations.reassign(office.service, office.come(by), item.id, name)
        return given.reviewer_name

    assert give(clerk, "auditor") == "auditor"
    for item, name, why in (
        (clerk, "clerk", "their own"),
        (system, "admin", "their own"),
        (office.item(review, "head").item, "nobody", "no person"),
        # `admin` reviews binh, so binh does not review `admin`... and the other way round.
        (office.item(review, "auditor").item, "clerk", ""),
    ):
        if why:
            with pytest.raises((Conflict, NotFound), match=why):
                give(item, name)
    mine = office.item(review, "binh").item
    with pytest.raises(Conflict, match="nobody chooses"):
        give(mine, "auditor")
    assert give(mine, "auditor", by="admin") == "auditor"
    with pytest.raises(Refused):
        give(clerk, "head", by="clerk")


def test_two_do_not_come_to_review_each_other_by_reassigning(office: Office) -> None:
    office.give("clerk", "role:hr.head", "hr")
    review = office.start(scope=HR)
    by = {name: office.item(review, name).reviewer_name for name in ("clerk", "head")}
    # One of the two reviews the other; that one is not to review them in turn.
    assert sorted(by.values()) in (["admin", "clerk"], ["admin", "head"])
    other, reviewed = ("clerk", "head") if by["head"] == "clerk" else ("head", "clerk")
    item = office.item(review, other).item
    with pytest.raises(Conflict, match="each other"):
        operations.reassign(office.service, office.operator, item.id, reviewed)


def _finished(office: Office) -> str:
    office.give("auditor", "role:hr.clerk", "hr")
    review = office.start("=HYPERLINK(1)", scope=HR)
    with pytest.raises(Conflict, match="undecided"):
        operations.finish(office.service, office.operator, review.campaign.id)
    for view in office.items(review):
        who = office.come(view.reviewer_name)
        verdict = Verdict("keep", "=1+1")
        decisions.decide(office.service, who, view.item.id, verdict)
    operations.finish(office.service, office.operator, review.campaign.id)
    return review.campaign.id


def test_the_evidence_of_a_finished_review_is_signed_and_whole(office: Office) -> None:
    review = _finished(office)
    document, raw, note = evidence.read_evidence(office.service, office.operator, review)
    public = office.service.signing.evidence.verifier()
    assert verify_evidence(raw, note, public) == document
    assert (document["kind"], document["version"], document["id"]) == ("access-review", 1, review)
    items = json.loads(raw)["items"]
    assert {(one["name"], one["state"], one["comment"]) for one in items} == {
        ("clerk", "kept", "=1+1"),
        ("head", "kept", "=1+1"),
        ("auditor", "kept", "=1+1"),
    }
    assert sum(one["kept"] for one in document["pace"]) == 4  # type: ignore
    for changed in (raw.replace(b"kept", b"void", 1), raw + b" "):
        with pytest.raises(Damaged):
            verify_evidence(changed, note, public)
    (finished,) = office.details("review.finish")
    assert finished["digest"] == evidence.digest_of(raw)
    with pytest.raises(Conflict, match="finished already"):
        operations.finish(office.service, office.operator, review)


def test_no_cell_of_the_csv_is_a_formula_and_the_page_shows_no_markup(office: Office) -> None:
    review = _finished(office)
    document, _, note = evidence.read_evidence(office.service, office.operator, review)
    rows = list(csv.DictReader(io.StringIO(evidence.as_csv(document), newline="")))
    assert len(rows) == 4
    assert {row["comment"] for row in rows} == {"'=1+1"}
    assert not [cell for row in rows for cell in row.values() if cell[:1] in set("=+-@\t\r")]
    for language in WORDS:
        page = review_page({**document, "name": "<b>x</b>"}, note.decode(), language)
        assert "<b>x</b>" not in page
        assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert WORDS["en"].keys() == WORDS["vi"].keys()


def test_evidence_that_is_not_signed_yet_is_not_given(office: Office) -> None:
    review = office.start()
    with pytest.raises(Conflict, match="not finished"):
        evidence.read_evidence(office.service, office.operator, review.campaign.id)
    with pytest.raises(NotFound):
        evidence.read_evidence(office.service, office.operator, "0" * 32)
