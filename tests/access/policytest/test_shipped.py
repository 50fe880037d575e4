"""The policies that the product ships pass their own tests, which notice every change of them."""

from __future__ import annotations

import pytest

from secvault.access.policytest import Report, check_policy_tests
from secvault.records.collection_files import load_collections
from tests.access.policytest.small import POLICIES, shipped_texts

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def report() -> Report:
    collections = load_collections(POLICIES / "collections")
    return check_policy_tests(
        shipped_texts(),
        {
            name: {field.name: str(field.sensitivity) for field in one.fields.values()}
            for name, one in collections.items()
        },
        {name: one.department for name, one in collections.items()},
        mutation=True,
    )


def test_every_answer_and_invariant_is_as_the_test_files_say(report: Report) -> None:
    assert report.failures == ()
    assert report.answers > 5_000


def test_every_rule_decides_a_tested_answer(report: Report) -> None:
    assert [(one.rule.line, one.rule.id, one.add) for one in report.uncovered] == []


def test_at_least_95_percent_of_changed_policies_are_noticed(report: Report) -> None:
    assert report.mutation is not None
    told = [(one.name, one.line, one.witness) for one in report.mutation.survivors]
    assert report.mutation.score >= 95, told
    assert report.mutation.unneeded == ()
    assert report.faults() == ()


def test_there_is_a_file_for_each_department() -> None:
    departments = {file.stem for file in (POLICIES / "collections").glob("*.toml")}
    assert departments | {"it"} <= {file.stem for file in (POLICIES / "tests").glob("*.toml")}
