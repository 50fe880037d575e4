"""An attacker with secvault's own credentials for backups, against Object Lock in COMPLIANCE mode.

The test is the attacker: it has the key of the bucket and the password of the repository, and does
whatever may destroy the snapshots. Afterwards the versions of before are still there, the bucket is
made to show them again, and what was saved restores bit by bit.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from secvault.backup import bucket_locks
from secvault.backup.bucket import inspect_bucket, judge, s3_client
from secvault.backup.repository import KEYS, S3Location
from secvault.backup.repository_faults import RepositoryGone
from tests.acceptance.backed_up import BackedUp, backed_up

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("quick_repositories"),
]

SOON_SECONDS = 30.0
Version = tuple[str, str]
"""An object's name and the id of one of its versions."""


@pytest.fixture
def made(s3_server: Any, tmp_path: Path) -> Iterator[BackedUp]:
    settings = {
        "location": f"s3:{s3_server.endpoint}/{s3_server.new_bucket(object_lock_days=1)}/vault",
        "access_key_id": s3_server.access_key,
        "secret_access_key": s3_server.secret_key,
    }
    with backed_up(tmp_path, repository=settings) as made:
        yield made


def versions(client: Any, bucket: str) -> dict[Version, dict[str, Any]]:
    found: dict[Version, dict[str, Any]] = {}
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for one in page.get("Versions", ()):
            found[one["Key"], one["VersionId"]] = one
    return found


def refused(act: Callable[[], object]) -> bool:
    """Whether the server refuses it."""
    try:
        act()
    except ClientError:
        return True
    return False


def attack(client: Any, bucket: str) -> None:
    """Everything that somebody with these credentials may try to make the backups go away."""
    soon = datetime.now(UTC) + timedelta(seconds=1)
    before = versions(client, bucket)
    for key, version in before:
        of_it = {"Bucket": bucket, "Key": key, "VersionId": version}
        assert refused(lambda of_it=of_it: client.delete_object(**of_it)), key  # type: ignore[misc]
        assert refused(
            lambda of_it=of_it: client.delete_object(  # type: ignore[misc]
                **of_it, BypassGovernanceRetention=True
            )
        ), key
        for mode in ("COMPLIANCE", "GOVERNANCE"):
            shorter = {"Mode": mode, "RetainUntilDate": soon}
            assert refused(
                lambda of_it=of_it, shorter=shorter: client.put_object_retention(  # type: ignore[misc]
                    **of_it, Retention=shorter, BypassGovernanceRetention=True
                )
            ), key
    listed = [{"Key": key, "VersionId": version} for key, version in before]
    together = client.delete_objects(Bucket=bucket, Delete={"Objects": listed})
    assert together.get("Deleted", []) == []
    assert len(together["Errors"]) == len(listed)
    # These do not fail, and only hide what is there.
    for key in {key for key, _ in before}:
        client.put_object(Bucket=bucket, Key=key, Body=b"encrypted by somebody else")
        client.delete_object(Bucket=bucket, Key=key)
    assert refused(
        lambda: client.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}
        )
    )
    assert refused(lambda: client.delete_bucket(Bucket=bucket))
    at_once = {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1},
               "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}  # fmt: skip
    for may_succeed in (
        lambda: client.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration={"Rules": [at_once]}
        ),
        # What is saved from now on is locked for less; what is there keeps its time.
        lambda: client.put_object_lock_configuration(
            Bucket=bucket,
            ObjectLockConfiguration={
                "ObjectLockEnabled": "Enabled",
                "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
            },
        ),
        lambda: client.put_bucket_policy(
            Bucket=bucket,
            Policy=json.dumps({"Version": "2012-10-17", "Statement": [{
                "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
                "Resource": f"arn:aws:s3:::{bucket}/other/*"}]}),
        ),
    ):  # fmt: skip
        with suppress(ClientError):
            may_succeed()
    for key, version in before:
        of_it = {"Bucket": bucket, "Key": key, "VersionId": version}
        assert refused(lambda of_it=of_it: client.delete_object(**of_it)), key  # type: ignore[misc]


def test_who_holds_our_credentials_cannot_destroy_what_the_lock_keeps(
    made: BackedUp, s3_server: Any, tmp_path: Path
) -> None:
    content = made.content[-1]
    (snapshot,) = made.snapshots()
    engine = made.vault.engine
    repository = engine.repository("local")
    assert isinstance(repository.place, S3Location)
    bucket = repository.place.bucket
    client = s3_server.client()
    assert judge(inspect_bucket(s3_client(repository), bucket), days=1).immutable
    before = versions(client, bucket)
    # Times of objects are whole seconds on some servers.
    moment = max(one["LastModified"] for one in before.values())

    # With restic and the password first, then with the bare protocol.
    made.vault.planned(keep_last=1).back_up("run-2")
    made.runs = 2
    deadline = time.monotonic() + SOON_SECONDS
    while not ((held := engine.held_by_lock("local")) and held.objects):
        # Seen once on a loaded machine: the listing of versions had no deletion yet.
        assert time.monotonic() < deadline, made.vault.snapshots()
        time.sleep(0.2)
    assert held.until is not None
    assert held.until > datetime.now(UTC) + timedelta(hours=20)
    command = engine.restic.command
    command.run(repository, "unlock", "--remove-all")
    for one in made.snapshots():
        command.run(repository, "forget", "--prune", one)
    assert made.snapshots() == set()
    attack(client, bucket)

    # Secvault tells, and makes nothing new over it.
    assert not judge(inspect_bucket(s3_client(repository), bucket), days=1).immutable
    assert isinstance(made.fail(), RepositoryGone)
    assert set(before) <= set(versions(client, bucket))

    for name in ("local", f"local{KEYS}"):
        there = engine.repository(name)
        assert isinstance(there.place, S3Location)
        for hidden in bucket_locks.hidden_since(s3_client(there), there.place, moment):
            bucket_locks.bring_back(s3_client(there), there.place, hidden)
    made.heals({snapshot})
    made.comes_back(snapshot, tmp_path / "back", content)
