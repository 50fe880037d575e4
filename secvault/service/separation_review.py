"""Operations on separation of duties: what the rules are, who breaks them, who may for a while."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from secvault.access import Grant, list_grants
from secvault.access.conflicts import Conflict, conflicts
from secvault.access.separation import SeparationRule
from secvault.access.separation_exceptions import (
    AgreedException,
    end_exception,
    keep_exception,
    list_exceptions,
    new_exception,
)
from secvault.access.separation_findings import (
    Known,
    forget_finding,
    keep_finding,
    known_findings,
)
from secvault.errors import InvalidInput
from secvault.service import authentication
from secvault.service.approval import Terms
from secvault.service.approvals.subjects import name_of
from secvault.service.giving import DAY_MICROS
from secvault.service.grants import subject_of
from secvault.service.prospects import would_be
from secvault.service.separation import described, known
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

MOST_DAYS = 366
LARGEST_NUMBER = 2**53 - 1
READ, FIND, ADD, END = "separation.read", "separation.find", "exception.add", "exception.end"


@dataclass(frozen=True)
class ConflictView:
    """A conflict with the name of who has it, the rule's title by language, and all in words."""

    conflict: Conflict
    name: str
    title: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class ExceptionView:
    """An exception with the names of whom it is for and who made it. in_force: now."""

    exception: AgreedException
    name: str
    granted_by_name: str
    in_force: bool


def list_rules(service: Service, caller: Caller) -> tuple[SeparationRule, ...]:
    """The rules, in the order of the file."""

    def act(_connection: Connection) -> Outcome[tuple[SeparationRule, ...]]:
        return Outcome(service.separation.rules, count=len(service.separation.rules))

    return service.spine.read(caller, _operation(READ), act)


def list_conflicts(
    service: Service, caller: Caller, *, subject: str = "", at: int | None = None
) -> tuple[ConflictView, ...]:
    """Who breaks which rule from now on, what is asked for included, by the rules of now.

    subject: `user:<name or id>` or `svc:<name or id>`; empty for everybody. at: micros; only what
    is broken at that moment, past or to come. Raises InvalidInput.
    """
    if at is not None and not 0 <= at <= LARGEST_NUMBER:
        raise InvalidInput.at("at", "must be a moment since 1970")

    def act(connection: Connection) -> Outcome[tuple[ConflictView, ...]]:
        whom = subject_of(connection, subject) if subject else ""
        since = service.clock.micros() if at is None else at
        found = [
            one
            for one in _all_conflicts(service, connection, since)
            if (at is None or one.covers(at)) and _concerns(one, whom)
        ]
        views = tuple(_view(service, connection, one) for one in found)
        return Outcome(views, count=len(views), detail={"subject": whom} if whom else {})

    return service.spine.read(caller, _operation(READ), act)


def list_exceptions_made(
    service: Service, caller: Caller, *, everything: bool = False
) -> tuple[ExceptionView, ...]:
    """The exceptions in force, oldest first. everything: those that are over, too."""

    def act(connection: Connection) -> Outcome[tuple[ExceptionView, ...]]:
        now = service.clock.micros()
        found = list_exceptions(connection, valid_at=None if everything else now)
        views = tuple(_exception(service, connection, one) for one in found)
        return Outcome(views, count=len(views))

    return service.spine.read(caller, _operation(READ), act)


def except_from_rule(
    service: Service, caller: Caller, *, subject: str, rule: str, days: int, note: str
) -> ExceptionView:
    """Let somebody break one rule for so many days. note: what is done instead.

    Needs a second person: raises ApprovalRequired. Raises InvalidInput, Conflict; Refused for an
    exception for oneself.
    """
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput.at("days", f"use 1 to {MOST_DAYS}; an exception has an end")
    if service.separation.rule(rule) is None:
        known_ids = ", ".join(one.id for one in service.separation.rules)
        raise InvalidInput.at("rule", f"there is no such rule; there are {known_ids}")

    def new(connection: Connection) -> AgreedException:
        now = service.clock.micros()
        return new_exception(
            connection,
            subject=subject_of(connection, subject),
            rule=rule,
            ends_at=now + days * DAY_MICROS,
            note=note,
            granted_by=caller.principal.subject,
            at=now,
            random=service.random,
        )

    def act(connection: Connection) -> Outcome[ExceptionView]:
        made = new(connection)
        keep_exception(connection, made)
        detail = {**_detail(made), "expires_at": made.ends_at}
        return Outcome(_exception(service, connection, made), detail=detail)

    def terms(connection: Connection) -> Terms | None:
        whom = subject_of(connection, subject)
        if whom == caller.principal.subject:
            # Refused in any case, so that nobody is asked.
            return None
        # Nor is anybody asked to agree to what cannot be.
        wanted = new(connection)
        return {"subject": whom, "rule": rule, "days": days, "note": wanted.note}

    return service.spine.change(caller, _operation(ADD), act, terms)


