"""The operations that decide: one question, or several at once."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from secvault.audit.facts import IDENTIFIER
from secvault.errors import InvalidInput
from secvault.service.authzen.asked import (
    MOST_EVALUATIONS,
    Answer,
    Evaluation,
    Fault,
    Semantic,
    Unknown,
)
from secvault.service.authzen.inquiry import Inquiry, checked, is_explained_to, operation
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome

EVALUATE = operation("access.evaluate")


def evaluate(service: Service, caller: Caller, asked: Evaluation) -> Answer:
    """May they? Raises InvalidInput for facts of the caller that make no sense."""
    explained = is_explained_to(service, caller)

    def act(connection: Connection) -> Outcome[Answer]:
        inquiry = Inquiry(service, caller, connection, explained=explained)
        answer = inquiry.evaluate(asked)
        detail: dict[str, str | int | bool] = {"passed": answer.allowed}
        if answer.decision is not None:
            detail["answered"] = answer.decision.id
        return Outcome(answer, detail=detail | named(inquiry, asked))

    return service.spine.read(caller, EVALUATE, act)


def evaluate_each(
    service: Service,
    caller: Caller,
    asked: Sequence[Evaluation | InvalidInput],
    semantic: Semantic = Semantic.EXECUTE_ALL,
) -> tuple[Answer, ...]:
    """The answers in order, until the one that the semantic ends with.

    One that is not understood is a no with its fault. Raises InvalidInput for too many.
    """
    if len(asked) > MOST_EVALUATIONS:
        raise InvalidInput.at("evaluations", f"takes {MOST_EVALUATIONS} at most")
    last = {Semantic.DENY_ON_FIRST_DENY: False, Semantic.PERMIT_ON_FIRST_PERMIT: True}.get(semantic)
    explained = is_explained_to(service, caller)

    def act(connection: Connection) -> Outcome[tuple[Answer, ...]]:
        inquiry = Inquiry(service, caller, connection, explained=explained)
        answers: list[Answer] = []
        for one in asked:
            if isinstance(one, InvalidInput):
                answers.append(Answer(None, Fault(400, one.detail)))
            else:
                answers.append(checked(one, inquiry))
            if answers[-1].allowed is last:
                break
        allowed = sum(answer.allowed for answer in answers)
        return Outcome(tuple(answers), count=len(answers), detail={"allowed": allowed})

    return service.spine.read(caller, EVALUATE, act)


def named(inquiry: Inquiry, asked: Evaluation) -> dict[str, str | int | bool]:
    """What was asked about, for the audit log: only names of our own, never a caller's text."""
    said: dict[str, str | int | bool] = {}
    try:
        if asked.subject.id:
            said["subject"] = inquiry.somebody(asked.subject).subject
        target = inquiry.things.find(asked.resource, asked.action)
    except (Unknown, InvalidInput):
        return said
    said["operation"] = target.action
    about = {"collection": target.object, "target": target.record}
    return said | {fact: text for fact, text in about.items() if IDENTIFIER.fullmatch(text)}
