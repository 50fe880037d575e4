"""Decisions of the audit log, read back: what was asked, by which facts, and made again."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from secvault.access import NO_FIELD, AccessContext, AccessRequest, Decision, Narrowing, Snapshot
from secvault.access.conditions import Outcome
from secvault.access.explain import ALLOW
from secvault.access.replay import Recorded, Replay, replayed
from secvault.audit import search
from secvault.audit.event import OUTCOME_OF_CONDITION, DecisionNote, Event
from secvault.audit.leaf import StoredEvent
from secvault.errors import Conflict, Damaged, NotFound
from secvault.identity import sessions, tokens
from secvault.identity.principal import RECOVERY
from secvault.service import past
from secvault.service.decision_note import digest_of
from secvault.service.service import Service
from secvault.store.tables import role_grant

_MICROS = 1_000_000
_OUTCOMES = {code: Outcome(name) for name, code in OUTCOME_OF_CONDITION.items()}


class TooOld(Conflict):
    """The entry is of a time when less was kept of a decision."""

    code = "decision-too-old"
    title = "The decision cannot be made again"


class TokenChanged(Conflict):
    """What the credential was narrowed to at that time is not known any more."""

    code = "token-changed"
    title = "The decision cannot be made again"


@dataclass(frozen=True)
class Again:
    """A decision made again, and the policy that made it."""

    decision: Decision
    snapshot: Snapshot
    replay: Replay


def find(service: Service, decision: str) -> StoredEvent | None:
    """The event that a decision is recorded in. Raises InvalidInput for what is no id of one."""
    service.audit.drain()
    with service.store.read() as connection:
        return search.of_decision(connection, decision)


def of_event(connection: Connection, stored: StoredEvent) -> Recorded:
    """What the event keeps of its decision. Raises TooOld, TokenChanged."""
    event = stored.event
    note = event.decision
    if note is None or not note.at:
        raise TooOld("the entry is from before decisions were kept with all that they rest on")
    action, object_ = event.asked
    shown = None if note.factor_age is None else note.at - note.factor_age * _MICROS
    outcomes = {name: _OUTCOMES[code] for name, code in note.conditions}
    recovering = RECOVERY in event.actor.factors
    return Recorded(
        id=note.id,
        request=AccessRequest(
            event.actor.subject,
            event.department,
            object_,
            note.field or NO_FIELD,
            action,
            AccessContext(note.at, shown, recovering),
            _narrowing(connection, event, note),
        ),
        kind=note.kind or ALLOW,
        rule=note.rule,
        policy=note.policy,
        epoch=note.epoch,
        outcomes=outcomes,
    )


def again(service: Service, connection: Connection, recorded: Recorded) -> Again:
    """The same decision, by the policy of its moment."""
    done = replayed(
        recorded,
        lambda known_until: past.policy_of(
            service,
            connection,
            recorded.at,
            epoch=recorded.epoch,
            known_until=known_until,
        ),
        _changes(connection, recorded.request.subject),
    )
    if done.decision is None or done.snapshot is None:
        raise Damaged(f"the decision {recorded.id} could not be made again")
    return Again(done.decision, done.snapshot, done)


def _changes(connection: Connection, subject: str) -> list[int]:
    """When the subject's grants were made and revoked."""
    row = role_grant.c
    found = connection.execute(select(row.created_at, row.revoked_at).where(row.subject == subject))
    return [moment for pair in found for moment in pair if moment is not None]


def _narrowing(connection: Connection, event: Event, note: DecisionNote) -> Narrowing:
    """What the credential was narrowed to. Raises TokenChanged when that is not known any more."""
    if not note.narrowing:
        return ()
    layers: Narrowing = ()
    if event.actor.kind == "svc":
        try:
            layers = tokens.read_token(connection, event.actor.session).layers
        except NotFound:
            layers = ()
    elif RECOVERY in event.actor.factors:
        layers = (sessions.RECOVERY_LAYER,)
    if digest_of(layers) != note.narrowing:
        raise TokenChanged(
            f"what the credential {event.actor.session} was narrowed to was changed since"
        )
    return layers
