"""A log goes on under another origin after an accepted rollback: all that leaves it follows."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from secvault.audit import rollback, verify_export
from secvault.audit.checkpoints import newest_checkpoint
from secvault.audit.cosignatures import published_note
from secvault.audit.query import Question, page
from secvault.audit.witness_client import Witness as AskedWitness
from secvault.audit.witnesses import have_cosigned
from secvault.crypto.cosignature import WitnessSigner
from secvault.crypto.secret import Secret
from secvault.service import (
    audit_archives,
    audit_keys,
    audit_log,
    audit_proofs,
    audit_rollback,
)
from secvault.service.audit_export import Wanted, export_log
from secvault.service.audit_publications import Publisher
from secvault.service.log_signing import sign_now
from secvault.witness.answering import Witness
from secvault.witness.state import WitnessFile
from tests.audit.test_witnesses import Somewhere
from tests.service.test_log_outside import (
    Shown,
    copied_vault,
    happen,
    operator,
    published,
    put_back,
    rolled_back,
    shown,
)

__all__ = ["rolled_back", "shown"]


def test_the_worker_puts_no_checkpoint_of_the_former_log_into_the_folder_of_the_new_one(
    rolled_back: Shown,
) -> None:
    looked = rolled_back.look()
    with rolled_back.open() as service:
        publisher = Publisher(service)
        audit_rollback.accept_here(service, "restored on purpose", looked)
        # Nothing was signed under the new origin yet.
        publisher.turn(lambda: False)
        happen(service, 3)
        service.audit.drain()
        sign_now(service)
        state = published(service)
        assert (state.fault, state.detail) == ("", "")
        assert audit_log.verify_log(service, operator(service)).ok
    assert rolled_back.look().contradictions == ()


@pytest.mark.parametrize("sealed", [False, True])
def test_another_node_accepts_the_same_break_and_makes_no_second_one(
    rolled_back: Shown, *, sealed: bool
) -> None:
    looked = rolled_back.look()
    # The other node's folder remembers what that one signed of the log as it was.
    other = (rolled_back.vault / rollback.REMEMBERED).read_bytes()
    with rolled_back.open() as service:
        key = audit_rollback.accept_here(service, "restored on purpose", looked)
        published(service)
    (rolled_back.vault / rollback.REMEMBERED).write_bytes(other)
    if not sealed:
        looked = rolled_back.look()
    assert looked.contradictions
    with rolled_back.open() as service:
        if sealed:
            # Both had said so before either was unsealed.
            audit_rollback.leave(service.settings, "as the first did", looked.contradictions)
            sign_now(service)
        else:
            audit_rollback.accept_here(service, "as the first did", looked)
        assert service.signing.audit_keys()[0] == key
        happen(service, 2)
        service.audit.drain()
        note = sign_now(service).note
        assert rollback.remembered(rolled_back.vault) == note
        assert audit_log.verify_log(service, operator(service)).ok
        accepted = page(service.store, Question(kind="audit.accept_rollback"), limit=9).events
        assert [each.event.detail["version"] for each in accepted] == [2, 2]
    assert rolled_back.look().contradictions == ()


def test_a_log_put_back_to_before_an_accepted_break_is_not_started(
    rolled_back: Shown, tmp_path: Path
) -> None:
    before = copied_vault(rolled_back, tmp_path / "before")
    looked = rolled_back.look()
    with rolled_back.open() as service:
        audit_rollback.accept_here(service, "restored on purpose", looked)
        published(service)
    put_back(rolled_back, before)
    assert len(rolled_back.look().contradictions) == 2


def test_a_folder_that_is_not_mounted_is_said_not_to_be_compared(shown: Shown) -> None:
    with shown.open() as service:
        published(service)
    shutil.move(shown.place, shown.place.with_name("away"))
    found = shown.look()
    assert found.contradictions == ()
    assert found.unread[0].startswith("second: ")
    with shown.open() as service:
        assert audit_log.verify_log(service, operator(service)).unread == found.unread


def test_packages_archives_and_copies_are_proven_over_rotations_and_a_break(
    rolled_back: Shown, tmp_path: Path
) -> None:
    archives = tmp_path / "archives"
    archives.mkdir()
    more = {
        **rolled_back.house.more,
        "SECVAULT_AUDIT__RETENTION__PLACE": str(archives),
    }
    kept = replace(rolled_back, house=replace(rolled_back.house, more=more))
    looked = kept.look()
    with kept.open() as service:
        first = service.signing.audit.verifier()
        audit_rollback.accept_here(service, "restored on purpose", looked)
        happen(service, 300)
        sign_now(service)
    kept.house.hands.seconds += 3 * 366 * 86_400
    with kept.open() as service:
        audit_keys.rotate_key(service, operator(service), 30)
        second = audit_archives.archive_log(service, operator(service)).archives
        assert second[0].stop >= 256
        audit_keys.rotate_key(service, operator(service), 0)
        happen(service, 10)
        assert audit_log.verify_log(service, operator(service)).ok
        exported = export_log(service, operator(service), Wanted(Question(), ("csv",)))
        file = tmp_path / "pack.zip"
        with exported:
            file.write_bytes(b"".join(exported.parts()))
        keys = [each.vkey for each in service.signing.audit_verifiers]
        assert len(keys) == 4
        said = verify_export.verify(file, keys[0], [])
        assert (said["intact"], said["problems"]) == (True, [])
        # Whoever knows only a key that was replaced at once, or of the former log, is told.
        for old in (keys[1], first.vkey):
            assert not verify_export.verify(file, old, [])["intact"]
        assert verify_export.verify(file, " ".join(keys), [])["intact"]
        copy = audit_log.verify_copy(service.settings.store_url, service.signing.audit_verifiers)
        assert copy.ok, copy.problems
        proof = audit_proofs.prove_event(service, operator(service), 3)
        proof.check([service.signing.audit.verifier()], service.signing.audit.name)


def test_a_witness_of_the_former_log_co_signs_the_new_one_once_it_lists_it(
    rolled_back: Shown, tmp_path: Path
) -> None:
    looked = rolled_back.look()
    signer = WitnessSigner("witness.example.com/one", Secret(bytes(range(32))))
    state = WitnessFile.make(tmp_path / "w.db")
    asked = [AskedWitness("one", "https://witness.example.com", signer.verifier())]
    with rolled_back.open() as service:
        former = service.signing.audit.verifier()
        branch = Witness(signer, {former.name: (former,)}, state, service.clock)
        somewhere = Somewhere({"one": branch})
        with service.store.read() as connection:
            size = rollback.size_of(connection)
        # What the witness had co-signed of the former log by the time of the backup.
        before = newest_checkpoint(service.store)
        assert before is not None
        assert before.size < size
        assert have_cosigned(service.store, service.clock, before, asked, somewhere.ask) == 1
        key = audit_rollback.accept_here(service, "restored on purpose", looked)
        signed = sign_now(service)
        assert have_cosigned(service.store, service.clock, signed, asked, somewhere.ask) == 0
        logs = {former.name: (former,), key.verifier.name: (key.verifier,)}
        somewhere.there["one"] = Witness(signer, logs, state, service.clock)
        assert have_cosigned(service.store, service.clock, signed, asked, somewhere.ask) == 1
        assert published_note(service.store, signed).startswith(signed.note)
        # After a rotation it goes on by the old key while both sign, then by the new one.
        audit_keys.rotate_key(service, operator(service), 30)
        service.audit.drain()
        assert have_cosigned(service.store, service.clock, sign_now(service), asked, somewhere.ask)
