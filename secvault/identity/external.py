"""People as providers know them: one row for each provider and person, whatever brought it about.

A provider's own name for a person (`sub`, `externalId`) leads to that person and to nobody else;
e-mail addresses and sign-in names lead nowhere. Rows are never deleted where a provider let go of
somebody, so that nobody takes over what they had; only people themselves can cut a link.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from secvault.clock import Clock
from secvault.errors import Conflict, NotFound
from secvault.store.tables import external_identity


class Origin(StrEnum):
    """How a provider came to know somebody."""

    LINKED = "linked"
    CREATED = "created"
    PROVISIONED = "provisioned"


@dataclass(frozen=True)
class ExternalIdentity:
    """Somebody as a provider knows them. Times in microseconds, UTC; see the table's columns."""

    provider: str
    person: str
    subject: str | None
    origin: Origin
    external_id: str | None
    suspended: bool
    created_at: int
    changed_at: int
    last_sign_in_at: int | None
    deprovisioned_at: int | None


def add(
    connection: Connection,
    clock: Clock,
    provider: str,
    person: str,
    origin: Origin,
    *,
    subject: str | None = None,
    external_id: str | None = None,
) -> ExternalIdentity:
    """Note that the provider knows the person. Raises Conflict when it knows them already, or
    somebody else by that name.
    """
    taken = find(connection, provider, person=person) is not None
    if subject is not None:
        taken = taken or find(connection, provider, subject=subject) is not None
    if external_id is not None:
        taken = taken or find(connection, provider, external_id=external_id) is not None
    if taken:
        raise Conflict(f"{provider} has an account linked here already; unlink that one first")
    now = clock.micros()
    made = ExternalIdentity(
        provider=provider,
        person=person,
        subject=subject,
        origin=origin,
        external_id=external_id,
        suspended=False,
        created_at=now,
        changed_at=now,
        last_sign_in_at=None,
        deprovisioned_at=None,
    )
    connection.execute(insert(external_identity).values(**vars(made)))
    return made


def find(
    connection: Connection,
    provider: str,
    *,
    person: str | None = None,
    subject: str | None = None,
    external_id: str | None = None,
) -> ExternalIdentity | None:
    """The row of this provider for the person, or for its own name of them: one of the three."""
    kept = external_identity.c
    question = select(external_identity).where(kept.provider == provider)
    for column, value in (
        (kept.person, person),
        (kept.subject, subject),
        (kept.external_id, external_id),
    ):
        if value is not None:
            row = connection.execute(question.where(column == value)).one_or_none()
            return _known(row) if row else None
    raise AssertionError("find by person, subject or external_id")


def of_person(connection: Connection, person: str) -> tuple[ExternalIdentity, ...]:
    """The providers that know this person and have not let go of them, by name."""
    kept = external_identity.c
    rows = connection.execute(
        select(external_identity)
        .where(kept.person == person, kept.deprovisioned_at.is_(None))
        .order_by(kept.provider)
    )
    return tuple(_known(row) for row in rows)


def signed_in(connection: Connection, clock: Clock, provider: str, person: str) -> None:
    """Note that the person came in by this provider just now."""
    _change(connection, provider, person, last_sign_in_at=clock.micros())


def remove_link(connection: Connection, provider: str, person: str) -> None:
    """Cut a link that the person made. Raises NotFound; Conflict for who was brought by it."""
    known = find(connection, provider, person=person)
    if known is None:
        raise NotFound(f"no account of {provider[:64]!r} is linked")
    if known.origin is not Origin.LINKED:
        raise Conflict(f"you were brought here by {provider}, which cannot be unlinked")
    kept = external_identity.c
    connection.execute(
        delete(external_identity).where(kept.provider == provider, kept.person == person)
    )


def change(connection: Connection, clock: Clock, known: ExternalIdentity, **values: Any) -> None:
    """Write some columns of the row, and when."""
    _change(connection, known.provider, known.person, changed_at=clock.micros(), **values)


def _change(connection: Connection, provider: str, person: str, **values: Any) -> None:
    kept = external_identity.c
    connection.execute(
        update(external_identity)
        .where(kept.provider == provider, kept.person == person)
        .values(**values)
    )


def _known(row: Row[*tuple[Any, ...]]) -> ExternalIdentity:
    return ExternalIdentity(**{**row._asdict(), "origin": Origin(row.origin)})
