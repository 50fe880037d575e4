"""Who is told of reviews and of broken glass."""

from __future__ import annotations

import pytest

from secvault.service.break_glass import operations as break_glass
from secvault.service.break_glass import watching
from secvault.service.reviews import decisions, lapsing, operations, starting
from secvault.service.reviews.facts import Scope
from tests.notices.conftest import Office
from tests.notices.receivers import Mailbox
from tests.notices.test_following import noted, operator, person
from tests.running_service import join

PREPARED = ("role:it.break_glass_holder", "it")


@pytest.fixture
def ready(office: Office) -> Office:
    """With an approver who is no administrator, and somebody prepared; no news is left."""
    join(office.service, office.house, "duyet", ("role:it.approver", "it"))
    join(office.service, office.house, "mai", PREPARED)
    office.tell()
    return office


def _told(office: Office, before: list[tuple[str, str]]) -> set[tuple[str, str]]:
    office.tell()
    return set(noted(office)) - set(before)


def _everybody(office: Office, kind: str, *also: str) -> set[tuple[str, str]]:
    names = ("admin", "duyet", "auditor", *also)
    people = {(kind, f"person:{person(office, name)}") for name in names}
    return {*people, (kind, "channel:ops")}


def test_broken_glass_alarms_administrators_approvers_auditors_and_channels_at_once(
    ready: Office, mailbox: Mailbox
) -> None:
    ready.contact("admin", "admin@example.com", "vi")
    mai = ready.contact("mai", "mai@example.com")
    ready.tell()
    before = noted(ready)
    view = break_glass.start(ready.service, mai, "it burns")
    assert _told(ready, before) == _everybody(ready, "glass_broken", "mai")
    ready.deliver()
    (alarm,) = [one for one in mailbox.to("admin@example.com") if "KHẨN CẤP" in one]
    assert view.incident.id in alarm
    assert "mai" in alarm
    # The reason is for those who look; a notice holds ids and names.
    assert "burns" not in alarm
    before = noted(ready)
    break_glass.end(ready.service, mai, view.incident.id)
    break_glass.start(ready.service, mai, "a try", drill=True)
    assert _told(ready, before) == _everybody(ready, "glass_drill", "mai")
    ready.house.hands.seconds += 73 * 3600
    before = noted(ready)
    watching.look_after(ready.service)
    assert _told(ready, before) == _everybody(ready, "glass_unreviewed", "mai")


def test_reviewers_are_told_what_waits_and_people_what_they_lost(ready: Office) -> None:
    before = noted(ready)
    scope = Scope(roles=("role:hr.clerk",))
    starting.start(ready.service, operator(ready), starting.Plan("Q4", scope))
    lapsing.look_after(ready.service)
    head, clerk = (person(ready, name) for name in ("head", "clerk"))
    assert ("review_waiting", f"person:{head}") in _told(ready, before)
    before = noted(ready)
    caller = ready.sign_in("head", "")
    (item,) = operations.own_items(ready.service, caller)
    verdict = decisions.Verdict("revoke", "moved")
    decisions.decide(ready.service, caller, item.item.id, verdict)
    assert _told(ready, before) == {("access_reviewed", f"person:{clerk}")}


def test_what_must_not_lapse_is_told_loudly(ready: Office) -> None:
    scope = Scope(roles=("role:it.admin", "role:it.approver"))
    starting.start(ready.service, operator(ready), starting.Plan("Q4", scope))
    ready.house.hands.seconds += 31 * 86_400
    ready.tell()
    lapsing.look_after(ready.service)
    before = noted(ready)
    lapsing.look_after(ready.service)
    assert _told(ready, before) == _everybody(ready, "review_escalated")
