"""Having the log's newest checkpoint co-signed, and how that goes.

What a witness says is believed in one thing only: a cosignature that verifies. A witness that has
seen more of the log than is here, or another log under its name, is the alarm that it is there for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from secvault.audit.checkpoints import StoredCheckpoint, newest_checkpoint
from secvault.audit.cosignatures import keep_cosignatures
from secvault.audit.nodes import range_hashes
from secvault.audit.witness_client import CONTRADICTED, MALFORMED, Answer, Ask, Witness
from secvault.clock import Clock
from secvault.crypto.cosignature import Cosignature, cosignatures
from secvault.crypto.merkle import consistency_ranges
from secvault.crypto.witness_request import AddCheckpoint
from secvault.errors import Damaged
from secvault.store.engine import Store, row_held
from secvault.store.tables import audit_witness

AHEAD, REFUSED_AGAIN = "ahead", "size-changed"
ALARMING = frozenset({AHEAD, CONTRADICTED})
"""Reasons that mean that the log here is not the one which the witness has seen."""


@dataclass(frozen=True, slots=True)
class WitnessState:
    """How asking a witness goes. Times are microseconds, UTC.

    size: of the largest checkpoint that it co-signed, as far as is known here; 0 for none.
    failing_since, reason: since when, and why, it has not done what it was asked to. told: the
    reason that people have been told of.
    """

    name: str
    size: int
    asked_at: int
    cosigned_at: int | None
    failing_since: int | None
    reason: str | None
    told: str | None


def have_cosigned(
    store: Store, clock: Clock, signed: StoredCheckpoint, witnesses: Sequence[Witness], ask: Ask
) -> int:
    """Ask each witness that has not co-signed this checkpoint; how many did now.

    signed: the newest one. A witness that knows another size than was assumed is asked once more.
    What fails is kept in its state, and asked again by the next call.
    """
    known = {one.name: one for one in states(store)}
    due = [one for one in witnesses if one.name not in known or known[one.name].size < signed.size]
    if not due or signed.size == 0:
        return 0
    sizes = {one: known[one.name].size if one.name in known else 0 for one in due}
    answers = dict(ask({one: _request(store, signed, sizes[one]) for one in due}))
    again = {
        one: _request(store, signed, answer.size)
        for one, answer in answers.items()
        if answer.size is not None and answer.size <= signed.size
    }
    if again:
        answers |= ask(again)
    return sum(
        _take(store, clock, signed, witness, answer, second=witness in again)
        for witness, answer in answers.items()
    )


def states(store: Store) -> tuple[WitnessState, ...]:
    """Of every witness that was ever asked, by name."""
    with store.read() as connection:
        rows = connection.execute(select(audit_witness).order_by(audit_witness.c.name))
        return tuple(WitnessState(*row) for row in rows)


def mark_told(connection: Connection, name: str, reason: str | None) -> bool:
    """Keep what people are told of; False if they have been told already, by another node."""
    told = audit_witness.c.told
    changed = connection.execute(
        update(audit_witness)
        .where(audit_witness.c.name == name, told.is_distinct_from(reason))
        .values(told=reason)
    )
    return changed.rowcount == 1


def _request(store: Store, signed: StoredCheckpoint, old: int) -> AddCheckpoint:
    if old in (0, signed.size):
        return AddCheckpoint(old, (), signed.note)
    with store.read() as connection:
        proof = range_hashes(connection, consistency_ranges(old, signed.size))
        return AddCheckpoint(old, tuple(proof), signed.note)


def _verified(
    signed: StoredCheckpoint, witness: Witness, answer: Answer
) -> tuple[Cosignature, ...]:
    try:
        return cosignatures(signed.note + answer.lines, [witness.verifier])
    except Damaged:
        return ()


def _take(
    store: Store,
    clock: Clock,
    signed: StoredCheckpoint,
    witness: Witness,
    answer: Answer,
    *,
    second: bool,
) -> bool:
    found = _verified(signed, witness, answer)
    reason = answer.reason or MALFORMED
    if answer.size is not None:
        newest = newest_checkpoint(store)
        if answer.size > signed.size and newest is not None and answer.size <= newest.size:
            # Another node signed a later one meanwhile, and had it co-signed.
            return False
        reason = REFUSED_AGAIN if second and answer.size <= signed.size else AHEAD
    now = clock.micros()
    with store.write() as connection:
        empty = {"name": witness.name, "size": 0, "asked_at": now}
        row = row_held(connection, audit_witness, empty)
        values: dict[str, object] = {"asked_at": now}
        if found:
            keep_cosignatures(connection, signed.size, witness.name, found)
            values |= {
                "size": max(row.size, signed.size),
                "cosigned_at": now,
                "failing_since": None,
                "reason": None,
            }
        else:
            values |= {"failing_since": row.failing_since or now, "reason": reason}
            if answer.size is not None and answer.size < row.size:
                # It has forgotten what it co-signed; the next turn starts from where it is.
                values["size"] = answer.size
        connection.execute(
            update(audit_witness).where(audit_witness.c.name == witness.name).values(values)
        )
    return bool(found)
