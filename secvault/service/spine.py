"""The one path of every operation: authenticate, decide, act, record.

A face authenticates its caller, then hands an operation to one of the three verbs here. None of
them answers before the audit entry is on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar, cast

import msgspec
from sqlalchemy import Connection

from secvault.access import (
    About,
    AccessContext,
    Decision,
    FieldAccess,
    Policy,
)
from secvault.access.obligations import MAY_NEED_APPROVAL
from secvault.access.surroundings import NOWHERE, Surroundings
from secvault.access.vocabulary import EMERGENCY_ROLE
from secvault.audit.event import Actor, ActorKind, Event
from secvault.audit.event import Outcome as AuditOutcome
from secvault.audit.log import AuditLog
from secvault.clock import Clock
from secvault.errors import ApprovalRequired, InvalidInput, Refused, SecvaultError
from secvault.identity.principal import Principal
from secvault.service import standing
from secvault.service.approval import Approvals, NothingRequired, Proposal, Terms
from secvault.service.asking import Asking, refusal, require_allowed
from secvault.service.decision_note import note_of
from secvault.service.operation import Caller, Operation, Outcome
from secvault.service.origin import network_of, personal_of
from secvault.store import Store

T = TypeVar("T")
K = TypeVar("K")

READING_THE_LOG = frozenset({"audit.read", "audit.verify"})
_REMEMBERED = 4_096

__all__ = ["Caller", "Operation", "Outcome", "Spine", "actor_of"]


class Spine:
    """Decides, acts and records. Holds nothing of its own."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        policy: Policy,
        audit: AuditLog,
        approvals: Approvals = NothingRequired(),  # noqa: B008 - frozen, and holds nothing
        surroundings: Surroundings = NOWHERE,
    ) -> None:
        """approvals: asked about what may need a second person; see `approval`. surroundings: what
        the company's settings say, for conditions.
        """
        self._approvals = approvals
        self._asking = Asking(store, clock, policy, surroundings)
        self._store = store
        self._clock = clock
        self._policy = policy
        self._audit = audit

    def decide(self, caller: Caller, operation: Operation) -> Decision:
        """Return the decision when it is an allow. A refusal is recorded and raised as Refused."""
        decision = self.ask(caller, operation)
        if not decision.allowed:
            self._audit.record(self.event(caller, operation, "denied", decision))
            raise refusal(decision)
        return decision

    def ask(self, caller: Caller, operation: Operation) -> Decision:
        """The decision itself, without a record: for what is left out or masked in an answer."""
        self._require_declared(caller, operation)
        return self._asking.decide(caller, operation)

    def allowed(self, caller: Caller, operations: Mapping[K, Operation]) -> tuple[K, ...]:
        """Which of these are allowed, all by one policy, in their order; without a record."""
        found = self.ask_each(caller, operations)
        return tuple(key for key, decision in found.items() if decision.allowed)

    def ask_each(self, caller: Caller, operations: Mapping[K, Operation]) -> dict[K, Decision]:
        """As `ask`, of each of these, all by one policy."""
        for operation in operations.values():
            self._require_declared(caller, operation)
        decisions = self._asking.decide_each(caller, operations.values())
        return dict(zip(operations, decisions, strict=True))

    def require(self, caller: Caller, operation: Operation, connection: Connection) -> None:
        """Return when it is allowed as everything stands in this transaction. Raises Refused."""
        self._require_declared(caller, operation)
        require_allowed([self._asking.decide(caller, operation, connection)])

    def require_fields(
        self, caller: Caller, operation: Operation, fields: Iterable[str], connection: Connection
    ) -> None:
        """The same for each of these fields of the object."""
        self._require_declared(caller, operation)
        require_allowed(self._asking.decide_fields(caller, operation, fields, connection))

    def some(
        self, caller: Caller, operation: Operation, sorts: Iterable[About]
    ) -> Mapping[About, Decision]:
        """Those of the sorts of objects to which the caller may do it, by one policy.

        When there is none, the refusal is recorded and raised as Refused.
        """
        self._require_declared(caller, operation)
        found, refused = self._asking.decide_sorts(caller, operation, sorts)
        if not found:
            self._audit.record(self.event(caller, operation, "denied", refused))
            raise refusal(refused)
        return found

    def may_some(self, caller: Caller, operation: Operation, sorts: Iterable[About]) -> bool:
        """Whether they may do it to one of the sorts at all; without a record."""
        self._require_declared(caller, operation)
        return bool(self._asking.decide_sorts(caller, operation, sorts)[0])

    def looks_at_objects(self, *actions: str) -> bool:
        """Whether a rule about one of these actions looks at the object."""
        return self._asking.looks_at_objects(*actions)

    @staticmethod
    def _require_declared(caller: Caller, operation: Operation) -> None:
        if caller.actions is not None and operation.action not in caller.actions:
            raise AssertionError(f"the route does not declare {operation.action}")

    def context(self, caller: Caller) -> AccessContext:
        """What conditions may look at; made here, never taken from the caller."""
        return self._asking.context(caller)

    def ticket(self, text: str, field: str) -> str:
        """The ticket that somebody names at `field`; empty for none. Raises InvalidInput."""
        if text and not self._asking.surroundings.is_ticket(text):
            raise InvalidInput.at(field, "is no ticket of a form that conditions.tickets names")
        return text

    def field_access(
        self,
        caller: Caller,
        department: str,
        collection: str,
        fields: Iterable[str],
        about: About | None = None,
    ) -> Mapping[str, FieldAccess]:
        """How each field of a record is shown to the caller. about: what the record is about."""
        return self._asking.field_access(caller, department, collection, fields, about)

    def revealable(
        self,
        caller: Caller,
        department: str,
        collection: str,
        fields: Iterable[str],
        about: About | None = None,
    ) -> tuple[str, ...]:
        """Those of the fields that the caller may reveal; see `Asking.revealable`."""
        return self._asking.revealable(caller, department, collection, fields, about)

    def read(
        self,
        caller: Caller,
        operation: Operation,
        act: Callable[[Connection], Outcome[T]],
        decision: Decision | None = None,
    ) -> T:
        """Run a reading act; its answer leaves only after the entry is durable.

        decision: the one that `some` made for it; else it is decided here.
        """
        self._require_no_approval(operation)
        decision = decision or self.decide(caller, operation)
        with self.concerning(caller, operation, decision), self._store.read() as connection:
            outcome = act(connection)
        # Whoever has to find out what happened can read the log also while it cannot be written.
        reserve = operation.action in READING_THE_LOG
        self._audit.record(self.event(caller, operation, "ok", decision, outcome), reserve=reserve)
        return outcome.value

    def change(
        self,
        caller: Caller,
        operation: Operation,
        act: Callable[[Connection], Outcome[T]],
        terms: Callable[[Connection], Terms | None] | None = None,
    ) -> T:
        """Run a changing act in one transaction that holds its audit entry too.

        terms: what exactly is to be done, if a second person may have to approve it; None where
        that needs nobody. Asked for in the transaction, before the act. Must be given for the
        actions of `obligations.MAY_NEED_APPROVAL`. Raises ApprovalRequired; nothing is changed
        then, but that others are asked when the caller gave a reason for it.
        """
        if terms is None:
            self._require_no_approval(operation)
        decision = self.decide(caller, operation)
        proposal: Proposal | None = None
        try:
            with (
                self.concerning(caller, operation, decision),
                self._store.write() as connection,
            ):
                standing.require(
                    connection,
                    self._clock,
                    caller.principal,
                    operation.action,
                    commissioned=caller.commissioned,
                )
                # A right that was taken away since the decision opens nothing any more.
                require_allowed([self._asking.decide(caller, operation, connection, hold=True)])
                proposal = self._proposal(connection, caller, operation, terms)
                approved = self._approved(connection, proposal)
                outcome = act(connection)
                noted = replace(outcome, detail={**outcome.detail, **approved})
                event = self.event(caller, operation, "ok", decision, noted)
                self._audit.enqueue(connection, event)
        except ApprovalRequired:
            if proposal is None or not caller.reason:
                raise
            raise self._ask(caller, operation, decision, proposal) from None
        self._audit.kick()
        return outcome.value

    def work(self, caller: Caller, operation: Operation, act: Callable[[], Outcome[T]]) -> T:
        """Run an act that no transaction can hold: intent on disk before it, outcome after it."""
        decision = self.announce(caller, operation)
        with self.concerning(caller, operation, decision):
            outcome = act()
        self.conclude(caller, operation, decision, outcome)
        return outcome.value

    def announce(self, caller: Caller, operation: Operation) -> Decision:
        """Decide, and put the intent on disk, before work that is done in several steps."""
        self._require_no_approval(operation)
        decision = self.decide(caller, operation)
        with self.concerning(caller, operation, decision), self._store.read() as connection:
            standing.require_shown(connection, self._clock, caller.principal)
        self._audit.record(self.event(caller, operation, "intent", decision))
        return decision

    def conclude(
        self, caller: Caller, operation: Operation, decision: Decision, outcome: Outcome[T]
    ) -> None:
        """Put the outcome of announced work on disk."""
        self._audit.record(self.event(caller, operation, "ok", decision, outcome))

    @contextmanager
    def concerning(
        self, caller: Caller, operation: Operation, decision: Decision
    ) -> Iterator[None]:
        """Record the failure of what is done in the block, and let it go on its way.

        A refusal goes with the id of the decision that the record names: the one that refused, when
        there was a newer one in the block.
        """
        try:
            yield
        except SecvaultError as error:
            detail = {"reason": error.code}
            if isinstance(error, ApprovalRequired):
                detail["digest"] = error.digest
            failed = Outcome(None, count=0, detail=detail)
            outcome: AuditOutcome = "denied" if isinstance(error, Refused) else "error"
            if isinstance(error, Refused):
                if isinstance(error.decision, Decision):
                    decision = error.decision
                error.decision_id, error.decision = error.decision_id or decision.id, None
            self._audit.record(self.event(caller, operation, outcome, decision, failed))
            raise

    @staticmethod
    def _proposal(
        connection: Connection,
        caller: Caller,
        operation: Operation,
        terms: Callable[[Connection], Terms | None] | None,
    ) -> Proposal | None:
        proposed = terms(connection) if terms else None
        if proposed is None:
            return None
        return Proposal(
            caller.principal.subject,
            operation.action,
            operation.department,
            operation.object,
            operation.resource,
            proposed,
        )

    def _approved(self, connection: Connection, proposal: Proposal | None) -> Mapping[str, str]:
        """What the audit entry says of the approval: nothing where none can be needed."""
        if proposal is None:
            return {}
        return {
            "approval": self._approvals.grant(connection, proposal),
            "digest": proposal.digest,
        }

    def _ask(
        self, caller: Caller, operation: Operation, decision: Decision, proposal: Proposal
    ) -> ApprovalRequired:
        """Ask others to approve, in a transaction of its own: that of the operation is undone."""
        with self._store.write() as connection:
            asked = self._approvals.ask(connection, proposal, caller.reason)
            detail: dict[str, str | int | bool] = {
                "request": asked.request,
                "operation": operation.action,
                "digest": proposal.digest,
                "expires_at": asked.expires_at,
            }
            if proposal.beneficiary:
                detail["subject"] = proposal.beneficiary
            event = self.event(caller, operation, "ok", decision, Outcome(None, detail=detail))
            self._audit.enqueue(connection, _as_of_kind(event, "approval.ask"))
        self._audit.kick()
        return ApprovalRequired(
            f"the request {asked.request} waits for its approval; do the same again when it has it",
            digest=proposal.digest,
            request=asked.request,
            decision_id=decision.id,
        )

    @staticmethod
    def _require_no_approval(operation: Operation) -> None:
        if operation.action in MAY_NEED_APPROVAL:
            raise AssertionError(f"{operation.action} must go through change, with its terms")

    def ask_by_epoch(self, caller: Caller, operation: Operation, epoch: int) -> Decision | None:
        """The decision by the policy in memory, if that is the policy of `epoch`; unrecorded."""
        self._require_declared(caller, operation)
        return self._policy.decide_by_epoch(self._asking.request(caller, operation), epoch)

    @staticmethod
    def event(
        caller: Caller,
        operation: Operation,
        outcome: AuditOutcome,
        decision: Decision,
        done: Outcome[T] | None = None,
    ) -> Event:
        """What the audit log keeps of the operation."""
        detail = done.detail if done else {}
        event = Event(
            operation.action,
            outcome,
            actor_of(caller.principal),
            operation.resource,
            operation.department,
            done.fields if done else (),
            done.count if done else None,
            note_of(decision, operation, caller.principal.narrowing),
            "",
            caller.request_id,
            _with_more(caller, decision, detail),
            network_of(caller),
            personal_of(caller),
        )
        return _as_of_kind(event, operation.kind) if operation.kind else event


