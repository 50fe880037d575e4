"""restic for real, in buckets of a real S3 server."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from secvault.backup.bucket import held_by_lock, inspect_bucket, s3_client
from secvault.backup.repository import Repository, S3Credentials, S3Location
from secvault.backup.repository_faults import RepositoryDenied, RepositoryUnreachable
from secvault.backup.restic import Progress, Restic, Retention
from secvault.crypto.secret import Secret
from tests import quick_repository

pytestmark = pytest.mark.real


def ignore(_: Progress) -> None:
    """For whom progress does not matter."""


def repository_in(server: Any, bucket: str) -> Repository:
    credentials = S3Credentials(server.access_key, Secret.of(server.secret_key))
    location = f"s3:{server.endpoint}/{bucket}/some/prefix"
    return Repository(location, Secret.of("a password of the tests"), credentials)


def save(restic: Restic, repository: Repository, source: Path) -> str:
    saved = restic.backup(repository, [source], host="host", tags=("plan=a",), on_progress=ignore)
    return saved.snapshot_id


def test_a_locked_bucket_takes_backups_and_gives_them_back(
    restic: Restic, s3_server: Any, source: Path, tmp_path: Path
) -> None:
    repository = repository_in(s3_server, s3_server.new_bucket(object_lock_days=1))
    assert not restic.exists(repository)
    restic.init(repository)
    assert restic.exists(repository)
    restored = restic.restore(
        repository,
        save(restic, repository, source),
        tmp_path / "back",
        verify=True,
        on_progress=ignore,
    )
    assert restored.files == len([one for one in source.rglob("*") if one.is_file()]) - 1
    again = (tmp_path / "back" / source.relative_to("/")) / "deep/er/still/big.bin"
    assert again.read_bytes() == (source / "deep/er/still/big.bin").read_bytes()
    restic.check(repository, read_all=True)
    restic.unlock(repository)
    assert restic.locks(repository) == ()


def test_forgetting_in_a_locked_bucket_tells_what_the_lock_keeps(
    restic: Restic, s3_server: Any, source: Path
) -> None:
    bucket = s3_server.new_bucket(object_lock_days=1)
    repository = repository_in(s3_server, bucket)
    quick_repository.make(repository)
    first, second = save(restic, repository, source), save(restic, repository, source)

    report = restic.forget(repository, Retention(last=1), tags=("plan=a",), prune=True)

    assert [one.id for one in report.removed] == [first]
    assert [one.snapshot.id for one in report.kept] == [second]
    assert report.refused == ()
    client = s3_client(repository)
    assert isinstance(repository.place, S3Location)
    held = held_by_lock(
        client, repository.place, inspect_bucket(client, bucket).object_lock, datetime.now(UTC)
    )
    assert held.objects >= 1
    assert held.until is not None
    assert held.until > datetime.now(UTC) + timedelta(hours=23)
    # The bytes of the forgotten snapshot are there, and whoever holds the keys cannot delete them.
    key = f"some/prefix/snapshots/{first}"
    theirs = s3_server.client()
    (kept,) = theirs.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]
    with pytest.raises(ClientError, match="AccessDenied"):
        theirs.delete_object(Bucket=bucket, Key=key, VersionId=kept["VersionId"])


@pytest.mark.slow
def test_deletions_that_the_storage_refuses_are_reported_and_no_error(
    restic: Restic, s3_server: Any, source: Path
) -> None:
    bucket = s3_server.new_bucket()
    repository = repository_in(s3_server, bucket)
    quick_repository.make(repository)
    first, second = save(restic, repository, source), save(restic, repository, source)
    kept = ("snapshots", "data", "index")
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:DeleteObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/some/prefix/{kind}/*" for kind in kept],
    }
    s3_server.client().put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )

    report = restic.forget(repository, Retention(last=1), tags=("plan=a",), prune=True)

    assert report.removed == ()
    assert [one.id for one in report.refused] == [first]
    assert f"snapshot {first[:10]}" in report.refused_files
    assert [one.snapshot.id for one in report.kept] == [second]
    assert not report.pruned
    assert [one.id for one in restic.snapshots(repository)] == [first, second]


def test_wrong_credentials_and_a_dead_server_are_told_apart(restic: Restic, s3_server: Any) -> None:
    repository = repository_in(s3_server, s3_server.new_bucket())
    assert repository.credentials is not None
    wrong = replace(repository.credentials, secret_access_key=Secret.of("not-the-secret-key"))
    with pytest.raises(RepositoryDenied) as denied:
        restic.exists(replace(repository, credentials=wrong))
    assert "not-the-secret-key" not in denied.value.detail

    hasty = replace(restic, command=replace(restic.command, patience=1.0))
    with pytest.raises(RepositoryUnreachable):
        hasty.exists(replace(repository, location="s3:http://127.0.0.1:1/bucket"))


def test_s3_secrets_stand_in_the_environment_of_restic_alone(
    restic: Restic, s3_server: Any, large_source: Path
) -> None:
    repository = repository_in(s3_server, s3_server.new_bucket())
    quick_repository.make(repository)
    secret = s3_server.secret_key.encode()
    argued, holders, done = [], set(), threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    argued.append(secret in (process / "cmdline").read_bytes())
                    command = (process / "comm").read_text().strip()
                    if (
                        secret in (process / "environ").read_bytes()
                        and (b"TMPDIR=" + str(restic.command.scratch).encode())
                        in (process / "environ").read_bytes()
                    ):
                        holders.add(command)
                except OSError:
                    continue  # it has ended, or is not ours

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        save(restic, repository, large_source)
    finally:
        done.set()
        watching.join(300)
    assert not any(argued)
    assert holders <= {"restic", "setpriv"}
    assert "restic" in holders
