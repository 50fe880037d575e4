"""Published policies as rows: added, never changed; the newest is in force.

A publication raises the policy's epoch in its own transaction, so that each process sees it with
its next decision, whole or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, ScalarSelect, func, insert, select

from secvault.access.bundle import Bundle, stored_bundle
from secvault.errors import Conflict, NotFound
from secvault.store.epoch import POLICY, raise_epoch
from secvault.store.tables import policy_version

_COLUMNS = [column for column in policy_version.c if column.name != "body"]


@dataclass(frozen=True)
class Version:
    """One publication. Times in microseconds since the epoch, UTC.

    epoch: of the policy, as the publication raised it. proposal: the digest that its approval was
    bound to; None for the first one, which came with the program.
    """

    number: int
    digest: str
    epoch: int
    published_at: int
    published_by: str
    note: str
    proposal: str | None


def publish(
    connection: Connection,
    bundle: Bundle,
    *,
    over: int,
    at: int,
    by: str,
    note: str,
    proposal: str | None = None,
) -> Version:
    """Put the bundle in force, with the caller's transaction.

    over: the number that was in force when the caller looked, 0 for none. at: microseconds; a
    publication is never dated before the one that it follows. Raises Conflict when another one is
    in force meanwhile.
    """
    # First, so that on PostgreSQL publications and changes of grants wait for each other.
    epoch = raise_epoch(connection, POLICY)
    latest = latest_version(connection)
    if (latest.number if latest else 0) != over:
        raise Conflict("another policy was published meanwhile; look at the plan again")
    version = Version(
        number=over + 1,
        digest=bundle.digest,
        epoch=epoch,
        published_at=max(at, latest.published_at) if latest else at,
        published_by=by,
        note=note,
        proposal=proposal,
    )
    connection.execute(insert(policy_version).values(**vars(version), body=bundle.body))
    return version


def latest_version(connection: Connection) -> Version | None:
    """The publication that is in force; None before the first."""
    query = select(*_COLUMNS).order_by(policy_version.c.number.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else _version(row)


def version_at(connection: Connection, at: int, *, epoch: int | None = None) -> Version | None:
    """The publication that was in force at a moment; None before the first.

    epoch: of the policy, when it is known; then the moment does not matter, which two clocks, or a
    transaction that takes a while, make inexact.
    """
    row = policy_version.c
    query = (
        select(*_COLUMNS)
        .where(row.published_at <= at if epoch is None else row.epoch <= epoch)
        .order_by(policy_version.c.number.desc())
        .limit(1)
    )
    found = connection.execute(query).first()
    return None if found is None else _version(found)


def read_version(connection: Connection, number: int) -> Version:
    """The publication of this number. Raises NotFound."""
    row = connection.execute(select(*_COLUMNS).where(policy_version.c.number == number)).first()
    if row is None:
        raise NotFound(f"no policy was published with the number {number}")
    return _version(row)


def read_bundle(connection: Connection, number: int) -> Bundle:
    """What was published under this number. Raises NotFound, Damaged."""
    query = select(policy_version.c.body, policy_version.c.digest).where(
        policy_version.c.number == number
    )
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"no policy was published with the number {number}")
    return stored_bundle(row.body, row.digest)


def list_versions(connection: Connection) -> tuple[Version, ...]:
    """All publications, the newest first."""
    rows = connection.execute(select(*_COLUMNS).order_by(policy_version.c.number.desc()))
    return tuple(_version(row) for row in rows)


def newest_number() -> ScalarSelect[int]:
    """A scalar subquery: the number in force, NULL before the first publication."""
    return select(func.max(policy_version.c.number)).scalar_subquery()


def _version(row: Row[Any]) -> Version:
    return Version(**row._asdict())
