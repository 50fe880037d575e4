"""What is said of a bucket, by what was seen of it."""

from __future__ import annotations

from typing import Any

import pytest

from secvault.backup.access_check import judge_retention
from secvault.backup.bucket import ObjectLock
from secvault.backup.bucket_access import (
    Deletion,
    Public,
    judge_deletion,
    judge_public,
    public_access,
)
from secvault.config import PlanSettings
from tests.backup.bucket_answers import Bucket

NOTHING = Deletion(hide=False, destroy=False, unlock=True)
OWNER_ONLY = '{"Statement": {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam:::user/x"}}}'
EVERYBODY = '{"Statement": [{"Effect": "Allow", "Principal": {"AWS": ["*"]}}]}'


@pytest.mark.parametrize(
    ("may", "versions", "locked", "faults"),
    [
        (NOTHING, True, True, []),
        (NOTHING, False, False, []),
        (Deletion(hide=True, destroy=True, unlock=True), True, True, ["can hide"]),
        (Deletion(hide=True, destroy=False, unlock=True), True, False, ["can hide"]),
        (Deletion(hide=True, destroy=True, unlock=True), True, False, ["for good"]),
        # Without versions what is deleted is gone.
        (Deletion(hide=True, destroy=False, unlock=True), False, False, ["for good"]),
        (Deletion(hide=False, destroy=False, unlock=False), True, True, ["own locks"]),
    ],
)
def test_what_the_saving_credentials_could_destroy(
    may: Deletion, versions: bool, locked: bool, faults: list[str]
) -> None:
    found = judge_deletion(may, versions=versions, locked=locked)
    assert len(found) == len(faults)
    for finding, fault in zip(found, faults, strict=True):
        assert fault in finding.fault
        assert finding.mend


@pytest.mark.parametrize(
    ("bucket", "expected"),
    [
        (Bucket(), "no"),
        (Bucket(policy=OWNER_ONLY), "no"),
        (Bucket(policy=EVERYBODY), "yes"),
        (Bucket(policy=EVERYBODY.replace("]}}", ']}, "Condition": {"a": "b"}}')), "no"),
        (Bucket(policy='{"Statement": [{"Effect": "Deny", "Principal": "*"}]}'), "no"),
        (Bucket(policy="not JSON"), "yes"),
        (Bucket(policy=EVERYBODY, blocked=True), "no"),
        (Bucket(acl="http://acs.amazonaws.com/groups/global/AllUsers"), "yes"),
        (Bucket(acl="http://acs.amazonaws.com/groups/global/AllUsers", blocked=True), "no"),
        (Bucket(denied=("get_bucket_policy", "get_bucket_acl")), "unknown"),
        (Bucket(denied=("get_bucket_policy", "get_bucket_acl"), blocked=True), "no"),
        (Bucket(denied=("get_public_access_block",)), "no"),
    ],
)
def test_who_can_reach_a_bucket(bucket: Any, expected: Public) -> None:
    assert public_access(bucket, "bucket") == expected
    assert bool(judge_public(expected)) == (expected != "no")


@pytest.mark.parametrize(
    ("days", "said"),
    [(7, "and the lock is for 7"), (30, ""), (90, "keeps their bytes for up to 90")],
)
def test_retention_and_lock_are_held_against_each_other_in_either_direction(
    days: int, said: str
) -> None:
    plan = PlanSettings(keep_daily=30, keep_weekly=0, keep_monthly=0)
    found = [one.fault for one in judge_retention("nightly", plan, ObjectLock("COMPLIANCE", days))]
    assert len(found) == bool(said)
    assert all(said in one and "nightly" in one for one in found)
