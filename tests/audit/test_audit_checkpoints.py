from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, text

from secvault.audit import AuditLog, Event
from secvault.audit.checkpoints import checkpoints, newest_checkpoint, sign_head
from secvault.audit.leaf import decode
from secvault.audit.query import page
from secvault.clock import Clock
from secvault.crypto.checkpoint import verify_checkpoint
from secvault.crypto.merkle import leaf_hash, root_of
from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput
from secvault.store import Store
from tests.audit.conftest import ORIGIN
from tests.audit.tampering import body_of, change, cut, fit_head, forge, intrusion, renamed

Reading = Callable[[int], Event]


def _sign(store: Store, stepping: Clock, signer: NoteSigner) -> int:
    return sign_head(store, stepping, signer, origin=ORIGIN).size


def test_a_checkpoint_is_what_any_tool_verifies(
    log: AuditLog, any_store: Store, stepping: Clock, signer: NoteSigner, reading: Reading
) -> None:
    log.record_many(map(reading, range(5)))
    made = sign_head(any_store, stepping, signer, origin=ORIGIN)
    checkpoint = verify_checkpoint(made.note, [signer.verifier()], ORIGIN)
    hashes = [leaf_hash(e.body) for e in page(any_store, newest_first=False).events]
    assert (checkpoint.size, checkpoint.root) == (5, root_of(hashes))
    assert newest_checkpoint(any_store) == made


def test_a_log_without_news_is_not_signed_again(
    log: AuditLog, any_store: Store, stepping: Clock, signer: NoteSigner, reading: Reading
) -> None:
    log.record(reading(1))
    first = sign_head(any_store, stepping, signer, origin=ORIGIN)
    assert sign_head(any_store, stepping, signer, origin=ORIGIN) == first
    assert checkpoints(any_store) == (first,)


def test_an_empty_log_can_be_signed(
    any_store: Store, stepping: Clock, signer: NoteSigner, log: AuditLog, reading: Reading
) -> None:
    assert _sign(any_store, stepping, signer) == 0
    log.record(reading(1))
    assert _sign(any_store, stepping, signer) == 1


def test_checkpoints_are_listed_largest_first_and_in_pages(
    log: AuditLog, any_store: Store, stepping: Clock, signer: NoteSigner, reading: Reading
) -> None:
    for number in range(5):
        log.record(reading(number))
        _sign(any_store, stepping, signer)
    assert [c.size for c in checkpoints(any_store, limit=2)] == [5, 4]
    assert [c.size for c in checkpoints(any_store, before=4)] == [3, 2, 1]
    with pytest.raises(InvalidInput):
        checkpoints(any_store, limit=0)


