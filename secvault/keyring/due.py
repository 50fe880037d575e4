"""Which keys are to be rotated, and which versions somebody should be told of before."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from secvault.keyring.keyring import RECORDS
from secvault.keyring.named_key import NamedKey
from secvault.store import tables

_KEY, _VERSION = tables.named_key, tables.named_key_version
_WITH_LATEST = (
    select(
        _KEY.c.mount,
        _KEY.c.name,
        tables.mount.c.department,
        _VERSION.c.version,
        _VERSION.c.messages,
    )
    .join(tables.mount, tables.mount.c.path == _KEY.c.mount)
    .join(
        _VERSION,
        (_VERSION.c.mount == _KEY.c.mount)
        & (_VERSION.c.name == _KEY.c.name)
        & (_VERSION.c.version == _KEY.c.latest_version),
    )
    .order_by(_KEY.c.mount, _KEY.c.name)
)


@dataclass(frozen=True)
class Lifetime:
    """How long a version is the latest.

    rotate_messages: sealed by it; warn_messages: when somebody is told, before that.
    collection_seconds: of the keys of collections, 0 for no end; other keys have their own period.
    """

    rotate_messages: int
    warn_messages: int
    collection_seconds: int

    def period_of(self, key: NamedKey) -> int:
        """Seconds after which the key is rotated, 0 for never."""
        return self.collection_seconds if key.mount == RECORDS else key.auto_rotate_seconds


@dataclass(frozen=True)
class Place:
    """Where a key is, and whose."""

    mount: str
    name: str
    department: str

    @property
    def resource(self) -> str:
        """As `NamedKey.resource`."""
        return f"{self.mount}/{self.name}"


@dataclass(frozen=True)
class NearLimit(Place):
    """A key whose latest version has sealed so much that its end is near."""

    version: int
    messages: int


def near_limit(key: NamedKey, lifetime: Lifetime) -> NearLimit | None:
    """The key, if its latest version has sealed `warn_messages`."""
    messages = key.messages.get(key.latest_version, 0)
    if messages < lifetime.warn_messages:
        return None
    return NearLimit(key.mount, key.name, key.department, key.latest_version, messages)


def is_due(key: NamedKey, lifetime: Lifetime, at: int) -> bool:
    """Whether the key is to be rotated: its period is over, or its latest version has sealed
    `rotate_messages`. at: microseconds.
    """
    made = key.created.get(key.latest_version)
    may_rotate = key.allow_rotation or not key.imported
    if made is None or key.soft_deleted or not may_rotate:
        return False
    if key.messages.get(key.latest_version, 0) >= lifetime.rotate_messages:
        return True
    period = lifetime.period_of(key) * 1_000_000
    return bool(period) and made + period <= at


def may_be_due(connection: Connection, lifetime: Lifetime) -> tuple[Place, ...]:
    """The keys that have a period, or have sealed `rotate_messages`; `is_due` decides."""
    question = _WITH_LATEST.where(
        (_KEY.c.auto_rotate_seconds > 0)
        | (_KEY.c.mount == RECORDS)
        | (_VERSION.c.messages >= lifetime.rotate_messages)
    )
    rows = connection.execute(question)
    return tuple(Place(row.mount, row.name, row.department) for row in rows)


def keys_near_limit(
    connection: Connection, lifetime: Lifetime, mount: str | None = None, *, untold: bool = False
) -> tuple[NearLimit, ...]:
    """The keys whose latest version has sealed `warn_messages`. untold: those not marked yet."""
    question = _WITH_LATEST.where(_VERSION.c.messages >= lifetime.warn_messages)
    if mount is not None:
        question = question.where(_KEY.c.mount == mount)
    if untold:
        question = question.where(_VERSION.c.warned_at.is_(None))
    return tuple(NearLimit(**row._asdict()) for row in connection.execute(question))


def mark_told(connection: Connection, near: NearLimit, at: int) -> bool:
    """Note that somebody is told of the version; False when another was faster."""
    marked = connection.execute(
        update(_VERSION)
        .where(
            _VERSION.c.mount == near.mount,
            _VERSION.c.name == near.name,
            _VERSION.c.version == near.version,
            _VERSION.c.warned_at.is_(None),
        )
        .values(warned_at=at)
    )
    return marked.rowcount == 1