def end_exception_now(service: Service, caller: Caller, exception_id: str) -> ExceptionView:
    """End an exception before its time. Raises NotFound, Conflict."""

    def act(connection: Connection) -> Outcome[ExceptionView]:
        ended = end_exception(
            connection,
            exception_id,
            at=service.clock.micros(),
            ended_by=caller.principal.subject,
        )
        return Outcome(_exception(service, connection, ended), detail=_detail(ended))

    return service.spine.change(caller, _operation(END), act)


def find_new(service: Service) -> tuple[Known, ...]:
    """Look at everybody; put on record what is news, and forget what is over. The news.

    Each breach is told once over all nodes, until it is over; the notices follow the record. Done
    every night by the worker. Raises Unavailable, AuditUnavailable; what was done stays so.
    """
    caller = Caller(authentication.jobs())
    with service.store.read() as connection:
        before = known_findings(connection)
        found = _all_conflicts(service, connection, service.clock.micros())
    open_ones = known(one for one in found if not one.exception)
    fresh = tuple(
        each for each in open_ones if each not in before and _is_news(service, caller, each)
    )
    over = sorted(before - set(open_ones))

    def act(connection: Connection) -> Outcome[None]:
        for each in over:
            forget_finding(connection, each)
        return Outcome(None, count=len(fresh), detail={"problems": len(open_ones)})

    service.spine.change(caller, _operation(FIND), act)
    return fresh


def _is_news(service: Service, caller: Caller, finding: Known) -> bool:
    rule, subject = finding

    def act(connection: Connection) -> Outcome[bool]:
        first = keep_finding(connection, finding, service.clock.micros())
        detail: dict[str, str | int | bool] = {"rule": rule}
        if subject:
            detail["subject"] = subject
        return Outcome(first, count=int(first), detail=detail)

    return service.spine.change(caller, _operation(FIND), act)


def _all_conflicts(service: Service, connection: Connection, since: int) -> tuple[Conflict, ...]:
    return conflicts(
        service.policy.rules,
        _not_over(list_grants(connection), since),
        service.separation,
        would_be=would_be(service, connection),
        exceptions=list_exceptions(connection),
        since=since,
    )


def _not_over(grants: tuple[Grant, ...], since: int) -> list[Grant]:
    return [
        one
        for one in grants
        if (one.revoked_at is None or one.revoked_at > since)
        and (one.expires_at is None or one.expires_at > since)
    ]


def _concerns(conflict: Conflict, subject: str) -> bool:
    if not subject or conflict.subject == subject:
        return True
    return not conflict.subject and any(
        way.path[0] == subject for side in conflict.sides for way in side
    )


def _view(service: Service, connection: Connection, conflict: Conflict) -> ConflictView:
    rule = service.separation.rule(conflict.rule)
    named = name_of(connection, conflict.subject) if conflict.subject else ""
    shown = replace(conflict, subject=named or conflict.subject)
    title = rule.title if rule else {}
    return ConflictView(conflict, named, title, described(service, shown))


def _exception(
    service: Service, connection: Connection, exception: AgreedException
) -> ExceptionView:
    now = service.clock.micros()
    return ExceptionView(
        exception,
        name_of(connection, exception.subject),
        name_of(connection, exception.granted_by),
        exception.begins_at <= now < exception.over_at,
    )


def _detail(exception: AgreedException) -> dict[str, str | int | bool]:
    return {
        "target": exception.id,
        "rule": exception.rule,
        "subject": exception.subject,
    }


def _operation(action: str) -> Operation:
    return Operation(action, "it", "separation", "it/separation")
