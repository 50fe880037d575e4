"""Repositories in buckets of a real S3 server, saved into by one user and pruned by another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pydantic import SecretStr

from secvault.backup import access_check, bucket, bucket_locks, copies, rotation
from secvault.backup.bucket_access import Deletion, deletion, public_access
from secvault.backup.lock_extension import Extended, extend_locks
from secvault.backup.repository import KEYS, S3Location
from secvault.backup.rotation import Rotated
from secvault.clock import system_clock
from secvault.config import RepositorySettings
from tests.backup.small_vault import PLAN, SmallVault, small_vault

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]

OWNER = "arn:aws:iam:::user/secvault"
GUEST = "arn:aws:iam:::user/secvault-guest"
SAVING = ("s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:GetBucketLocation")


def grant(server: Any, name: str, *actions: str, only: str = "") -> dict[str, Any]:
    """What a bucket's policy says to let the guest do these things, or below `only`."""
    below = f"arn:aws:s3:::{name}/{only}*"
    return {
        "Effect": "Allow",
        "Principal": {"AWS": [GUEST]},
        "Action": list(actions),
        "Resource": [below] if only else [f"arn:aws:s3:::{name}", below],
    }


def allow(server: Any, name: str, *statements: dict[str, Any]) -> None:
    # What the guest writes is the guest's own here, unless the owner is let in: Amazon's buckets
    # belong to their owner with all that is in them.
    own = {**grant(server, name, "s3:*"), "Principal": {"AWS": [OWNER]}}
    policy = {"Version": "2012-10-17", "Statement": [own, *statements]}
    server.client().put_bucket_policy(Bucket=name, Policy=json.dumps(policy))


def append_only(server: Any, name: str) -> RepositorySettings:
    """The guest saves and cannot delete but locks; the owner of the bucket prunes."""
    allow(
        server,
        name,
        grant(server, name, *SAVING),
        grant(server, name, "s3:DeleteObject", only="repository/locks/"),
        grant(server, name, "s3:DeleteObject", only="repository-data-keys/locks/"),
    )
    return RepositorySettings(
        location=f"s3:{server.endpoint}/{name}/repository",
        access_key_id=server.guest_access_key,
        secret_access_key=server.guest_secret_key,
        prune_access_key_id=server.access_key,
        prune_secret_access_key=server.secret_key,
    )


def owned(server: Any, name: str) -> RepositorySettings:
    return RepositorySettings(
        location=f"s3:{server.endpoint}/{name}/repository",
        access_key_id=server.access_key,
        secret_access_key=server.secret_key,
        storage_class="STANDARD",
    )


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[SmallVault]:
    with small_vault(tmp_path) as made:
        yield made


def place_of(vault: SmallVault, name: str = "local") -> tuple[Any, S3Location]:
    repository = vault.engine.repository(name).pruner()
    assert isinstance(repository.place, S3Location)
    return bucket.s3_client(repository), repository.place


def at_this_moment(vault: SmallVault) -> SmallVault:
    """Buckets date objects by their own clock."""
    vault.hands.seconds = system_clock().micros() / 1_000_000
    return vault


def test_who_saves_cannot_delete_and_the_pruning_role_can(
    vault: SmallVault, s3_server: Any
) -> None:
    name = s3_server.new_bucket()
    vault.repositories.settings["local"] = append_only(s3_server, name)
    vault = vault.planned(keep_last=1, keep_daily=0, keep_weekly=0, keep_monthly=0)
    first, _ = vault.back_up("run-1")
    second, retained = vault.back_up("run-2")
    assert [one.id for one in retained.forgotten.removed] == [first.snapshot]
    assert retained.forgotten.refused_files == ()
    assert retained.forgotten.pruned
    assert [one.id for one in vault.snapshots()] == [second.snapshot]
    assert vault.engine.restic.locks(vault.engine.repository("local")) == ()

    saver = replace(vault.engine.repository("local"), pruning=None)
    assert isinstance(saver.place, S3Location)
    may = deletion(bucket.s3_client(saver), saver.place, vault.engine.random)
    assert may == Deletion(hide=False, destroy=False, unlock=True)
    report = access_check.check(vault.engine, "local", 30)
    assert report.made
    faults = " ".join(one.fault for one in report.findings)
    assert "the credentials for saving" not in faults
    assert "anybody" not in faults
    assert "versions are not kept" in faults


