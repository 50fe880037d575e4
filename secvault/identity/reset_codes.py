"""The code of a reset: in parts, each known to another person who agreed to it.

Only all parts together open anything, once, for a day; what is stored are their digests.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, delete, insert, select, update

from secvault.clock import Clock
from secvault.identity import names
from secvault.store.tables import reset_code, reset_code_part

FACTOR, PASSWORD = "factor", "password"
"""What was reset."""


def keep(
    connection: Connection,
    clock: Clock,
    *,
    person_id: str,
    kind: str,
    parts: Iterable[bytes],
    request: str | None,
    seconds: int,
) -> int:
    """Keep the digests of a new code; earlier ones of the same kind are void. When it ends.

    request: the one whose approvals were used up for it, None where there were none.
    """
    column = reset_code.c
    now = clock.micros()
    connection.execute(
        update(reset_code)
        .where(column.person == person_id, column.kind == kind, column.used_at.is_(None))
        .values(used_at=now)
    )
    code_id = names.new_id(clock)
    expires_at = now + seconds * 1_000_000
    connection.execute(
        insert(reset_code).values(
            id=code_id,
            person=person_id,
            kind=kind,
            request=request,
            created_at=now,
            expires_at=expires_at,
            used_at=None,
        )
    )
    connection.execute(
        insert(reset_code_part), [{"code": code_id, "digest": part} for part in sorted(parts)]
    )
    return expires_at


def fits(
    connection: Connection, person_id: str, kind: str, digests: frozenset[bytes], now: int
) -> bool:
    """Whether these are the digests of all parts of a code that can be used."""
    return _fitting(connection, person_id, kind, digests, now) is not None


def use_up(
    connection: Connection, person_id: str, kind: str, digests: frozenset[bytes], now: int
) -> bool:
    """The same, and the code is used up with the caller's transaction; False if it does not fit."""
    found = _fitting(connection, person_id, kind, digests, now)
    if found is None:
        return False
    used = connection.execute(
        update(reset_code)
        .where(reset_code.c.id == found, reset_code.c.used_at.is_(None))
        .values(used_at=now)
    )
    if used.rowcount != 1:
        return False
    # Nothing is left that a guess could be compared with.
    connection.execute(delete(reset_code_part).where(reset_code_part.c.code == found))
    return True


def _fitting(
    connection: Connection, person_id: str, kind: str, digests: frozenset[bytes], now: int
) -> str | None:
    column = reset_code.c
    found = connection.execute(
        select(column.id).where(
            column.person == person_id,
            column.kind == kind,
            column.used_at.is_(None),
            column.expires_at > now,
        )
    ).scalar_one_or_none()
    if found is None or not digests:
        return None
    kept = select(reset_code_part.c.digest).where(reset_code_part.c.code == found)
    return found if digests == frozenset(connection.execute(kept).scalars()) else None
