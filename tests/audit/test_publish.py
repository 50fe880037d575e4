"""Publishing the log: into a folder, and into a bucket of a real S3 server under Object Lock."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from secvault.audit import AuditLog, Event, publication, verify_export
from secvault.audit.bucket_place import BucketPlace
from secvault.audit.checkpoints import StoredCheckpoint, sign_head
from secvault.audit.nodes import keep_nodes
from secvault.audit.places import FolderPlace, Placed
from secvault.audit.publication import State
from secvault.audit.publish import CONTRADICTED, EMPTIED, UNLOCKED, Target, lock_fault, publish
from secvault.backup.bucket import connect
from secvault.backup.repository import S3Credentials, S3Location
from secvault.clock import Clock, system_clock
from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, Damaged, Unavailable
from secvault.store import Store
from secvault.store.tables import audit_publication
from tests.audit.conftest import ORIGIN
from tests.conftest import S3Server

BASE = "vault/audit"
DAY = 86_400 * 1_000_000

Grow = Callable[[int], StoredCheckpoint]


def growing(
    store: Store, clock: Clock, signer: NoteSigner, reading: Callable[[int], Event]
) -> Grow:
    """Record so many events and sign the log."""

    def more(events: int) -> StoredCheckpoint:
        log = AuditLog(store, clock, node="node-1")
        log.record_many(reading(number) for number in range(events))
        log.close()
        keep_nodes(store)
        return sign_head(store, clock, signer, origin=ORIGIN)

    return more


@pytest.fixture
def grow(
    sqlite_store: Store, stepping: Clock, signer: NoteSigner, reading: Callable[[int], Event]
) -> Grow:
    """The log of `sqlite_store` grows."""
    return growing(sqlite_store, stepping, signer, reading)


@pytest.fixture
def folder(tmp_path: Path) -> Target:
    """A folder to publish into."""
    place = tmp_path / "published"
    place.mkdir()
    return Target("second", FolderPlace(place), BASE, 30)


def at(store: Store, target: Target, signed: StoredCheckpoint, signer: NoteSigner) -> State:
    """Publish, by the real time."""
    return publish(store, system_clock(), target, signed, [signer.verifier()])


def verdict(target: Target, signer: NoteSigner) -> dict[str, Any]:
    """What the auditor's one file says of the folder."""
    assert isinstance(target.place, FolderPlace)
    return verify_export.verify(target.place.path / BASE, signer.verifier().vkey, [])


def test_what_is_published_is_a_log_that_anybody_verifies(
    any_store: Store,
    folder: Target,
    stepping: Clock,
    signer: NoteSigner,
    reading: Callable[[int], Event],
) -> None:
    grow = growing(any_store, stepping, signer, reading)
    for events in (3, 300, 1, 700):
        signed = grow(events)
        state = at(any_store, folder, signed, signer)
        assert (state.fault, state.size) == ("", signed.size)
        found = verdict(folder, signer)
        assert (found["intact"], found["entries"]) == (True, signed.size), found["problems"]
    notes = list(publication.some_published(folder.place, BASE))
    assert [int(note.split(b"\n")[1]) for note in notes] == [3, 303, 304, 1004]
    with any_store.read() as connection:
        assert publication.state_of(connection, "second").size == 1004


def test_a_place_that_was_away_is_caught_up_with(
    sqlite_store: Store, folder: Target, grow: Grow, signer: NoteSigner
) -> None:
    assert isinstance(folder.place, FolderPlace)
    at(sqlite_store, folder, grow(10), signer)
    away = folder.place.path.rename(folder.place.path.with_name("away"))
    failed = at(sqlite_store, folder, grow(600), signer)
    assert failed.fault == "unavailable"
    assert (failed.size, failed.failing_since > 0) == (10, True)
    away.rename(folder.place.path)
    state = at(sqlite_store, folder, grow(1), signer)
    assert (state.fault, state.size, state.failing_since) == ("", 611, 0)
    assert verdict(folder, signer)["intact"]


def test_publishing_that_is_cut_off_goes_on_where_it_was(
    sqlite_store: Store, folder: Target, grow: Grow, signer: NoteSigner
) -> None:
    signed = grow(1500)
    left = iter([False] * 4 + [True] * 9)
    cut = publish(
        sqlite_store,
        system_clock(),
        folder,
        signed,
        [signer.verifier()],
        lambda: next(left),
    )
    assert (cut.fault, cut.size) == ("", 0)
    assert at(sqlite_store, folder, signed, signer).size == 1500
    assert verdict(folder, signer)["intact"]