def test_trying_to_delete_leaves_nothing_behind(vault: SmallVault, s3_server: Any) -> None:
    name = s3_server.new_bucket(object_lock_days=1)
    vault.repositories.settings["local"] = owned(s3_server, name)
    client, place = place_of(vault)
    may = deletion(client, place, vault.engine.random)
    assert may == Deletion(hide=True, destroy=True, unlock=True)
    listed = s3_server.client().list_object_versions(Bucket=name)
    assert "Versions" not in listed
    assert "DeleteMarkers" not in listed


def test_the_verdict_names_what_an_attacker_could_do_and_the_mend(
    vault: SmallVault, s3_server: Any
) -> None:
    plain, locked = s3_server.new_bucket(), s3_server.new_bucket(object_lock_days=30)
    vault.repositories.settings.update(local=owned(s3_server, plain), far=owned(s3_server, locked))
    vault = vault.planned(copies=("far",), keep_daily=14, keep_weekly=0, keep_monthly=0)

    open_to_all = access_check.check(vault.engine, "local", 30)
    assert not open_to_all.immutable
    assert any("delete backups for good" in one.fault for one in open_to_all.findings)
    assert all(one.mend for one in open_to_all.findings)

    kept = access_check.check(vault.engine, "far", 30)
    assert kept.immutable
    assert kept.public == "no"
    assert ["can hide backups" in one.fault for one in kept.findings] == [True]
    (hint,) = kept.hints
    assert "gives snapshots up after 14 days, and the lock keeps" in hint.fault

    keys = access_check.look(vault.engine, "far" + KEYS, 30)
    assert not keys.immutable
    assert any("keeps data keys for 30 days" in one.fault for one in keys.findings)

    missing = RepositorySettings(
        location=f"s3:{s3_server.endpoint}/{plain}-none/x",
        access_key_id=s3_server.access_key,
        secret_access_key=s3_server.secret_key,
    )
    vault.repositories.settings["local"] = missing
    gone = access_check.check(vault.engine, "local", 30)
    assert gone.made is False
    assert ["not there" in one.fault for one in gone.findings] == [True]


