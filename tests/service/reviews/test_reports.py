"""What lies idle: not seen, not used, or larger than it need be."""

from __future__ import annotations

import pytest

from secvault.access import last_use
from secvault.access.eligibility import Eligibility
from secvault.errors import InvalidInput
from secvault.service import eligibilities, people, records, role_activation, systems
from secvault.service.eligibilities import WantedEligibility
from secvault.service.reviews import reports
from secvault.service.reviews.facts import Scope
from secvault.service.reviews.reports import Dormant, Unused
from secvault.service.role_activation import Use
from secvault.service.spans import Span
from tests.running_service import PAYSLIP
from tests.service.reviews.conftest import Office


def _follow(office: Office) -> None:
    office.service.audit.drain()
    last_use.follow(office.service.store, office.service.clock, office.service.policy)


def _dormant(office: Office, days: int = 90) -> dict[tuple[str, str], Dormant]:
    found = reports.dormant(office.service, office.operator, days)
    return {(one.kind, one.name): one for one in found}


def _unused(office: Office, days: int = 90) -> dict[tuple[str, str], Unused]:
    found = reports.unused(office.service, office.operator, days)
    return {(one.name, one.grant.role): one for one in found.grants}


def test_people_systems_and_tokens_that_were_not_seen_are_named(office: Office) -> None:
    assert _dormant(office) == {}
    office.pass_days(91)
    office.come("head")
    found = _dormant(office)
    assert ("person", "head") not in found
    # The token of the system has ended by itself.
    assert set(found) == {
        ("person", "admin"),
        ("person", "clerk"),
        ("person", "auditor"),
        ("system", "system"),
    }
    assert (found["system", "system"].note, found["system", "system"].last_seen) == ("never", None)
    assert found["person", "clerk"].grants == 1
    people.disable_person(office.service, office.operator, "clerk")
    assert ("person", "clerk") not in _dormant(office)


def test_a_system_that_nobody_answers_for_is_named_at_once(office: Office) -> None:
    office.hire("binh", ("role:it.admin", "it"))
    office.hire("chi", ("role:it.admin", "it"))
    people.disable_person(office.service, office.operator, "admin")
    assert _dormant(office)["system", "system"].note == "owner_out"


def test_a_token_that_was_never_used_is_named_by_its_key_id(office: Office) -> None:
    issued = systems.issue_token(
        office.service, office.operator, account="system", display_name="idle", days=300
    )
    office.pass_days(91)
    found = reports.dormant(office.service, office.operator, 90)
    (idle,) = [one for one in found if one.kind == "token"]
    assert (idle.id, idle.name, idle.note) == (issued.token.key_id, "system", "never")


def test_grants_are_reported_once_uses_are_known_for_long_enough(office: Office) -> None:
    report = reports.unused(office.service, office.operator, 90)
    assert (report.since, report.grants) == (None, ())
    _follow(office)
    assert _unused(office) == {}
    office.pass_days(100)
    _follow(office)
    assert ("clerk", "role:hr.clerk") in _unused(office)


def test_a_role_that_is_larger_than_what_was_used_is_told_with_a_smaller_one(
    office: Office,
) -> None:
    _follow(office)
    office.pass_days(100)
    for name in ("head", "clerk"):
        records.list_records(office.service, office.come(name), "payroll", "", 10)
    office.give("auditor", "role:hr.clerk", "hr")
    _follow(office)
    found = _unused(office)
    head = found["head", "role:hr.head"]
    assert head.last_used == office.service.clock.micros() // last_use.DAY_MICROS
    assert 0 < head.unused < head.given
    assert "hr-head-delete" in head.rules
    # It read what only the head may, so nothing smaller would do.
    assert head.smaller == ""
    # Nothing of it was used: it is to be revoked, not made smaller.
    assert (
        found["auditor", "role:it.auditor"].last_used,
        found["auditor", "role:it.auditor"].smaller,
    ) == (None, "")
    # Too young to be idle.
    assert ("auditor", "role:hr.clerk") not in found


def test_a_head_who_works_as_a_clerk_could_be_one(office: Office) -> None:
    _follow(office)
    office.pass_days(100)
    head = office.come("head")
    records.read_field(office.service, head, "payroll", PAYSLIP, "full_name")
    _follow(office)
    assert _unused(office)["head", "role:hr.head"].smaller == "role:hr.clerk"


@pytest.mark.parametrize("days", [0, 3651])
def test_a_number_of_days_that_cannot_be_is_refused(office: Office, days: int) -> None:
    for report in (reports.dormant, reports.unused):
        with pytest.raises(InvalidInput, match="days"):
            report(office.service, office.operator, days)


def test_what_was_read_of_a_payslip_is_known_by_its_rules(office: Office) -> None:
    head = office.come("head")
    records.read_field(office.service, head, "payroll", PAYSLIP, "net_salary")
    _follow(office)
    with office.service.store.read() as connection:
        days = last_use.read_uses(connection).days[head.principal.subject]
    assert ("hr-head-read-salary", "hr") in days


def _eligible(office: Office, role: str, where: str = "it") -> Eligibility:
    wanted = WantedEligibility("user:clerk", role, where, span=Span(seconds=300 * 86_400))
    return eligibilities.add(office.service, office.operator, wanted)


def test_a_privileged_role_that_somebody_may_activate_is_told_with_the_campaign(
    office: Office,
) -> None:
    made = _eligible(office, "role:it.approver")
    _eligible(office, "role:it.clerk")
    use = Use("role:it.approver", "it", "a look")
    role_activation.activate(office.service, office.come("clerk"), use)
    used = office.service.clock.micros()
    review = office.start()
    (told,) = review.campaign.frozen.eligible
    assert (told.id, told.name, told.role) == (made.id, "clerk", "role:it.approver")
    assert told.last_used is not None
    assert 0 <= used - told.last_used < 60_000_000
    # What was activated passes by itself, and is no item.
    assert "role:it.approver" not in {one.item.facts.role for one in office.items(review)}
    narrow = office.start(scope=Scope(departments=("hr",)))
    assert narrow.campaign.frozen.eligible == ()


def test_what_nobody_activates_is_reported_from_the_first_day(office: Office) -> None:
    made = _eligible(office, "role:it.approver")
    assert reports.unused(office.service, office.operator, 90).eligible == ()
    office.pass_days(91)
    (idle,) = reports.unused(office.service, office.operator, 90).eligible
    assert (idle.id, idle.last_used) == (made.id, None)
    use = Use("role:it.approver", "it", "a look")
    role_activation.activate(office.service, office.come("clerk"), use)
    assert reports.unused(office.service, office.operator, 90).eligible == ()
