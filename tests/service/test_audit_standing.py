"""How the log stands, who is who in it, and a proof that was checked."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from secvault.audit.question import Question
from secvault.errors import Damaged, InvalidInput, Refused
from secvault.service import (
    Service,
    audit_log,
    audit_names,
    audit_proofs,
    audit_standing,
    authentication,
)
from secvault.service.audit_standing import MOST_PARTS
from secvault.service.spine import Caller
from secvault.store.tables import audit_checkpoint
from tests.audit.tampering import intrusion
from tests.running_service import House

HOUR = 3_600 * 1_000_000


@pytest.fixture
def callers(service: Service, house: House) -> dict[str, Caller]:
    """Everybody of the house."""
    return {
        name: Caller(authentication.authenticate(service, token))
        for name, token in house.tokens.items()
    }


def test_a_timeline_counts_every_event_once(
    service: Service, house: House, callers: dict[str, Caller]
) -> None:
    auditor, start = callers["auditor"], service.clock.micros()
    service.audit.drain()
    before = audit_standing.read_timeline(service, auditor, (start - HOUR, start + HOUR))
    house.hands.seconds += 2 * 3_600
    for _ in range(3):
        audit_log.public_keys(service, auditor)
    service.audit.drain()
    edges = (start - HOUR, start + HOUR, start + 3 * HOUR, start + 5 * HOUR)
    found = audit_standing.read_timeline(service, auditor, edges)
    # The first reading is itself of the first hours.
    assert found.counts == (before.counts[0] + 1, 3, 0)
    assert not found.archived
    size = audit_standing.read_standing(service, auditor).size
    assert sum(found.counts) <= size
    for wrong in ((), (1,), (2, 1), (1, 1), tuple(range(103))):
        with pytest.raises(InvalidInput):
            audit_standing.read_timeline(service, auditor, wrong)
    with pytest.raises(Refused):
        audit_standing.read_timeline(service, callers["clerk"], edges)


@given(start=st.integers(0, 2**50), length=st.integers(1, 2**50), parts=st.integers(1, MOST_PARTS))
def test_even_parts_cover_a_time_without_gap(start: int, length: int, parts: int) -> None:
    if length < parts:
        with pytest.raises(InvalidInput):
            audit_standing.even_edges(start, start + length, parts, now=0)
        return
    edges = audit_standing.even_edges(start, start + length, parts, now=0)
    assert (edges[0], edges[-1], len(edges)) == (start, start + length, parts + 1)
    widths = {after - before for before, after in pairwise(edges)}
    assert min(widths) >= 1
    assert max(widths) - min(widths) <= 1
    assert audit_standing.even_edges(None, None, parts, now=start + 100)[-1] == start + 101


def test_a_timeline_of_a_question_counts_what_fits_and_says_when_that_is_too_much(
    service: Service,
    house: House,
    callers: dict[str, Caller],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    auditor, start = callers["auditor"], service.clock.micros()
    house.hands.seconds += 2 * 3_600
    for _ in range(3):
        audit_log.public_keys(service, auditor)
    audit_standing.read_standing(service, callers["admin"])
    service.audit.drain()
    edges = (start - HOUR, start + HOUR, start + 3 * HOUR, start + 5 * HOUR)
    who = auditor.principal.subject
    asked = Question(kind="audit.verify", actor=who)
    found = audit_standing.read_timeline(service, auditor, edges, asked)
    assert (found.counts, found.filtered, found.partial) == ((0, 3, 0), True, False)
    # A time alone is no filter: all is counted by the numbers of the events.
    timed = Question(since=edges[1], until=edges[2])
    assert not audit_standing.read_timeline(service, auditor, edges, timed).filtered
    within = Question(actor=who, since=edges[2])
    assert sum(audit_standing.read_timeline(service, auditor, edges, within).counts) == 0

    monkeypatch.setattr(audit_standing, "MOST_COUNTED", 2)
    few = audit_standing.read_timeline(service, auditor, edges, asked)
    assert (few.counts, few.partial) == ((0, 2, 0), True)


def test_the_standing_tells_the_last_verification(
    service: Service, callers: dict[str, Caller]
) -> None:
    admin = callers["admin"]
    audit_log.public_keys(service, admin)
    assert audit_standing.read_standing(service, admin).verified is None
    audit_log.verify_log(service, admin)
    audit_log.take_checkpoint(service, admin)
    service.audit.drain()
    found = audit_standing.read_standing(service, admin)
    assert found.verified is not None
    assert found.verified.passed
    assert found.checkpoint is not None
    assert found.checkpoint.size <= found.size
    assert (found.cosigned, found.live_from) == (0, 0)
    with pytest.raises(Refused):
        audit_standing.read_standing(service, callers["clerk"])


def test_names_are_for_who_may_read_people(service: Service, callers: dict[str, Caller]) -> None:
    subjects = {name: one.principal.subject for name, one in callers.items()}
    wanted = (*subjects.values(), "system:secvault", "local:root")
    named = audit_names.names_for(service, callers["auditor"], wanted)
    assert named == {subject: name for name, subject in subjects.items()}
    assert audit_names.names_for(service, callers["clerk"], wanted) == {}


def test_a_reader_of_the_log_means_somebody_by_name(
    service: Service, callers: dict[str, Caller]
) -> None:
    auditor, clerk = callers["auditor"], callers["clerk"].principal.subject
    for text in ("clerk", "user:clerk", clerk):
        assert audit_names.subject_meant(service, auditor, text) == clerk
    gone = "user:" + "0" * len(clerk.removeprefix("user:"))
    for text in ("", "svc:", "system:secvault", gone):
        assert audit_names.subject_meant(service, auditor, text) == text
    with pytest.raises(InvalidInput):
        audit_names.subject_meant(service, auditor, "nobody-of-this-name")
    assert audit_names.subject_meant(service, callers["clerk"], "admin") == "admin"


def test_a_checked_proof_names_the_key_and_a_foreign_signature_is_no_proof(
    service: Service, callers: dict[str, Caller]
) -> None:
    auditor = callers["auditor"]
    found = audit_proofs.prove_event_checked(service, auditor, 1)
    assert [key.vkey for key in found.signed_by] == [service.signing.audit.verifier().vkey]
    assert found.others == ()
    assert found.checkpoint.size > 1
    with intrusion(service.store) as connection:
        notes = connection.execute(select(audit_checkpoint.c.size, audit_checkpoint.c.note)).all()
        for size, note in notes:
            text, _, signature = bytes(note).rpartition(b" ")
            forged = text + b" " + signature[:20] + signature[20:].swapcase()
            connection.execute(
                audit_checkpoint.update().where(audit_checkpoint.c.size == size).values(note=forged)
            )
    with pytest.raises(Damaged):
        audit_proofs.prove_event_checked(service, auditor, 1)
