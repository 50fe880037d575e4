"""Epochs: numbers in the store by which each process sees that what it remembers is out of date.

Three kinds of change have one: grants (POLICY), named keys and mounts (KEYS), and what makes a
credential invalid (CREDENTIALS). Whoever changes such rows raises the epoch in the same
transaction, so that a process which reads the epoch and then trusts its memory cannot miss it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, select, text

from secvault.store.tables import epoch

EpochName = Literal["policy", "keys", "credentials"]
POLICY: EpochName = "policy"
KEYS: EpochName = "keys"
CREDENTIALS: EpochName = "credentials"

_ANNOUNCED = "secvault.announced"
_RAISE = text(
    "INSERT INTO epoch (name, value) VALUES (:name, 1) "
    "ON CONFLICT (name) DO UPDATE SET value = epoch.value + 1 RETURNING value"
)
_READ = select(epoch.c.name, epoch.c.value)


@dataclass(frozen=True, slots=True)
class Epochs:
    """The epochs of one moment; 0 where nothing was ever changed."""

    policy: int = 0
    keys: int = 0
    credentials: int = 0


def raise_epoch(connection: Connection, name: EpochName) -> int:
    """Announce a change now, with the caller's transaction; return the new epoch.

    Until that transaction ends, others that raise the same epoch wait for it on PostgreSQL.
    """
    announced(connection).add(name)
    return int(connection.execute(_RAISE, {"name": name}).scalar_one())


def announce(connection: Connection, name: EpochName) -> None:
    """Announce a change when the caller's transaction commits.

    The row of the epoch is then the last that the transaction locks, in an order that is the same
    everywhere: transactions that change several keys cannot wait for each other in a circle.
    """
    connection.info.setdefault(_ANNOUNCED, set()).add(name)


def announced(connection: Connection) -> set[EpochName]:
    """What the present transaction has announced; emptied by `begin_announcing`."""
    found: set[EpochName] = connection.info.setdefault(_ANNOUNCED, set())
    return found


def begin_announcing(connection: Connection) -> None:
    """Forget what an earlier transaction on this connection announced."""
    connection.info[_ANNOUNCED] = set()


def raise_announced(connection: Connection) -> bool:
    """Raise the epochs that were only announced so far; whether any was announced or raised."""
    names = announced(connection)
    for name in sorted(names - {POLICY}):
        raise_epoch(connection, name)
    return bool(names)


def read_epoch(connection: Connection, name: EpochName) -> int:
    """The present epoch; 0 when nothing was ever changed."""
    return connection.execute(select(epoch.c.value).where(epoch.c.name == name)).scalar() or 0


def read_epochs(connection: Connection) -> Epochs:
    """The present epochs, in one statement."""
    known = Epochs.__dataclass_fields__
    rows: Iterable[tuple[str, int]] = ((row.name, row.value) for row in connection.execute(_READ))
    return Epochs(**{name: value for name, value in rows if name in known})
