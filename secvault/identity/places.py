"""The networks that people sign in from: how they slow guessing down, and let the owner in.

Two things are counted in the store, for all processes.

- Each network's failures, whoever's name was tried, forgotten one every few seconds. Beyond a
  number that no office of people with their typing errors reaches, the network waits.
- Each person's failures in every network from which they have signed in lately, apart from those
  of everywhere else. So somebody who tries a name from elsewhere cannot shut out its owner.

A network is a /24 of IPv4 or a /64 of IPv6: what one subscriber is given at least.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from secvault.identity.refusal import SignInDelayed
from secvault.identity.throttle import AttemptLimits, Attempts
from secvault.store.engine import insert_unless_there, row_held
from secvault.store.tables import sign_in_network, sign_in_place

_MICROS = 1_000_000
_MOST_SWEPT = 100
KNOWN_SECONDS = 30 * 24 * 60 * 60
"""How long after the last sign-in a network counts as the person's own."""
MOST_PLACES = 8
"""Networks of one person that are remembered; the one used longest ago is forgotten first."""


@dataclass(frozen=True)
class NetworkLimits:
    """burst: failures from one network without a wait; 0 to count none. forget_seconds: after which
    one of them is forgotten. So 100 and 6 are 600 an hour for a whole network, in the long run.
    """

    burst: int = 100
    forget_seconds: int = 6

    @property
    def one(self) -> int:
        """What one failure weighs: microseconds until it is forgotten."""
        return self.forget_seconds * _MICROS


def network_of(address: str) -> str:
    """The network of this address; empty when it is none, as with a Unix socket.

    An IPv4 address that came through an IPv6 socket (RFC 4291, 2.5.5.2) counts as IPv4.
    """
    try:
        given = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(given, ipaddress.IPv6Address) and given.ipv4_mapped:
        given = given.ipv4_mapped
    prefix = 24 if given.version == 4 else 64
    return str(ipaddress.ip_network((given, prefix), strict=False))


def count_network(connection: Connection, network: str, now: int, limits: NetworkLimits) -> None:
    """Count one attempt against a network, as failed until `forgive_network`.

    Raises SignInDelayed when there were too many.
    """
    if not network or not limits.burst:
        return
    kept = sign_in_network.c
    fresh = {"network": network, "level": 0, "counted_at": now}
    row = row_held(connection, sign_in_network, fresh)
    level = max(0, row.level - max(0, now - row.counted_at)) + limits.one
    over = level - limits.burst * limits.one
    if over > 0:
        raise SignInDelayed(-(-over // _MICROS))
    connection.execute(
        update(sign_in_network)
        .where(kept.network == network)
        .values(level=level, counted_at=max(now, row.counted_at))
    )
    # What weighs nothing any more goes: strangers' networks must not pile up. After the own row is
    # held, and without those that others hold, so that nobody waits in a circle.
    stale = connection.execute(
        select(kept.network)
        .where(kept.counted_at < now - limits.burst * limits.one, kept.network != network)
        .limit(_MOST_SWEPT)
        .with_for_update(skip_locked=True)
    ).scalars()
    if gone := stale.all():
        connection.execute(delete(sign_in_network).where(kept.network.in_(gone)))


def forgive_network(connection: Connection, network: str, limits: NetworkLimits) -> None:
    """Forget the one attempt that has succeeded."""
    if network:
        connection.execute(
            update(sign_in_network)
            .where(sign_in_network.c.network == network, sign_in_network.c.level >= limits.one)
            .values(level=sign_in_network.c.level - limits.one)
        )


def count_at_own_place(
    connection: Connection, person: str, network: str, now: int, limits: AttemptLimits
) -> bool:
    """Count one attempt where the person has signed in lately; False when they have not.

    Raises SignInDelayed.
    """
    kept = sign_in_place.c
    here = (kept.person == person, kept.network == network)
    row = connection.execute(
        select(kept.failures, kept.next_try_at, kept.last_sign_in_at).where(*here).with_for_update()
    ).one_or_none()
    if row is None or row.last_sign_in_at + KNOWN_SECONDS * _MICROS <= now:
        return False
    after = Attempts(row.failures, row.next_try_at).counted(now, limits, person)
    connection.execute(
        update(sign_in_place)
        .where(*here)
        .values(failures=after.failures, next_try_at=after.next_try_at)
    )
    return True


def remember(connection: Connection, person: str, network: str, now: int) -> bool:
    """This person has signed in from this network: it is their own, its failures forgotten.

    Whether that is new: they have others, and were not in this one while it was remembered.
    """
    if not network:
        return False
    kept = sign_in_place.c
    others = connection.execute(
        select(kept.person).where(kept.person == person, kept.network != network).limit(1)
    ).first()
    fresh = {"failures": 0, "next_try_at": 0, "last_sign_in_at": now}
    here = {"person": person, "network": network}
    came_first = insert_unless_there(connection, sign_in_place, {**here, **fresh})
    if not came_first:
        connection.execute(
            update(sign_in_place)
            .where(kept.person == person, kept.network == network)
            .values(fresh)
        )
    newest = (
        select(kept.network)
        .where(kept.person == person)
        .order_by(kept.last_sign_in_at.desc(), kept.network)
        .limit(MOST_PLACES)
    )
    connection.execute(
        delete(sign_in_place).where(kept.person == person, kept.network.not_in(newest))
    )
    return came_first and others is not None


def is_own(connection: Connection, person: str, network: str, now: int) -> bool:
    """Whether the person has signed in from this network lately."""
    kept = sign_in_place.c
    since = now - KNOWN_SECONDS * _MICROS
    found = connection.execute(
        select(kept.person).where(
            kept.person == person, kept.network == network, kept.last_sign_in_at > since
        )
    )
    return found.first() is not None


def forget_failures_at(connection: Connection, person: str, network: str | None) -> None:
    """Let the person try again at once in this network; None for all of them."""
    forgotten = update(sign_in_place).where(sign_in_place.c.person == person)
    if network is not None:
        forgotten = forgotten.where(sign_in_place.c.network == network)
    connection.execute(forgotten.values(failures=0, next_try_at=0))
