"""Attempts with names that nobody has, counted as those of real people are.

So an unknown name is answered with the same delays as a known one, after the same work, in every
process: neither delays nor times tell who exists. A name is kept as a keyed digest only, since it
may be somebody's password typed into the wrong field, and for a day after it was last tried.
"""

from __future__ import annotations

import hmac

from sqlalchemy import Connection, delete, select, update

from secvault.crypto.secret import Secret
from secvault.identity.throttle import AttemptLimits, Attempts
from secvault.store.engine import insert_unless_there
from secvault.store.tables import stranger

_KEPT = 24 * 60 * 60 * 1_000_000
_MOST_SWEPT = 100


def digest_of(name: str, key: Secret) -> bytes:
    """Under which a name is kept."""
    said = b"secvault/stranger\x00" + name.encode("utf-8", "surrogatepass")
    return hmac.digest(key.expose(), said, "sha256")


def look_up(connection: Connection, digest: bytes, now: int) -> Attempts | None:
    """What is counted of this name; rows that nobody tried for a day go."""
    found = _read(connection, digest)
    # After the own row is held, and without those that others hold, so that nobody waits in a
    # circle.
    stale = connection.execute(
        select(stranger.c.digest)
        .where(stranger.c.counted_at < now - _KEPT, stranger.c.digest != digest)
        .limit(_MOST_SWEPT)
        .with_for_update(skip_locked=True)
    ).scalars()
    if gone := stale.all():
        connection.execute(delete(stranger).where(stranger.c.digest.in_(gone)))
    return found


def count(
    connection: Connection, digest: bytes, known: Attempts | None, now: int, limits: AttemptLimits
) -> None:
    """Count one attempt. known: of `look_up`. Raises SignInDelayed when it is too early."""
    if known is None:
        first = Attempts().counted(now, limits)
        row = {"digest": digest, "counted_at": now, **vars(first)}
        if insert_unless_there(connection, stranger, row):
            return
        known = _read(connection, digest)
    after = (known or Attempts()).counted(now, limits)
    connection.execute(
        update(stranger).where(stranger.c.digest == digest).values(counted_at=now, **vars(after))
    )


def _read(connection: Connection, digest: bytes) -> Attempts | None:
    row = connection.execute(
        select(stranger.c.failures, stranger.c.next_try_at)
        .where(stranger.c.digest == digest)
        .with_for_update()
    ).one_or_none()
    return None if row is None else Attempts(row.failures, row.next_try_at)
