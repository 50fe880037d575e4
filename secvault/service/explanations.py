"""Operations that explain: why somebody may or may not, of a decision that was made or to come.

Everybody learns about themselves what helps them (`access.own`); administrators and auditors learn
everything about everybody (`access.explain`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.access import NO_FIELD, AccessContext, AccessRequest, Narrowing, decide
from secvault.access.explanation import Circumstances, Explanation, explained
from secvault.access.vocabulary import ACTIONS, LOCAL_SUBJECTS
from secvault.audit.leaf import StoredEvent
from secvault.errors import InvalidInput, NotFound
from secvault.identity import people, service_accounts, tokens
from secvault.service import past, recorded_decisions
from secvault.service.approvals.subjects import name_of
from secvault.service.grants import subject_of
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

EXPLAIN = Operation("access.explain", "it", "access", "it/access")
OWN = Operation("access.own", "it", "session", "it/session")

_MICROS = 1_000_000


@dataclass(frozen=True)
class Asked:
    """A question about somebody. subject: `user:<name or id>`, `svc:...`, a bare name, or a local
    subject; empty for the caller.

    at: the moment, microseconds; now when None. token: key id of the token that it is done with.
    factor_age: as if a second factor had been shown so many seconds before; None for none. Of
    themselves at present a caller is told as they are, whatever these two say.
    """

    action: str
    department: str
    object: str
    field: str = NO_FIELD
    subject: str = ""
    at: int | None = None
    token: str = ""
    factor_age: int | None = None


@dataclass(frozen=True)
class Explained:
    """An explanation, and for whom it is.

    in_full: for an administrator or auditor; else only what the subject may read of it. names: of
    the subjects in it. stored: the event of the decision that was asked about, if one was.
    """

    explanation: Explanation
    in_full: bool
    names: Mapping[str, str]
    stored: StoredEvent | None = None


def explain(service: Service, caller: Caller, asked: Asked) -> Explained:
    """Whether somebody may do something, why, and what would help. Raises InvalidInput, Refused."""
    in_full = service.spine.ask(caller, EXPLAIN).allowed
    own = is_caller(caller, asked.subject)
    now = service.clock.micros()

    def act(connection: Connection) -> Outcome[Explained]:
        if asked.at is not None:
            service.audit.drain()
        subject = caller.principal.subject if own else subject_named(connection, asked.subject)
        at = now if asked.at is None else asked.at
        context, narrowing = _as_if(connection, asked, subject, at)
        if own and asked.at is None:
            context, narrowing = service.spine.context(caller), caller.principal.narrowing
            at = context.at
        request = AccessRequest(
            subject,
            asked.department,
            asked.object,
            asked.field,
            asked.action,
            context,
            narrowing,
        )
        snapshot = (
            service.policy.snapshot(at, connection)
            if asked.at is None
            else past.policy_of(service, connection, at)
        )
        decision = decide(snapshot, request, random=service.random)
        standing = _circumstances(service, connection, subject, asked.at, at, asked.action)
        explanation = explained(snapshot, request, decision, standing)
        detail: dict[str, str | int | bool] = {}
        if asked.action in ACTIONS:
            detail["operation"] = asked.action
        if in_full:
            detail["subject"] = subject
        names = _names(connection, explanation)
        return Outcome(Explained(explanation, in_full, names), detail=detail)

    return service.spine.read(caller, OWN if own and not in_full else EXPLAIN, act)


def explain_decision(service: Service, caller: Caller, decision: str) -> Explained:
    """A decision of the audit log, by its id, as a refusal names it.

    One's own, or for administrators anybody's. Raises NotFound, Conflict when the entry is too old
    to say enough, Refused.
    """
    in_full = service.spine.ask(caller, EXPLAIN).allowed
    stored = recorded_decisions.find(service, decision)
    own = stored is not None and stored.event.actor.subject == caller.principal.subject

    def act(connection: Connection) -> Outcome[Explained]:
        if stored is None:
            raise NotFound(f"the audit log has no decision {decision}")
        recorded = recorded_decisions.of_event(connection, stored)
        again = recorded_decisions.again(service, connection, recorded)
        subject = recorded.request.subject
        reason = stored.event.detail.get("reason")
        standing = Circumstances(
            home=_home(connection, subject),
            slots=(
                service.approvers.usual(recorded.request.action, subject)
                if reason == "approval-required"
                else ()
            ),
        )
        explanation = explained(again.snapshot, recorded.request, again.decision, standing)
        detail: dict[str, str | int | bool] = {"operation": recorded.request.action}
        if in_full:
            detail["subject"] = subject
        made = Explained(explanation, in_full, _names(connection, explanation), stored)
        return Outcome(made, detail=detail)

    return service.spine.read(caller, OWN if own and not in_full else EXPLAIN, act)


def subject_named(connection: Connection, text: str) -> str:
    """The subject that somebody wrote, with its id. Raises InvalidInput.

    A bare name is a person's, else a system's.
    """
    if text in LOCAL_SUBJECTS:
        return text
    if ":" in text:
        return subject_of(connection, text)
    for find in (people.by_name_or_id, service_accounts.by_name_or_id):
        try:
            return find(connection, text).subject
        except NotFound:
            continue
    raise InvalidInput.at("subject", "there is nobody of that name; see people list, systems list")


def is_caller(caller: Caller, text: str) -> bool:
    """Whether a subject as somebody wrote it is the caller; nothing is the caller, too."""
    who = caller.principal
    own = {"", who.subject, who.name, who.id, f"{who.kind}:{who.name}"}
    return text in own


def _as_if(
    connection: Connection, asked: Asked, subject: str, at: int
) -> tuple[AccessContext, Narrowing]:
    shown = None if asked.factor_age is None else at - asked.factor_age * _MICROS
    narrowing: Narrowing = ()
    if asked.token:
        try:
            token = tokens.read_token(connection, asked.token)
        except NotFound:
            token = None
        # Whether a token of others exists is told to nobody.
        if token is None or token.subject != subject:
            raise InvalidInput.at("token", "is no key id of a token of theirs")
        narrowing = token.layers
    return AccessContext(at, shown), narrowing


def _circumstances(
    service: Service,
    connection: Connection,
    subject: str,
    past_at: int | None,
    at: int,
    action: str,
) -> Circumstances:
    needed = past.approvals_needed(connection, at)
    return Circumstances(
        suspended=subject in past.suspended(connection, past_at),
        sealed=past_at is not None and past.was_sealed(connection, past_at),
        home=_home(connection, subject),
        slots=service.approvers.usual(action, subject) if needed else (),
    )


def _home(connection: Connection, subject: str) -> str:
    """The department that the subject belongs to; empty when it is nobody's."""
    kind, _, identity = subject.partition(":")
    try:
        if kind == "user":
            return people.read_person(connection, identity).department
        if kind == "svc":
            return service_accounts.read_account(connection, identity).department
    except NotFound:
        return ""
    return "it"


def _names(connection: Connection, explanation: Explanation) -> Mapping[str, str]:
    granters = {one.way.grant.granted_by for one in explanation.matched if one.way.grant}
    subjects = {explanation.request.subject, *granters}
    return {subject: name_of(connection, subject) for subject in sorted(subjects)}
