"""What the log has shown outside of its store holds it to its past, whoever rules the store."""

from __future__ import annotations

import base64
import shutil
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from secvault.audit import publication, rollback
from secvault.audit import signing_keys as rows
from secvault.audit.event import Event
from secvault.audit.export import export
from secvault.audit.nodes import range_hash
from secvault.audit.query import Question, page
from secvault.audit.verify import verify
from secvault.audit.verify_export import verify as verify_export
from secvault.crypto.checkpoint import Checkpoint, sign_checkpoint, verify_by_name
from secvault.crypto.note import NoteVerifier
from secvault.errors import Damaged, InvalidInput, RolledBack
from secvault.service import (
    Service,
    audit_keys,
    audit_log,
    audit_places,
    audit_publications,
    audit_rollback,
    authentication,
    heartbeats,
    readiness,
)
from secvault.service.log_signing import sign_now
from secvault.service.policies.first import PROGRAM
from secvault.service.spine import Caller
from secvault.store.tables import (
    audit_checkpoint,
    audit_event,
    audit_head,
    audit_node,
    audit_publication,
    audit_published,
)
from tests.audit.tampering import fit_head, forge, intrusion
from tests.conftest import S3Server
from tests.running_service import House

DAY = 86_400
PLACE = "SECVAULT_AUDIT__PUBLICATIONS__SECOND__"


@dataclass(frozen=True)
class Shown:
    """A vault whose log is published to `place`, and the folder of the vault's own."""

    house: House
    place: Path

    def open(self) -> AbstractContextManager[Service]:
        """The open service."""
        return self.house.open()

    @property
    def vault(self) -> Path:
        """The data folder."""
        return self.house.folder / "vault"

    def look(self) -> audit_rollback.Looked:
        """What a start finds."""
        return audit_rollback.look(self.house.settings, {})


@pytest.fixture
def shown(house: House, tmp_path: Path) -> Shown:
    """Published nowhere yet."""
    place = tmp_path / "second"
    place.mkdir()
    more = {f"{PLACE}LOCATION": str(place), f"{PLACE}LATE_SECONDS": "60"}
    return Shown(replace(house, more=more), place)


def operator(service: Service) -> Caller:
    """Who is at the machine itself."""
    return Caller(authentication.local_operator(service))


def happen(service: Service, times: int) -> None:
    """Record so many events."""
    event = Event(kind="audit.started", outcome="ok", actor=PROGRAM, resource="it/audit")
    service.audit.record_many(event for _ in range(times))


def published(service: Service) -> publication.State:
    """Publish now."""
    return audit_publications.publish_now(service, operator(service), "second").state


def put_back(shown: Shown, copy: Path) -> None:
    """Restore a copy of the database, and nothing else of the vault."""
    for name in ("secvault.db", "secvault.db-wal", "secvault.db-shm"):
        (shown.vault / name).unlink(missing_ok=True)
    shutil.rmtree(shown.vault / "secvault.db-audit", ignore_errors=True)
    shutil.copy(copy / "secvault.db", shown.vault / "secvault.db")


def copied_vault(shown: Shown, tmp_path: Path) -> Path:
    """A copy of the vault as it is, nothing of it open."""
    return Path(shutil.copytree(shown.vault, tmp_path / "copy"))


@pytest.fixture
def rolled_back(shown: Shown, tmp_path: Path) -> Shown:
    """A vault whose database was put back to before its last published checkpoint."""
    with shown.open() as service:
        happen(service, 5)
        published(service)
    copy = copied_vault(shown, tmp_path)
    with shown.open() as service:
        happen(service, 300)
        assert published(service).fault == ""
    put_back(shown, copy)
    return shown


def test_a_log_that_goes_on_is_started(shown: Shown) -> None:
    assert shown.look() == audit_rollback.Looked((), ())
    with shown.open() as service:
        published(service)
    with shown.open() as service:
        happen(service, 3)
    assert shown.look().contradictions == ()


def test_a_log_that_was_put_back_is_not_started_and_what_to_do_is_said(rolled_back: Shown) -> None:
    found = rolled_back.look()
    assert len(found.contradictions) == 2
    with pytest.raises(RolledBack, match="the database only") as refused:
        found.require_none()
    said = refused.value.detail
    assert "the publication second" in said
    assert "what this machine signed last" in said
    assert 'secvault serve --accept-rollback "why"' in said


@pytest.mark.parametrize("left", ["file", "folder"])
def test_one_witness_is_enough(rolled_back: Shown, left: str) -> None:
    if left == "file":
        shutil.rmtree(rolled_back.place)
    else:
        (rolled_back.vault / rollback.REMEMBERED).unlink()
    found = rolled_back.look()
    assert len(found.contradictions) == 1
    assert len(found.unread) == (left == "file")