def test_only_new_events_are_read_for_a_new_checkpoint(
    log: AuditLog, any_store: Store, stepping: Clock, signer: NoteSigner, reading: Reading
) -> None:
    log.record_many(map(reading, range(50)))
    _sign(any_store, stepping, signer)
    log.record(reading(50))
    starts: list[object] = []

    def watch(_c: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if "body" in statement:
            starts.append(parameters)

    event.listen(any_store.reader, "before_cursor_execute", watch)
    assert _sign(any_store, stepping, signer) == 51
    assert starts
    assert all("50" in str(parameters) for parameters in starts)


def test_several_processes_may_sign_at_once(
    log: AuditLog, any_store: Store, stepping: Clock, signer: NoteSigner, reading: Reading
) -> None:
    log.record_many(map(reading, range(20)))
    with ThreadPoolExecutor(4) as threads:
        made = list(
            threads.map(lambda _: sign_head(any_store, stepping, signer, origin=ORIGIN), range(8))
        )
    assert {c.root for c in made} == {made[0].root}
    assert len(checkpoints(any_store)) == 1


def test_a_rotated_key_continues_the_log_of_the_old_one(
    log: AuditLog, any_store: Store, stepping: Clock, signer: NoteSigner, reading: Reading
) -> None:
    log.record(reading(1))
    _sign(any_store, stepping, signer)
    log.record(reading(2))
    new = NoteSigner(ORIGIN, Secret(bytes(32)))
    with pytest.raises(Damaged):
        sign_head(any_store, stepping, new, origin=ORIGIN)
    made = sign_head(any_store, stepping, new, origin=ORIGIN, earlier=[signer.verifier()])
    assert made.size == 2


def _forge(store: Store, seq: int) -> None:
    with intrusion(store) as connection:
        forge(connection, seq, renamed(decode(body_of(connection, seq), seq=seq)))
        fit_head(connection)


def test_a_log_whose_newest_events_do_not_fit_its_head_is_not_signed(
    log: AuditLog, any_store: Store, stepping: Clock, signer: NoteSigner, reading: Reading
) -> None:
    log.record_many(map(reading, range(10)))
    with intrusion(any_store) as connection:
        change(connection, 7, body=renamed(decode(body_of(connection, 7), seq=7)))
    with pytest.raises(Damaged):
        _sign(any_store, stepping, signer)
    assert newest_checkpoint(any_store) is None


def test_a_log_that_was_cut_is_not_signed(
    log: AuditLog, any_store: Store, stepping: Clock, signer: NoteSigner, reading: Reading
) -> None:
    log.record_many(map(reading, range(10)))
    _sign(any_store, stepping, signer)
    with intrusion(any_store) as connection:
        cut(connection, 8)
    with pytest.raises(Damaged, match="only 8 events"):
        _sign(any_store, stepping, signer)


def test_a_log_that_was_cut_and_grew_again_is_not_signed(
    log: AuditLog, any_store: Store, stepping: Clock, signer: NoteSigner, reading: Reading
) -> None:
    log.record_many(map(reading, range(10)))
    _sign(any_store, stepping, signer)
    with intrusion(any_store) as connection:
        cut(connection, 8)
    log.record_many(map(reading, range(20, 25)))
    with pytest.raises(Damaged):
        _sign(any_store, stepping, signer)


def test_a_log_without_its_head_is_not_signed(
    log: AuditLog, any_store: Store, stepping: Clock, signer: NoteSigner, reading: Reading
) -> None:
    log.record(reading(1))
    with intrusion(any_store) as connection:
        connection.execute(text("DELETE FROM audit_head"))
    with pytest.raises(Damaged):
        _sign(any_store, stepping, signer)


FRONTIERS = {
    "removed": "DELETE FROM audit_head WHERE log = 'main/checkpoint'",
    "changed": "UPDATE audit_head SET size = 2, frontier = leaf_hash FROM audit_event"
    " WHERE seq = 1 AND log = 'main/checkpoint'",
}


@pytest.mark.parametrize("statement", FRONTIERS.values(), ids=FRONTIERS)
def test_a_lost_or_changed_frontier_is_rebuilt_from_the_events(
    log: AuditLog,
    any_store: Store,
    stepping: Clock,
    signer: NoteSigner,
    reading: Reading,
    statement: str,
) -> None:
    log.record_many(map(reading, range(10)))
    _sign(any_store, stepping, signer)
    with any_store.write() as connection:
        connection.execute(text(statement))
    log.record(reading(10))
    assert _sign(any_store, stepping, signer) == 11
    with any_store.write() as connection:
        connection.execute(text(statement))
    _forge(any_store, 3)
    log_after = AuditLog(any_store, stepping, node="node-2")
    log_after.record(reading(11))
    log_after.close()
    with pytest.raises(Damaged):
        _sign(any_store, stepping, signer)


def test_a_checkpoint_row_that_was_changed_stops_signing(
    log: AuditLog, any_store: Store, stepping: Clock, signer: NoteSigner, reading: Reading
) -> None:
    log.record_many(map(reading, range(3)))
    _sign(any_store, stepping, signer)
    log.record(reading(4))
    with any_store.write() as connection:
        connection.execute(text("UPDATE audit_checkpoint SET size = 2"))
    with pytest.raises(Damaged, match="signature"):
        _sign(any_store, stepping, signer)
