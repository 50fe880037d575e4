"""What a password costs to look at for a name that nobody has: what somebody's costs.

A hash keeps the cost that it was made at until its person signs in after the settings were changed.
Were strangers looked at for today's cost meanwhile, times would tell who exists. So each name that
has no password gets one of the costs at which people's are stored, as often as they have it. Which
one, the name's keyed digest says: the same at each attempt, until so many people have signed in
that it is today's, as it becomes for people.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, not_, select

from secvault.crypto.argon2id import Argon2Cost
from secvault.errors import Damaged
from secvault.identity.passwords import PasswordHash, cost_of, how_stored
from secvault.store import Store
from secvault.store.tables import person

_FRESH = 60 * 1_000_000
# More than anybody ever had in use, of other costs or damaged: each is one more look at all people.
_MOST_LOOKS = 16


@dataclass(frozen=True)
class Share:
    """At one cost, the passwords of so many people are stored."""

    cost: Argon2Cost
    people: int


def stored_at(connection: Connection, today: Argon2Cost) -> tuple[Share, ...]:
    """The costs at which passwords are stored, those of before first and `today`'s last.

    People whose hash is damaged are counted with those of today.
    """
    before: list[Share] = []
    rest = [person.c.password_hash != "", not_(_stored_at(today))]
    for _ in range(_MOST_LOOKS):
        one = connection.execute(
            select(person.c.id, person.c.password_hash).where(*rest).order_by(person.c.id).limit(1)
        ).one_or_none()
        if one is None:
            break
        try:
            cost = cost_of(PasswordHash(one.password_hash))
        except Damaged:
            rest.append(person.c.id > one.id)
            continue
        before.append(Share(cost, _counted(connection, _stored_at(cost))))
        rest.append(not_(_stored_at(cost)))
    everybody = _counted(connection, person.c.password_hash != "")
    return (*before, Share(today, everybody - sum(one.people for one in before)))


def chosen(shares: Sequence[Share], digest: bytes) -> Argon2Cost:
    """The cost for the name of this digest (of 32 bytes, as if drawn by chance).

    shares: of `stored_at`. The last one where nobody has a password at all.
    """
    place = int.from_bytes(digest) * sum(one.people for one in shares) >> 8 * len(digest)
    for one in shares:
        place -= one.people
        if place < 0:
            return one.cost
    return shares[-1].cost


class StoredCosts:
    """What `stored_at` found, for a minute; one for each process."""

    def __init__(self) -> None:
        self._found: tuple[int, Argon2Cost, tuple[Share, ...]] | None = None
        self._looking = threading.Lock()

    def now(self, store: Store, today: Argon2Cost, now: int) -> tuple[Share, ...]:
        """See `stored_at`. To be asked whoever comes, so that nobody waits longer for it."""
        known = self._found
        of_today = known is not None and known[1] == today
        if known is not None and of_today and 0 <= now - known[0] < _FRESH:
            return known[2]
        # One looks; the others take what was found before, where there is any.
        if not self._looking.acquire(blocking=not of_today) and known is not None:
            return known[2]
        try:
            if self._found is known:
                with store.read() as connection:
                    self._found = now, today, stored_at(connection, today)
            found = self._found
            assert found is not None  # noqa: S101 - narrows: it is never forgotten
            return found[2]
        finally:
            self._looking.release()


def _stored_at(cost: Argon2Cost) -> ColumnElement[bool]:
    return person.c.password_hash.startswith(how_stored(cost), autoescape=True)


def _counted(connection: Connection, which: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).select_from(person).where(which)).scalar_one()