def test_a_place_that_cannot_be_asked_is_told_and_keeps_nobody_from_starting(shown: Shown) -> None:
    with shown.open() as service:
        published(service)
    more = {**shown.house.more, f"{PLACE}LOCATION": "s3:http://127.0.0.1:9/bucket"}
    more |= {f"{PLACE}ACCESS_KEY_ID": "k", f"{PLACE}SECRET_ACCESS_KEY": "s"}
    away = replace(shown, house=replace(shown.house, more=more))
    found = away.look()
    assert found.contradictions == ()
    assert found.unread[0].startswith("second: ")


def test_nothing_is_signed_and_nothing_published_on_a_log_that_was_put_back(
    rolled_back: Shown,
) -> None:
    before = sorted(each for each in rolled_back.place.rglob("*") if each.is_file())
    with rolled_back.open() as service:
        happen(service, 1000)
        with pytest.raises(Damaged, match="put back or rewritten"):
            sign_now(service)
        with pytest.raises(Damaged):
            published(service)
        # Also where the machine has forgotten what it signed.
        (rolled_back.vault / rollback.REMEMBERED).unlink()
        assert published(service).fault == "contradicted"
        assert not readiness.check(service).publications
        assert readiness.check(service).ready
        newest = page(service.store, Question(kind="audit.publication"), limit=2).events
        assert newest[0].event.outcome == "error"
        assert newest[0].event.detail["reason"] == "contradicted"
        report = audit_log.verify_log(service, operator(service))
        assert not report.intact
        assert "published checkpoint" in report.problems[0].what
    assert sorted(each for each in rolled_back.place.rglob("*") if each.is_file()) == before


def test_whoever_accepts_it_has_the_log_go_on_under_another_origin_on_record(
    rolled_back: Shown,
) -> None:
    looked = rolled_back.look()
    with rolled_back.open() as service:
        former = service.signing.audit
        with pytest.raises(InvalidInput):
            audit_rollback.accept_here(service, "  ", looked)
        key = audit_rollback.accept_here(service, "restored the backup of  Sunday", looked)
        assert key.verifier.name.startswith(f"{former.name}/")
        assert key.reason == "restored the backup of Sunday"
        state = published(service)
        assert (state.fault, state.origin) == ("", key.verifier.name)
        note = sign_now(service).note
        # The former key signs nothing of it.
        with pytest.raises(Damaged):
            verify_by_name(note, [former.verifier()])
        event = page(service.store, Question(kind="audit.accept_rollback"), limit=1).events[0].event
        assert event.detail["old"] == looked.contradictions[0].size
        assert event.detail["signer"] == key.fingerprint
        assert event.actor.subject == "local:operator"
        shown_keys = audit_log.public_keys(service, operator(service)).audit_keys
        assert [each.reason for each in shown_keys] == [key.reason, ""]
        report = audit_log.verify_log(service, operator(service))
        assert report.ok, report.problems
    assert rolled_back.look().contradictions == ()
    with rolled_back.open() as service:
        happen(service, 2)
        assert published(service).fault == ""
    # What was published before is there as it was, and so is the new log beside it.
    for vkey, base in ((former.verifier().vkey, former.name), (key.vkey, key.verifier.name)):
        folder = rolled_back.place / publication.base_of(base)
        assert verify_export(folder, vkey, [])["intact"]


def test_a_vault_that_people_unseal_takes_the_acceptance_up_with_its_first_signature(
    rolled_back: Shown,
) -> None:
    looked = rolled_back.look()
    audit_rollback.leave(rolled_back.house.settings, "restored on purpose", looked.contradictions)
    with rolled_back.open() as service:
        sign_now(service)
        assert service.signing.audit_keys()[0].reason == "restored on purpose"
        sign_now(service)
        assert len(service.signing.audit_keys()) == 2
    assert rolled_back.look().contradictions == ()


def test_a_second_break_has_an_origin_of_its_own(rolled_back: Shown, tmp_path: Path) -> None:
    first = copied_vault(replace(rolled_back), tmp_path / "again")
    names = set()
    for _ in range(2):
        put_back(rolled_back, first)
        rolled_back.house.hands.seconds += 5
        looked = rolled_back.look()
        with rolled_back.open() as service:
            audit_rollback.accept_here(service, "again", looked)
            names.add(service.signing.audit.name)
            assert published(service).fault == ""
    assert len(names) == 2


