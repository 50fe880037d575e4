"""A version of a schema stands for one schema; what changes it says so, and loses no value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from secvault.access.bundle import Bundle
from secvault.errors import Conflict
from secvault.records.schema_versions import alike_versions, known_schemas
from secvault.service import Service, authentication, records
from secvault.service.policies import operations as policies
from secvault.service.spine import Caller
from secvault.store import tables
from tests.running_service import PAYSLIP, House, copied
from tests.service.policy_house import (
    SHIPPED,
    applied,
    changed,
    forced,
    raised,
    without_tests,
)

Edit = Callable[[str], str]
HR = "collections/hr.toml"


@pytest.fixture(scope="module")
def untested(furnished: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    folder = tmp_path_factory.mktemp("untested")
    return without_tests(copied(furnished, folder / "house"), folder / "policies")


@pytest.fixture
def house(untested: House, tmp_path: Path) -> House:
    """A vault of this test's own, without the policy's own tests."""
    return replace(copied(untested, tmp_path / "house"), more=untested.more)


@pytest.fixture
def operator(service: Service) -> Caller:
    return Caller(authentication.local_operator(service))


@pytest.fixture
def head(service: Service, house: House) -> Caller:
    return Caller(authentication.authenticate(service, house.tokens["head"]))


def in_payroll(was: str, becomes: str) -> Edit:
    """Edits the first such line after the head of payroll."""

    def edit(text: str) -> str:
        at = text.index("[collections.payroll]\n")
        assert was in text[at:], was
        return text[:at] + text[at:].replace(was, becomes, 1)

    return edit


def hr(*edits: Edit, bundle: Bundle = SHIPPED) -> Bundle:
    def all_of(text: str) -> str:
        for edit in edits:
            text = edit(text)
        return text

    return changed({HR: all_of}, bundle)


def up(text: str) -> str:
    return raised(text, "payroll")


BONUS = in_payroll(
    "[collections.payroll.fields.full_name]",
    '[collections.payroll.fields.bonus]\ntitle = { en = "Bonus" }\ntype = "money"\n'
    'currency = "VND"\nclass = "salary"\nmask = "hidden"\n\n[collections.payroll.fields.full_name]',
)
RETIRED = in_payroll(
    "[collections.payroll.fields.bank]\n", "[collections.payroll.fields.bank]\nretired = true\n"
)
CLOSED = in_payroll(
    'decimals = 1\nclass = "normal"', 'decimals = 1\nclass = "salary"\nmask = "hidden"'
)
INDEXED = in_payroll("index = { exact = 24", "index = { exact = 20")
RETYPED = in_payroll('type = "account"', 'type = "text"')


def without_required(text: str) -> str:
    """A retired field is asked of nobody."""
    at = text.index("[collections.payroll.fields.bank]\n")
    return text[:at] + text[at:].replace("required = true\n", "", 1)


def blockers(service: Service, operator: Caller, bundle: Bundle) -> tuple[str, ...]:
    return policies.plan(service, operator, bundle).blockers


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ((BONUS,), "bonus added, money of class salary"),
        ((RETIRED, without_required), "bank required yes, then none; retired"),
        ((CLOSED,), "working_days class normal, then salary"),
        ((INDEXED,), "full_name index exact 24"),
    ],
    ids=["added", "retired", "re-classed", "index"],
)
def test_a_changed_schema_needs_a_higher_version(
    service: Service, operator: Caller, edit: tuple[Edit, ...], said: str
) -> None:
    (why,) = blockers(service, operator, hr(*edit))
    assert why.startswith("the schema of payroll has changed (")
    assert said in why
    assert why.endswith("but its version is still 2; write version = 3")
    if edit == (CLOSED,):
        with pytest.raises(Conflict, match="write version = 3"):
            applied(service, operator, hr(*edit))
    applied(service, operator, hr(*edit, up))
    assert service.collections["payroll"].version == 3


def test_all_may_change_at_once_and_old_records_stay_readable(
    service: Service, operator: Caller, head: Caller
) -> None:
    before = records.read_record(service, head, "payroll", PAYSLIP)
    applied(service, operator, hr(BONUS, RETIRED, without_required, CLOSED, INDEXED, up))
    after = records.read_record(service, head, "payroll", PAYSLIP)
    assert after.fields == before.fields
    assert after.version == before.version
    written = records.update_record(
        service, head, "payroll", PAYSLIP, {"bonus": "5000000"}, after.version
    )
    assert written.fields == {
        **before.fields,
        "bonus": {"amount": "5000000", "currency": "VND"},
    }


def test_the_words_of_a_schema_may_change_without_a_new_version(
    service: Service, operator: Caller
) -> None:
    worded = hr(in_payroll('vi = "Bảng lương"', 'vi = "Lương tháng"'))
    plan = policies.plan(service, operator, worded)
    assert (plan.blockers, plan.changes.collections) == ((), ("payroll: words changed",))
    applied(service, operator, worded)


def test_a_field_with_values_keeps_its_type_and_is_told_how_to_get_another(
    service: Service, operator: Caller
) -> None:
    (why,) = blockers(service, operator, hr(RETYPED, up))
    assert why == (
        "field payroll.bank_account has values; it cannot change its type from account to text: "
        "add a field of that type beside it, and write retired = true on this one"
    )


def test_an_older_policy_may_be_published_again_with_its_own_version(
    service: Service, operator: Caller, head: Caller
) -> None:
    applied(service, operator, hr(CLOSED, up))
    policies.roll_back(service, operator, 1, note="too early")
    assert service.collections["payroll"].version == 2
    assert records.read_record(service, head, "payroll", PAYSLIP).fields["working_days"] == "22"
    # Nor may what was version 3 be said of another schema now.
    (why,) = blockers(service, operator, hr(INDEXED, up))
    assert why.startswith("version 3 of payroll stood for another schema before (")
    assert why.endswith("write version = 4")
    (why,) = blockers(service, operator, hr(INDEXED))
    assert why.endswith("write version = 4")
    applied(service, operator, hr(INDEXED, up, up))
    applied(service, operator, hr(CLOSED, up))


def test_a_version_that_never_was_cannot_come_after_a_higher_one(
    service: Service, operator: Caller
) -> None:
    lower = hr(lambda text: text.replace("version = 2", "version = 1"))
    for why in blockers(service, operator, lower):
        assert "is older than version 2, and was never published; write version = 3" in why
    assert len(blockers(service, operator, lower)) == 4


def test_a_vault_from_before_schemas_were_noted_is_compared_with_what_is_in_force(
    service: Service, operator: Caller
) -> None:
    with service.store.write() as connection:
        connection.execute(tables.collection_schema.delete())
    (why,) = blockers(service, operator, hr(CLOSED))
    assert why.endswith("write version = 3")
    applied(service, operator, hr(CLOSED, up))
    with service.store.read() as connection:
        assert set(known_schemas(connection, "payroll")) == {2, 3}


def test_a_schema_published_by_another_program_does_not_change_what_a_version_was(
    service: Service, operator: Caller
) -> None:
    forced(service, hr(CLOSED))
    assert "payroll" not in " ".join(blockers(service, operator, SHIPPED))
    applied(service, operator, SHIPPED)


def test_the_plan_says_which_records_are_to_be_migrated_and_why(
    service: Service, operator: Caller
) -> None:
    def told(*edits: Edit) -> list[str]:
        found = policies.plan(service, operator, hr(*edits, up)).findings
        return [f"{one.level} {one.where} {one.text}" for one in found if one.code == "migrate"]

    run = (
        "until each is written again; once the policy is in force, run "
        "`secvault records migrate payroll`"
    )
    assert told(CLOSED) == [
        f"warning {HR} payroll: what records hold in working_days stays unencrypted {run}"
    ]
    assert told(INDEXED) == [
        f"warning {HR} payroll: records stay as version 2 keeps them, with its indexes, {run}"
    ]
    assert not told(BONUS)


def test_versions_that_store_records_alike_are_known(service: Service, operator: Caller) -> None:
    applied(service, operator, hr(BONUS, up))
    applied(service, operator, hr(BONUS, CLOSED, up, up))
    with service.store.read() as connection:
        old = policies.show(service, operator, 2)
        assert old.version.number == 2
        now = service.collections["payroll"]
        assert alike_versions(connection, now) == {4}
    policies.roll_back(service, operator, 2, note="back")
    with service.store.read() as connection:
        assert alike_versions(connection, service.collections["payroll"]) == {2, 3}
