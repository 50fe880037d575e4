"""Exceptions from the rules of separation: one person, one rule, an end, and what is done instead.

Rows of the store. They let a breach be granted; they change no decision.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from secvault.access.vocabulary import LOCAL_SUBJECTS, is_grantee
from secvault.clock import timestamp
from secvault.errors import Conflict, InvalidInput, NotFound, Refused
from secvault.store.tables import separation_exception

LONGEST_NOTE = 500


@dataclass(frozen=True)
class AgreedException:
    """Somebody may break one rule from `begins_at` until before `ends_at` (microseconds, UTC).

    note: what is done instead, so that the danger is watched. ended_at: when somebody ended it
    before its time.
    """

    id: str
    subject: str
    rule: str
    begins_at: int
    ends_at: int
    note: str
    granted_by: str
    created_at: int
    ended_at: int | None = None
    ended_by: str | None = None

    @property
    def over_at(self) -> int:
        """When it ends, or ended before its time."""
        return self.ends_at if self.ended_at is None else min(self.ends_at, self.ended_at)


def new_exception(
    connection: Connection,
    *,
    subject: str,
    rule: str,
    ends_at: int,
    note: str,
    granted_by: str,
    at: int,
    random: Callable[[int], bytes] = os.urandom,
) -> AgreedException:
    """The exception that lets `subject` break the rule from `at` until `ends_at`; not kept yet.

    subject, rule: which the caller knows to exist. Raises InvalidInput; Refused when somebody
    excepts themselves; Conflict when there is one already.
    """
    if not is_grantee(subject):
        raise InvalidInput.at("subject", "write user:<id> or svc:<id>")
    if not (is_grantee(granted_by) or granted_by in LOCAL_SUBJECTS):
        raise InvalidInput.at("granted_by", "must be a person, a service account or the operator")
    if granted_by == subject:
        raise Refused("nobody makes an exception for themselves; ask another administrator")
    shown = note.strip()
    if not 0 < len(shown) <= LONGEST_NOTE or not shown.isprintable():
        raise InvalidInput.at(
            "note", f"say in one line what is done instead, {LONGEST_NOTE} characters at most"
        )
    if ends_at <= at:
        raise InvalidInput.at("ends_at", "must lie in the future")
    present = list_exceptions(connection, subject=subject, valid_at=at)
    if any(one.rule == rule for one in present):
        raise Conflict(f"{subject} has an exception from {rule} already; end that one first")
    return AgreedException(
        f"x{random(10).hex()}", subject, rule, at, ends_at, shown, granted_by, at
    )


def keep_exception(connection: Connection, made: AgreedException) -> None:
    """Let it count; durable with the caller's transaction."""
    connection.execute(insert(separation_exception).values(**vars(made)))


def end_exception(
    connection: Connection, exception_id: str, *, at: int, ended_by: str
) -> AgreedException:
    """End an exception at the moment `at`. Raises NotFound; Conflict when it is over."""
    table = separation_exception
    found = connection.execute(select(table).where(table.c.id == exception_id)).first()
    if found is None:
        raise NotFound(f"there is no exception {exception_id[:64]}")
    before = AgreedException(**found._asdict())
    if before.over_at <= at:
        raise Conflict(f"the exception ended already, at {timestamp(before.over_at)}")
    connection.execute(
        update(table)
        .where(table.c.id == exception_id, table.c.ended_at.is_(None))
        .values(ended_at=at, ended_by=ended_by)
    )
    return AgreedException(**{**found._asdict(), "ended_at": at, "ended_by": ended_by})


def list_exceptions(
    connection: Connection, *, subject: str | None = None, valid_at: int | None = None
) -> tuple[AgreedException, ...]:
    """The exceptions that fit, oldest first; those that are over too unless `valid_at` is given."""
    table = separation_exception
    query = select(table).order_by(table.c.created_at, table.c.id)
    if subject is not None:
        query = query.where(table.c.subject == subject)
    found = tuple(AgreedException(**row._asdict()) for row in connection.execute(query))
    if valid_at is None:
        return found
    return tuple(one for one in found if one.begins_at <= valid_at < one.over_at)