def rewritten(service: Service, seq: int) -> None:
    """Change an event and make all of the store fit it, with the log's own key.

    What an administrator can do who has the database and the process's memory.
    """
    with intrusion(service.store) as connection:
        body = connection.scalar(select(audit_event.c.body).where(audit_event.c.seq == seq))
        changed = body.replace(b"it/audit", b"it/nowhr", 1)
        assert changed != body
        forge(connection, seq, changed)
        connection.execute(
            audit_event.update().where(audit_event.c.seq == seq).values(resource="it/nowhr")
        )
        fit_head(connection)
        for table in (audit_checkpoint, audit_node, audit_publication, audit_published):
            connection.execute(delete(table))
        connection.execute(delete(audit_head).where(audit_head.c.log != "main"))


def test_who_has_the_database_and_the_key_cannot_rewrite_what_was_published_unnoticed(
    shown: Shown,
) -> None:
    with shown.open() as service:
        happen(service, 40)
        published(service)
        seq = 20
        (shown.vault / rollback.REMEMBERED).unlink()
        rewritten(service, seq)
        sign_now(service)
        # To itself, the store is without fault: nothing in it contradicts anything else.
        known = service.signing.audit_verifiers
        own = verify(service.store, known, origin=known[0].name)
        assert own.ok, own.problems
        # Compared with what was published, it is not.
        report = audit_log.verify_log(service, operator(service))
        assert not report.intact
        assert report.first_bad_seq is not None
        assert report.first_bad_seq <= seq
        # The service itself publishes nothing on top of it.
        assert published(service).fault == "contradicted"
        notes = list(publication.some_published(*_at(service)))
    # Nor does it start.
    found = shown.look()
    assert [each.where for each in found.contradictions] == ["the publication second"]
    # And an auditor sees it without us: the rewritten log, exported, against a published note.
    with shown.open() as service:
        folder = shown.vault / "exported"
        signed = sign_now(service)
        export(service.store, signed, folder, known)
        said = verify_export(folder, known[0].vkey, notes)
        assert not said["intact"]
        assert "not those that the checkpoint of size" in said["problems"][0]


def _at(service: Service) -> tuple[audit_places.Place, str]:
    origin = service.signing.audit.name
    target = audit_places.targets_of(service.settings, origin, {})["second"]
    return target.place, target.base


@pytest.mark.real
def test_nor_with_the_credentials_of_the_bucket_under_object_lock(
    house: House, s3_server: S3Server
) -> None:
    """Who has everything puts a rewritten log over the published one, and hides what was there."""
    client = s3_server.client()
    bucket = f"{s3_server.new_bucket()}-locked"
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    more = {
        f"{PLACE}LOCATION": f"s3:{s3_server.endpoint}/{bucket}",
        f"{PLACE}ACCESS_KEY_ID": s3_server.access_key,
        f"{PLACE}SECRET_ACCESS_KEY": s3_server.secret_key,
        f"{PLACE}DAYS": "1",
    }
    house = replace(house, more=more)
    # The server locks by its own time.
    house.hands.seconds = time.time()
    with house.open() as service:
        happen(service, 40)
        state = audit_publications.publish_now(service, operator(service), "second")
        assert (state.state.fault, state.last is not None) == ("", True)
        assert state.last is not None
        assert state.last.mode == "COMPLIANCE"
        (house.folder / "vault" / rollback.REMEMBERED).unlink()
        rewritten(service, 20)
        signer = service.signing.audit
        with service.store.read() as connection:
            head = connection.execute(select(audit_head)).one()
        forged = sign_checkpoint(
            Checkpoint(signer.name, head.size, _root(service, head.size)), signer
        )
        base = publication.base_of(signer.name)
        for each in client.list_object_versions(Bucket=bucket)["Versions"]:
            client.delete_object(Bucket=bucket, Key=each["Key"])
            with pytest.raises(client.exceptions.ClientError):
                client.delete_object(
                    Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"],
                    BypassGovernanceRetention=True,
                )  # fmt: skip
        for name in (f"{base}/checkpoint", publication.checkpoint_name(base, head.size)):
            client.put_object(Bucket=bucket, Key=name, Body=forged)
        report = audit_log.verify_log(service, operator(service))
        assert report.unread == ()
        assert not report.intact


def _root(service: Service, size: int) -> bytes:
    with service.store.read() as connection:
        return range_hash(connection, (0, size))


