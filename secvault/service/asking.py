"""From a caller and an operation to the question that the policy answers, with what conditions see.

Whatever a condition may look at is put together here: from the credential, the socket, the store
and the settings, never from what a client says of itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from secvault.access import (
    ALL,
    About,
    AccessContext,
    AccessRequest,
    Asker,
    Decision,
    FieldAccess,
    Policy,
)
from secvault.access.conditions import NOBODY
from secvault.access.surroundings import Surroundings
from secvault.clock import Clock
from secvault.errors import Refused, StepUpRequired
from secvault.identity.placement import Placement, placement_of
from secvault.identity.principal import Principal
from secvault.service.operation import Caller, Operation
from secvault.store import Store


@dataclass(frozen=True)
class Asking:
    """Asks the policy. surroundings: what the company's settings say, for conditions."""

    store: Store
    clock: Clock
    policy: Policy
    surroundings: Surroundings

    def decide(
        self,
        caller: Caller,
        operation: Operation,
        connection: Connection | None = None,
        *,
        hold: bool = False,
    ) -> Decision:
        """The decision; as everything stands in this transaction, where one is given.

        hold: see `request`; only in a transaction that writes.
        """
        if connection is not None:
            request = self.request(caller, operation, connection, hold=hold)
            return self.policy.decide(request, connection)
        if not self._looks_around(operation):
            return self.policy.decide(self.request(caller, operation))
        with self.store.read() as reading:
            request = self.request(caller, operation, reading)
        return self.policy.decide(request)

    def decide_each(self, caller: Caller, operations: Iterable[Operation]) -> tuple[Decision, ...]:
        """The decision on each of them, all by one policy, as everything stands now."""
        with self.store.read() as reading:
            requests = [
                self.request(caller, one, reading if self._looks_around(one) else None)
                for one in operations
            ]
        snapshot = self.policy.snapshot(self.clock.micros())
        return tuple(self.policy.decide_in(snapshot, one) for one in requests)

    def decide_fields(
        self, caller: Caller, operation: Operation, fields: Iterable[str], connection: Connection
    ) -> Iterable[Decision]:
        """The decision on each field of the object, as everything stands in this transaction."""
        asked = self.request(caller, operation, connection)
        return self.policy.decide_fields(
            asked.subject,
            asked.department,
            asked.object,
            fields,
            asked.action,
            context=asked.context,
            narrowing=asked.narrowing,
            connection=connection,
        ).values()

    def decide_sorts(
        self, caller: Caller, operation: Operation, sorts: Iterable[About]
    ) -> tuple[Mapping[About, Decision], Decision]:
        """The sorts of objects to which it is allowed; and why not, for when there is none.

        A sort that only a fresher second factor is missing for is the one to tell about.
        """
        request = self.request(caller, operation)
        snapshot = self.policy.snapshot(request.context.at)
        found: dict[About, Decision] = {}
        refused = self.policy.decide_in(snapshot, request)
        for about in sorts:
            context = replace(request.context, about=about)
            decision = self.policy.decide_in(snapshot, replace(request, context=context))
            if decision.allowed:
                found[about] = decision
            elif decision.step_up is not None:
                refused = decision
        return found, refused

    def field_access(
        self,
        caller: Caller,
        department: str,
        collection: str,
        fields: Iterable[str],
        about: About | None,
    ) -> Mapping[str, FieldAccess]:
        """How each field of a record is shown to the caller. about: what the record is about."""
        return self.policy.field_access(
            caller.principal.subject,
            department,
            collection,
            fields,
            replace(self.context(caller), about=about),
            narrowing=caller.principal.narrowing,
        )

    def revealable(
        self,
        caller: Caller,
        department: str,
        collection: str,
        fields: Iterable[str],
        about: About | None,
    ) -> tuple[str, ...]:
        """Those of the fields that the caller may reveal, people if need be with a fresh factor."""
        decisions = self.policy.decide_fields(
            caller.principal.subject,
            department,
            collection,
            fields,
            "record.reveal",
            context=replace(self.context(caller), about=about),
            narrowing=caller.principal.narrowing,
        )
        # A program shows no factor, however often it is asked to.
        person = caller.principal.kind == "user"
        return tuple(
            field
            for field, decision in decisions.items()
            if decision.allowed or (person and decision.step_up is not None)
        )

    def request(
        self,
        caller: Caller,
        operation: Operation,
        connection: Connection | None = None,
        *,
        hold: bool = False,
    ) -> AccessRequest:
        """The question. connection: looks the facts up there that a condition may need.

        hold: whether the object must stay as it is until the connection's transaction ends.
        """
        context = self.context(caller, connection)
        if connection is not None and operation.made is not None:
            found = operation.made(connection, hold)
            context = replace(context, makers=found.makers, acting=found.acting)
        if connection is not None and operation.about is not None and self._looks_at(operation):
            context = replace(context, about=operation.about(connection))
        return AccessRequest(
            subject=caller.principal.subject,
            department=operation.department,
            object=operation.object,
            field=operation.field,
            action=operation.action,
            context=context,
            narrowing=caller.principal.narrowing,
        )

    def context(self, caller: Caller, connection: Connection | None = None) -> AccessContext:
        """What conditions may look at. connection: asks anew whose records are the caller's."""
        who = caller.principal
        return AccessContext(
            self.clock.micros(),
            who.second_factor_at,
            who.recovering,
            address=caller.address,
            ticket=caller.ticket,
            asker=asker_of(who, connection),
            surroundings=self.surroundings,
        )

    def looks_at_objects(self, *actions: str) -> bool:
        """Whether a rule about one of these actions looks at the object."""
        return not self.policy.rules.about_objects.isdisjoint((ALL, *actions))

    def _looks_around(self, operation: Operation) -> bool:
        """Whether more than the caller and the settings has to be known."""
        return operation.made is not None or self._looks_at(operation)

    def _looks_at(self, operation: Operation) -> bool:
        return operation.about is not None and self.looks_at_objects(operation.action)


def refusal(decision: Decision) -> Refused:
    """What is raised for a no."""
    if decision.step_up is None:
        return Refused(decision.reason_user, decision_id=decision.id)
    return StepUpRequired(decision.reason_user, max_age=decision.step_up, decision_id=decision.id)


def require_allowed(decisions: Iterable[Decision]) -> None:
    """Return when all of them are a yes.

    Raises Refused for the first that is not, with that decision for whoever puts it on record.
    """
    for decision in decisions:
        if not decision.allowed:
            error = refusal(decision)
            error.decision = decision
            raise error


def asker_of(principal: Principal, connection: Connection | None = None) -> Asker:
    """What conditions may know of whoever asks; as this transaction sees it, where there is one."""
    if principal.kind != "user":
        return NOBODY
    known = Placement(principal.employee, principal.teams)
    if connection is not None:
        known = placement_of(connection, principal.id)
    return Asker(known.employee, frozenset(known.teams))