def test_nothing_is_published_that_contradicts_what_was(
    sqlite_store: Store, folder: Target, grow: Grow, signer: NoteSigner, tmp_path: Path
) -> None:
    """A store that is put back to an older copy, and goes on from there with the right key."""
    grow(20)
    copy = tmp_path / "copy.db"
    with sqlite_store.write() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql(f"VACUUM INTO '{copy}'")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    at(sqlite_store, folder, grow(30), signer)
    before = sorted(publication.some_published(folder.place, BASE))
    with sqlite_store.write() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql(f"ATTACH '{copy}' AS old")
        for table in ("audit_event", "audit_head", "audit_checkpoint", "audit_node"):
            for trigger in connection.exec_driver_sql(
                "SELECT name FROM main.sqlite_master WHERE type='trigger' AND tbl_name=?", (table,)
            ).scalars():
                connection.exec_driver_sql(f"DROP TRIGGER {trigger}")
            connection.exec_driver_sql(f"DELETE FROM main.{table}")
            connection.exec_driver_sql(f"INSERT INTO main.{table} SELECT * FROM old.{table}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    for events in (5, 100):
        state = at(sqlite_store, folder, grow(events), signer)
        assert state.fault == CONTRADICTED
        assert "50 events" in state.detail
    assert sorted(publication.some_published(folder.place, BASE)) == before


def test_a_place_that_was_emptied_is_filled_again_and_it_is_told(
    sqlite_store: Store, folder: Target, grow: Grow, signer: NoteSigner
) -> None:
    assert isinstance(folder.place, FolderPlace)
    signed = grow(300)
    at(sqlite_store, folder, signed, signer)
    shutil.rmtree(folder.place.path / "vault")
    assert at(sqlite_store, folder, signed, signer).fault == EMPTIED
    assert verdict(folder, signer)["intact"]
    assert at(sqlite_store, folder, signed, signer).fault == ""


def test_a_tile_that_was_changed_in_the_folder_is_found(
    sqlite_store: Store, folder: Target, grow: Grow, signer: NoteSigner
) -> None:
    assert isinstance(folder.place, FolderPlace)
    place = folder.place
    place.put_once("a/b", b"one", 0)
    with pytest.raises(Damaged, match="something else"):
        place.put_once("a/b", b"two", 0)
    assert place.get("a/b") == b"one"
    assert (place.path / "a/b").stat().st_mode & 0o222 == 0
    assert list(place.names("a")) == ["a/b"]
    assert place.get("a/c") is None


def test_the_checkpoints_of_a_folder_are_found_in_the_order_of_their_sizes(
    folder: Target,
) -> None:
    for size in (9, 1_000, 999_999, 1_000_000):
        folder.place.put_once(publication.checkpoint_name(BASE, size), b"%d" % size, 0)
    beyond = publication.checkpoint_name(BASE, 999_999)
    assert folder.place.last_beyond(f"{BASE}/checkpoints", beyond) == b"1000000"
    last = publication.checkpoint_name(BASE, 1_000_000)
    assert folder.place.last_beyond(f"{BASE}/checkpoints", last) is None


@pytest.fixture
def locked(s3_server: S3Server) -> Target:
    """A bucket that can lock, without a lock by default."""
    name = f"{s3_server.new_bucket()}-locked"
    s3_server.client().create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return Target("bucket", BucketPlace(s3_server.client, name, "logs", "COMPLIANCE"), BASE, 1)


@pytest.mark.real
def test_in_a_bucket_each_object_is_locked_for_the_time_asked_for_and_cannot_be_deleted(
    sqlite_store: Store, locked: Target, grow: Grow, signer: NoteSigner, s3_server: S3Server
) -> None:
    assert isinstance(locked.place, BucketPlace)
    signed = grow(300)
    began = system_clock().micros()
    assert at(sqlite_store, locked, signed, signer) == replace(
        State("bucket", ORIGIN, 300, 256),
        published_at=pytest.approx(began, abs=60e6),
        tried_at=pytest.approx(began, abs=60e6),
    )
    with sqlite_store.read() as connection:
        last = publication.last_published(connection, "bucket")
    assert last is not None
    assert (last.mode, last.retain_until >= began + DAY) == ("COMPLIANCE", True)
    client = s3_server.client()
    found = client.list_object_versions(Bucket=locked.place.bucket)["Versions"]
    assert (
        len(found) == 7
    )  # two bundles and level 0 in two tiles, level 1, and the checkpoint twice
    for each in found:
        key = {"Bucket": locked.place.bucket, "Key": each["Key"], "VersionId": each["VersionId"]}
        assert client.head_object(**key)["ObjectLockMode"] == "COMPLIANCE"
        with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
            client.delete_object(**key)
    assert last.version in {each["VersionId"] for each in found}
    # Again: nothing is put twice.
    assert at(sqlite_store, locked, signed, signer).fault == ""
    assert len(client.list_object_versions(Bucket=locked.place.bucket)["Versions"]) == 7


@pytest.mark.real
def test_what_is_put_on_top_in_a_bucket_or_hidden_there_does_not_hide_what_was_published(
    sqlite_store: Store, locked: Target, grow: Grow, signer: NoteSigner, s3_server: S3Server
) -> None:
    assert isinstance(locked.place, BucketPlace)
    place, client = locked.place, s3_server.client()
    at(sqlite_store, locked, grow(5), signer)
    at(sqlite_store, locked, grow(5), signer)
    names = sorted(place.names(f"{BASE}/checkpoints"))
    genuine = [place.get(name) for name in names]
    client.put_object(Bucket=place.bucket, Key=f"logs/{names[0]}", Body=b"forged")
    client.delete_object(Bucket=place.bucket, Key=f"logs/{names[1]}")
    client.delete_object(Bucket=place.bucket, Key=f"logs/{BASE}/checkpoint")
    assert list(publication.some_published(place, BASE)) == genuine
    assert publication.newest_published(place, BASE, 10) == genuine[1]
    # A store that was put back to 5 events looks for more.
    assert publication.newest_published(place, BASE, 5) == genuine[1]
    with pytest.raises(Damaged):
        place.put_once(names[1], b"another", 0)


@pytest.mark.real
def test_a_bucket_that_cannot_lock_is_refused_unless_no_lock_is_asked_for(
    sqlite_store: Store, grow: Grow, signer: NoteSigner, s3_server: S3Server
) -> None:
    place = BucketPlace(s3_server.client, s3_server.new_bucket())
    signed = grow(3)
    state = at(sqlite_store, Target("open", place, BASE, 1), signed, signer)
    assert (state.fault, state.size) == ("conflict", 0)
    assert "Object Lock" in state.detail
    with pytest.raises(Conflict):
        place.check()
    unlocked = Target("open", replace(place, mode=""), BASE, 1)
    assert at(sqlite_store, unlocked, signed, signer).size == 3
    assert unlocked.place.get(f"{BASE}/checkpoint") == signed.note


@pytest.mark.real
def test_a_store_that_takes_the_lock_and_does_nothing_is_told(
    sqlite_store: Store, locked: Target, grow: Grow, signer: NoteSigner, s3_server: S3Server
) -> None:
    """Such a store, made of a real one by leaving the headers out."""

    class Forgetful:
        def __init__(self) -> None:
            self._real = s3_server.client()

        def put_object(self, **request: Any) -> Any:
            kept = {name: it for name, it in request.items() if "ObjectLock" not in name}
            return self._real.put_object(**kept)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

    assert isinstance(locked.place, BucketPlace)
    target = replace(locked, place=replace(locked.place, connect=Forgetful))
    signed = grow(3)
    state = at(sqlite_store, target, signed, signer)
    assert (state.fault, state.size) == (UNLOCKED, 3)
    # It stays told as long as nothing newer is locked.
    assert at(sqlite_store, target, signed, signer).fault == UNLOCKED
    assert at(sqlite_store, locked, grow(1), signer).fault == ""


def test_a_lock_counts_as_it_was_read_back_and_not_as_it_was_asked_for(folder: Target) -> None:
    target = replace(folder, place=BucketPlace(lambda: None, "b", mode="COMPLIANCE"))  # type: ignore[arg-type,return-value]
    until = 30 * DAY
    assert lock_fault(Placed("v", "COMPLIANCE", until), target, until) == ""
    assert "removed" in lock_fault(Placed("v", "", 0), target, until)
    assert "GOVERNANCE" in lock_fault(Placed("v", "GOVERNANCE", until), target, until)
    assert "shorter" in lock_fault(Placed("v", "COMPLIANCE", until - DAY), target, until)


@pytest.mark.real
def test_a_server_that_is_away_is_a_fault_of_the_publication_and_no_error(
    sqlite_store: Store, grow: Grow, signer: NoteSigner
) -> None:
    place = BucketPlace(
        lambda: connect(
            S3Location("http://127.0.0.1:9", "bucket"),
            S3Credentials("k", Secret.of("s")),
            attempts=1,
        ),
        "bucket",
    )
    state = at(sqlite_store, Target("away", place, BASE, 1), grow(2), signer)
    assert state.fault == Unavailable.code
    with sqlite_store.read() as connection:
        assert connection.execute(audit_publication.select()).one().detail == state.detail
