from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from secvault.backup.bucket import (
    BucketReport,
    ObjectLock,
    S3Client,
    ensure_bucket,
    held_by_lock,
    inspect_bucket,
    judge,
    s3_client,
)
from secvault.backup.repository import Repository, S3Credentials, S3Location
from secvault.backup.repository_faults import RepositoryDenied, RepositoryUnreachable
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
COMPLIANCE = ObjectLock("COMPLIANCE", 30)


def repository_at(server: Any, bucket: str, *, key: str = "") -> Repository:
    credentials = S3Credentials(server.access_key, Secret.of(key or server.secret_key))
    return Repository(f"s3:{server.endpoint}/{bucket}", Secret.of("password"), credentials)


def fresh_name() -> str:
    return f"bucket-{secrets.token_hex(6)}"


@pytest.fixture
def client(s3_server: Any) -> S3Client:
    return s3_client(repository_at(s3_server, "any-bucket"))


@pytest.mark.real
def test_a_bucket_that_is_not_there_is_reported_as_such(client: S3Client) -> None:
    name = fresh_name()
    assert inspect_bucket(client, name) == BucketReport(name, exists=False)


@pytest.mark.real
def test_a_plain_bucket_is_made_once(client: S3Client) -> None:
    name = fresh_name()
    made = ensure_bucket(client, name, object_lock=None)
    assert made == BucketReport(name, exists=True)
    assert ensure_bucket(client, name, object_lock=None) == made


@pytest.mark.real
def test_a_locked_bucket_keeps_versions_and_locks_every_object(client: S3Client) -> None:
    name = fresh_name()
    made = ensure_bucket(client, name, object_lock=COMPLIANCE)
    assert made == BucketReport(name, True, "enabled", True, COMPLIANCE)
    assert judge(made, days=30).immutable


@pytest.mark.real
def test_a_lock_is_made_stronger_and_never_weaker(client: S3Client) -> None:
    name = fresh_name()
    for asked, left in (
        (ObjectLock("GOVERNANCE", 5), ObjectLock("GOVERNANCE", 5)),
        (ObjectLock("COMPLIANCE", 2), ObjectLock("COMPLIANCE", 5)),
        (ObjectLock("GOVERNANCE", 9), ObjectLock("COMPLIANCE", 9)),
        (ObjectLock("COMPLIANCE", 1), ObjectLock("COMPLIANCE", 9)),
    ):
        assert ensure_bucket(client, name, object_lock=asked).object_lock == left


@pytest.mark.real
def test_a_bucket_that_cannot_lock_is_not_taken_for_one_that_does(
    s3_server: Any, client: S3Client
) -> None:
    with pytest.raises(Conflict, match="new bucket"):
        ensure_bucket(client, s3_server.new_bucket(), object_lock=COMPLIANCE)


@pytest.mark.real
def test_wrong_credentials_are_told_and_not_shown(s3_server: Any) -> None:
    wrong = s3_client(repository_at(s3_server, "any-bucket", key="not-the-secret-key"))
    with pytest.raises(RepositoryDenied) as caught:
        inspect_bucket(wrong, s3_server.new_bucket())
    assert "not-the-secret-key" not in caught.value.detail


@pytest.mark.real
def test_what_is_deleted_in_a_locked_bucket_is_held_until_its_time(
    s3_server: Any, client: S3Client
) -> None:
    name = s3_server.new_bucket(object_lock_days=1)
    theirs = s3_server.client()
    for key in ("here/data/one", "here/data/two", "here/locks/three", "elsewhere/data/four"):
        theirs.put_object(Bucket=name, Key=key, Body=b"12345")
        if not key.endswith("two"):
            theirs.delete_object(Bucket=name, Key=key)
    place = S3Location(s3_server.endpoint, name, "here")
    lock = inspect_bucket(client, name).object_lock
    now = datetime.now(UTC)

    held = held_by_lock(client, place, lock, now)
    assert (held.objects, held.bytes) == (1, 5)
    assert held.until is not None
    assert timedelta(hours=23) < held.until - now < timedelta(hours=25)
    assert held_by_lock(client, place, lock, now + timedelta(days=2)).objects == 0
    assert held_by_lock(client, place, None, now).objects == 0


def test_a_server_that_does_not_answer_is_unreachable() -> None:
    credentials = S3Credentials("AKIDEXAMPLE", Secret.of("secret"))
    client = s3_client(Repository("s3:http://127.0.0.1:1/bucket", Secret.of("p"), credentials))
    with pytest.raises(RepositoryUnreachable, match="bucket"):
        inspect_bucket(client, "bucket")


def test_a_folder_has_no_client() -> None:
    with pytest.raises(InvalidInput, match="location"):
        s3_client(Repository("/srv/backup", Secret.of("p")))


@pytest.mark.parametrize("days", [0, -1, 36_501])
def test_a_lock_without_a_sensible_time_is_refused(days: int) -> None:
    with pytest.raises(InvalidInput, match="days"):
        ensure_bucket(Answering({}), "bucket", object_lock=ObjectLock("COMPLIANCE", days))


@pytest.mark.parametrize(
    ("report", "faults"),
    [
        (BucketReport("b", True, "enabled", True, COMPLIANCE), []),
        (BucketReport("b", False), ["not there"]),
        (BucketReport("b", True), ["versions", "not locked"]),
        (BucketReport("b", True, "enabled", True), ["not locked"]),
        (BucketReport("b", True, "suspended", True, COMPLIANCE), ["versions"]),
        (
            BucketReport("b", True, "enabled", True, ObjectLock("GOVERNANCE", 7)),
            ["GOVERNANCE", "7 days only"],
        ),
    ],
)
def test_the_verdict_names_each_fault_and_its_mend(report: BucketReport, faults: list[str]) -> None:
    verdict = judge(report, days=30)
    assert verdict.immutable == (not faults)
    assert len(verdict.findings) == len(faults)
    for finding, fault in zip(verdict.findings, faults, strict=True):
        assert fault in finding.fault
        assert finding.mend


def test_a_retention_in_years_counts_in_days() -> None:
    client = Answering({"Mode": "COMPLIANCE", "Years": 2})
    assert inspect_bucket(client, "bucket").object_lock == ObjectLock("COMPLIANCE", 730)


@dataclass
class Answering:
    """A server that has one bucket with this default retention."""

    retention: Mapping[str, Any]
    changes: list[Mapping[str, Any]] = field(default_factory=list)

    def head_bucket(self, **request: Any) -> Mapping[str, Any]:
        return {}

    def create_bucket(self, **request: Any) -> Mapping[str, Any]:
        raise AssertionError("it is there already")

    def get_bucket_versioning(self, **request: Any) -> Mapping[str, Any]:
        return {"Status": "Enabled"}

    def get_object_lock_configuration(self, **request: Any) -> Mapping[str, Any]:
        rule = {"DefaultRetention": self.retention}
        return {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", "Rule": rule}}

    def put_object_lock_configuration(self, **request: Any) -> Mapping[str, Any]:
        self.changes.append(request)
        return {}

    def get_paginator(self, operation: str) -> Callable[..., Any]:
        raise AssertionError("nothing is listed")