def test_after_a_rotation_both_keys_sign_for_a_while_and_old_checkpoints_stay_good(
    shown: Shown, tmp_path: Path
) -> None:
    with shown.open() as service:
        happen(service, 3)
        before = sign_now(service)
        old = service.signing.audit.verifier()
        done = audit_keys.rotate_key(service, operator(service), 30)
        new = done.key.verifier
        assert (new.name, new != old) == (old.name, True)
        happen(service, 3)
        both = sign_now(service).note
        assert verify_by_name(both, [old]) == verify_by_name(both, [new])
        shown.house.hands.seconds += 31 * DAY
        happen(service, 3)
        later = sign_now(service).note
        assert verify_by_name(later, [new]).size > before.size
        with pytest.raises(Damaged):
            verify_by_name(later, [old])
        assert audit_log.verify_log(service, operator(service)).ok
        event = page(service.store, Question(kind="audit.rotate_key"), limit=1).events[0].event
        assert event.detail["signer"] == done.key.fingerprint
        keys = [old.vkey, new.vkey]
        assert [each.vkey for each in service.signing.audit_keys()] == keys[::-1]
        export(service.store, sign_now(service), tmp_path / "x", service.signing.audit_verifiers)
        assert verify_export(tmp_path / "x", " ".join(keys), [before.note, both])["intact"]
        assert not verify_export(tmp_path / "x", old.vkey, [])["intact"]
        copy = audit_log.verify_copy(service.settings.store_url, [new, old])
        assert copy.ok, copy.problems
        assert published(service).fault == ""


def test_a_key_that_others_may_have_signs_nothing_more(shown: Shown) -> None:
    with shown.open() as service:
        old = service.signing.audit.verifier()
        audit_keys.rotate_key(service, operator(service), 0)
        with pytest.raises(Damaged):
            verify_by_name(sign_now(service).note, [old])
        for days in (-1, 366):
            with pytest.raises(InvalidInput):
                audit_keys.rotate_key(service, operator(service), days)


def test_another_process_signs_with_the_new_key_without_being_told(shown: Shown) -> None:
    with shown.open() as one, shown.open() as other:
        audit_keys.rotate_key(one, operator(one), 0)
        happen(other, 1)
        assert sign_now(other).note.count(b"\xe2\x80\x94") == 1
        assert other.signing.audit.verifier() == one.signing.audit.verifier()


def test_the_first_key_keeps_its_name_whatever_the_company_is_called_later(shown: Shown) -> None:
    with shown.open() as service:
        name = sign_now(service).note.split(b"\n")[0]
    renamed = replace(shown.house, more={"SECVAULT_ORGANISATION": "other"})
    with renamed.open() as service:
        happen(service, 1)
        assert sign_now(service).note.split(b"\n")[0] == name


def test_a_publication_that_fails_is_told_once_it_is_late_and_once_when_it_is_well(
    shown: Shown,
) -> None:
    def told(service: Service) -> list[str]:
        events = page(service.store, Question(kind="audit.publication"), limit=9).events
        return [str(each.event.detail["state"]) for each in reversed(events)]

    away = shown.place.with_name("away")
    with shown.open() as service:
        sign_now(service)
        shown.place.rename(away)
        publisher = audit_publications.Publisher(service)
        publisher.turn(lambda: False)
        assert told(service) == []
        assert readiness.check(service).publications
        for _ in range(2):
            shown.house.hands.seconds += 61
            audit_publications.Publisher(service).turn(lambda: False)
            service.audit.drain()
        assert told(service) == ["broken"]
        assert not readiness.check(service).publications
        found = audit_publications.list_publications(service, operator(service))[0]
        assert (found.state.fault, found.lag > 0) == ("unavailable", True)
        away.rename(shown.place)
        audit_publications.Publisher(service).turn(lambda: False)
        service.audit.drain()
        assert told(service) == ["broken", "mended"]
        assert readiness.check(service).publications


def test_the_worker_publishes_no_more_often_than_it_is_told_to(shown: Shown) -> None:
    with shown.open() as service:
        sign_now(service)
        publisher = audit_publications.Publisher(service)
        publisher.turn(lambda: False)
        size = audit_publications.list_publications(service, operator(service))[0].state.size
        happen(service, 5)
        sign_now(service)
        publisher.turn(lambda: False)
        found = audit_publications.list_publications(service, operator(service))[0]
        assert (found.state.size, found.lag >= 5) == (size, True)


def test_a_heartbeat_comes_at_its_interval_from_however_many_workers(house: House) -> None:
    with house.open() as service:
        assert heartbeats.beat(service)
        assert not heartbeats.beat(service)
        house.hands.seconds += 300
        assert heartbeats.beat(service)
        beats = page(service.store, Question(kind="log.heartbeat"), limit=9).events
        assert [each.event.detail["seconds"] for each in beats] == [300, 300]


def test_what_is_remembered_beside_the_database_is_a_checkpoint_that_anybody_verifies(
    shown: Shown,
) -> None:
    with shown.open() as service:
        signed = sign_now(service)
        note = rollback.remembered(shown.vault)
        assert note == signed.note
        assert rows.next_origin("acme/v/audit", 0) == "acme/v/audit/19700101T000000Z"
        assert rows.next_origin("acme/v/audit/x", 0) == "acme/v/audit/19700101T000000Z"
        verifier = NoteVerifier.from_vkey(service.signing.audit_keys()[0].vkey)
        assert base64.b64encode(verify_by_name(signed.note, [verifier]).root) in note
