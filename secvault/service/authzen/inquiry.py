"""The questions of one request, answered by one policy in one state of the store."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from secvault.access import AccessContext, AccessRequest, Decision
from secvault.errors import InvalidInput
from secvault.service.authzen import circumstances, subjects, things
from secvault.service.authzen.asked import Answer, Evaluation, Fault, Thing, Unknown
from secvault.service.authzen.subjects import Somebody
from secvault.service.authzen.things import Target, Things
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation

EXPLAINED_TO = "access.search"
"""Whoever may find out who may what is also told why."""


class Inquiry:
    """What one caller asks in one transaction."""

    def __init__(
        self, service: Service, caller: Caller, connection: Connection, *, explained: bool = False
    ) -> None:
        """explained: whether the caller may see the reasons that are for administrators."""
        self._explained = explained
        self._surroundings = service.spine.context(caller).surroundings
        self.service = service
        self.connection = connection
        self.things = Things(service, connection)
        self._caller = caller
        self._at = service.clock.micros()
        self._snapshot = service.policy.snapshot(self._at, connection)
        self._people: dict[tuple[str, str], Somebody | None] = {}

    def evaluate(self, asked: Evaluation) -> Answer:
        """The answer to one question. Raises InvalidInput where a caller's facts make no sense."""
        try:
            somebody = self.somebody(asked.subject)
            target = self.things.find(asked.resource, asked.action)
        except Unknown as unknown:
            return Answer(None, Fault(404, unknown.message))
        return self.decide(somebody, target, self.context(asked))

    def somebody(self, subject: Thing) -> Somebody:
        """Whom the caller means. Raises Unknown."""
        sort = self.service.names.subjects.get(subject.type)
        if sort is None:
            raise Unknown("There is no such type of subject.")
        key = (subject.type, subject.id)
        if key not in self._people:
            self._people[key] = subjects.find(self.connection, sort, subject.id)
        found = self._people[key]
        if found is None:
            raise Unknown("There is no such subject.")
        return found

    def context(self, asked: Evaluation) -> AccessContext:
        """What conditions may look at. Raises InvalidInput for what the caller cannot mean."""
        plain = AccessContext(self._at, surroundings=self._surroundings)
        trusted = self.service.names.callers.get(self._caller.principal.name, frozenset())
        if self._caller.principal.kind != "svc":
            trusted = frozenset()
        return circumstances.with_said(plain, trusted, asked.subject, asked.context)

    def decide(self, somebody: Somebody, target: Target, context: AccessContext) -> Answer:
        """Whether somebody may."""
        if not somebody.active:
            return Answer(None, Fault(404, "The subject is not in use."))
        decision = self._decision(somebody, target, context)
        # Whoever may not anyway learns nothing of what is there.
        gone = Fault(404, "There is no such record.") if target.gone and decision.allowed else None
        return Answer(decision, gone, self._explained)

    def allows(self, somebody: Somebody, target: Target, context: AccessContext) -> bool:
        """The same for searches, which need no reasons."""
        if not somebody.active or target.gone:
            return False
        return self._decision(somebody, target, context).allowed

    def _decision(self, somebody: Somebody, target: Target, context: AccessContext) -> Decision:
        target = things.against(target, somebody)
        asker = somebody.asker
        if target.owner is not None:
            asker = replace(asker, employee=things.SELF)
        return self.service.policy.decide_in(
            self._snapshot,
            AccessRequest(
                somebody.subject,
                target.department,
                target.object,
                target.field,
                target.action,
                replace(context, asker=asker, about=target.about),
            ),
        )


def operation(action: str) -> Operation:
    """Asking for decisions, as an operation itself."""
    return Operation(action, "it", "access", "it/access")


def is_explained_to(service: Service, caller: Caller) -> bool:
    """Whether the caller may see the reasons that are for administrators."""
    return service.spine.ask(caller, operation(EXPLAINED_TO)).allowed


def checked(asked: Evaluation, inquiry: Inquiry) -> Answer:
    """As `Inquiry.evaluate`, but what makes no sense is a fault of this one question."""
    try:
        return inquiry.evaluate(asked)
    except InvalidInput as error:
        return Answer(None, Fault(400, error.detail))