def test_a_bucket_that_anybody_reads_is_found(s3_server: Any) -> None:
    name = s3_server.new_bucket()
    client = s3_server.client()
    assert public_access(client, name) == "no"
    everybody = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{name}/*"],
    }
    allow(s3_server, name, everybody)
    assert public_access(client, name) == "yes"
    client.delete_bucket_policy(Bucket=name)
    client.put_bucket_acl(Bucket=name, ACL="public-read")
    assert public_access(client, name) == "yes"


def test_locks_of_what_snapshots_need_are_extended_and_of_what_is_forgotten_not(
    vault: SmallVault, s3_server: Any
) -> None:
    name = s3_server.new_bucket(object_lock_days=8)
    vault.repositories.settings["local"] = owned(s3_server, name)
    vault = at_this_moment(vault).planned(keep_last=1, keep_daily=0, keep_weekly=0, keep_monthly=0)
    first, retained = vault.back_up("run-1")
    # All of it is young: locked for eight days as it is.
    assert retained.extended == Extended(0)

    vault.hands.seconds += 86_400 * 3
    second, again = vault.back_up("run-2")
    assert again.extended is not None
    assert again.extended.objects > 0
    client, _ = place_of(vault)
    until = datetime.fromtimestamp(vault.hands.seconds, UTC) + timedelta(days=8)

    def locked_until(key: str, **version: str) -> datetime:
        head = client.get_object_retention(Bucket=name, Key=f"repository/{key}", **version)
        moment: datetime = head["Retention"]["RetainUntilDate"]
        return moment

    for key in ("config", f"snapshots/{second.snapshot}"):
        assert abs(locked_until(key) - until) < timedelta(minutes=5)
    # Hidden by now, and its lock runs out as it was.
    old = client.list_object_versions(Bucket=name, Prefix=f"repository/snapshots/{first.snapshot}")[
        "Versions"
    ][0]
    was = locked_until(f"snapshots/{first.snapshot}", VersionId=old["VersionId"])
    assert until - was > timedelta(days=2)
    # The data keys beside it are to go: nobody extends them.
    keys = client.list_objects_v2(Bucket=name, Prefix="repository-data-keys/config")["Contents"]
    left = client.get_object_retention(Bucket=name, Key=keys[0]["Key"])["Retention"]
    assert left["RetainUntilDate"] < until - timedelta(days=2)
    assert extend_locks(vault.engine, "local") is None


@pytest.mark.slow
def test_a_role_that_may_not_extend_locks_is_told_of(vault: SmallVault, s3_server: Any) -> None:
    name = s3_server.new_bucket(object_lock_days=8)
    vault.repositories.settings["local"] = owned(s3_server, name)
    vault = at_this_moment(vault)
    vault.back_up("run-1")
    everything = [
        "s3:GetObject*",
        "s3:PutObject",
        "s3:ListBucket*",
        "s3:GetBucket*",
        "s3:DeleteObject*",
    ]
    allow(s3_server, name, grant(s3_server, name, *everything))
    vault.repositories.settings["local"] = append_only_role(s3_server, name)
    vault.hands.seconds += 86_400 * 3
    assert extend_locks(vault.engine, "local") == Extended(0, refused=True)
    report = access_check.check(vault.engine, "local", 8)
    assert any("cannot be extended" in one.fault for one in report.findings)


def append_only_role(server: Any, name: str) -> RepositorySettings:
    """Pruned by the guest, who may do less than the owner."""
    return RepositorySettings(
        location=f"s3:{server.endpoint}/{name}/repository",
        access_key_id=server.access_key,
        secret_access_key=server.secret_key,
        prune_access_key_id=server.guest_access_key,
        prune_secret_access_key=server.guest_secret_key,
    )


def test_what_an_attacker_hides_and_overwrites_is_brought_back(
    vault: SmallVault, s3_server: Any
) -> None:
    name = s3_server.new_bucket(object_lock_days=1)
    vault.repositories.settings["local"] = owned(s3_server, name)
    saved, _ = vault.back_up("run-1")
    client, place = place_of(vault)
    listed = client.list_objects_v2(Bucket=name, Prefix="repository/")["Contents"]
    before = max(one["LastModified"] for one in listed) + timedelta(seconds=1)
    Event().wait(1.2)
    for one in listed:
        versions = client.list_object_versions(Bucket=name, Prefix=one["Key"])["Versions"]
        with pytest.raises(ClientError, match="AccessDenied"):
            client.delete_object(Bucket=name, Key=one["Key"], VersionId=versions[0]["VersionId"])
        client.delete_object(Bucket=name, Key=one["Key"])
    client.put_object(Bucket=name, Key="repository/config", Body=b"ransom")
    assert "Contents" not in client.list_objects_v2(Bucket=name, Prefix="repository/snapshots/")

    hidden = bucket_locks.hidden_since(client, place, before)
    assert {one.key for one in hidden} == {one["Key"] for one in listed}
    for one in hidden:
        bucket_locks.bring_back(client, place, one)

    assert [one.id for one in vault.snapshots()] == [saved.snapshot]
    vault.engine.restic.check(vault.engine.opened_repository("local"), read_all=True)
    assert bucket_locks.hidden_since(client, place, datetime.now(UTC)) == ()


@pytest.mark.slow
def test_a_password_is_changed_where_who_saves_cannot_delete(
    vault: SmallVault, s3_server: Any
) -> None:
    name = s3_server.new_bucket()
    settings = append_only(s3_server, name)
    vault.repositories.settings["local"] = settings
    engine = vault.engine
    engine.ready_repository("local")
    # With the pruning role's credentials the old key goes.
    assert rotation.rotate(engine, "local") == Rotated("local", old_opens=False)
    # Without them the storage keeps it, and that is told.
    vault.repositories.settings["local"] = settings.model_copy(
        update={"prune_access_key_id": "", "prune_secret_access_key": SecretStr("")}
    )
    vault.hands.seconds += 1
    assert rotation.rotate(engine, "local") == Rotated("local", old_opens=True, refused=True)
    assert engine.restic.identity(engine.repository("local"))


@pytest.mark.slow
def test_two_buckets_of_different_owners_are_saved_into_one_after_the_other(
    vault: SmallVault, s3_server: Any
) -> None:
    # One restic takes one access key: it cannot copy from the one to the other.
    ours, theirs = s3_server.new_bucket(), s3_server.new_bucket()
    vault.repositories.settings.update(
        local=owned(s3_server, ours), far=append_only(s3_server, theirs)
    )
    vault = vault.planned(copies=("far",))
    vault.back_up("run-1")
    (made,) = copies.of_run(vault.engine, "run-1")
    assert (made.way, made.state) == ("run", "done")
    # Two buckets of one owner are copied between.
    vault.repositories.settings["far"] = owned(s3_server, s3_server.new_bucket())
    vault.back_up("run-2")
    (again,) = copies.of_run(vault.engine, "run-2")
    assert (again.way, again.state) == ("copy", "done")
    assert again.snapshot in {one.id for one in copies.snapshots(vault.engine, PLAN, "far")}