def _as_of_kind(event: Event, kind: str) -> Event:
    """The event under another kind, with the action that its decision was about."""
    assert event.decision is not None  # noqa: S101 - every event of an operation has one
    about = msgspec.structs.replace(event.decision, action=event.kind)
    return msgspec.structs.replace(event, kind=kind, decision=about)


def _with_more(
    caller: Caller, decision: Decision, detail: Mapping[str, str | int | bool]
) -> Mapping[str, str | int | bool]:
    """With the ticket that was named, and the incident by which it was allowed, if any."""
    if caller.ticket:
        detail = {**detail, "ticket": caller.ticket}
    # The role first: to work the way out takes longer than the decision.
    if decision.role == EMERGENCY_ROLE and EMERGENCY_ROLE in decision.via:
        step = decision.via[decision.via.index(EMERGENCY_ROLE) - 1]
        detail = {**detail, "incident": step.removeprefix("grant ")}
    return detail


def actor_of(principal: Principal) -> Actor:
    """The principal as the audit log names it."""
    return _actor(principal.subject, principal.credential, principal.factors)


@lru_cache(maxsize=_REMEMBERED)
def _actor(subject: str, credential: str, factors: tuple[str, ...]) -> Actor:
    kind, _, identity = subject.partition(":")
    return Actor(cast("ActorKind", kind), identity, credential, factors)
