"""A mount as a row: a path under which named keys live, and the department that they belong to."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, false, func, select, update

from secvault.errors import Conflict, InvalidInput, NotFound
from secvault.keyring import named_key
from secvault.keyring.keyring import RESERVED_MOUNTS, TRANSIT
from secvault.store import tables
from secvault.store.engine import insert_unless_there
from secvault.store.epoch import KEYS, announce

MOST_DESCRIPTION = 512
MOST_SEGMENTS = 4
SYSTEM_LEASE_SECONDS = 2_764_800
"""Of no key is a lease given; the figure is the peer's default, which clients show."""
MOST_LEASE_SECONDS = 2**53 - 1
# First segments of other paths, and words that stand between a mount and the name of a key.
_TAKEN = frozenset({"sys", "auth", "identity", "cubbyhole", "token"})
_WORDS = frozenset(
    {
        *("keys", "wrapping_key", "export", "backup", "restore"),
        *("encrypt", "decrypt", "rewrap", "datakey", "byok-export", "derive-key"),
        *("config", "cache-config"),
        *("sign", "verify", "hmac", "hash", "random"),
    }
)


@dataclass(frozen=True)
class Mount:
    """A mount. created_at: microseconds, UTC.

    default_lease_seconds, max_lease_seconds: 0 for `SYSTEM_LEASE_SECONDS`. disable_upsert: whether
    `encrypt` is not to make a key that is missing. cache_size: kept for clients that set it.
    move_id, moved_from: the last time that it was moved, and from where.
    """

    path: str
    kind: str
    department: str
    description: str
    created_at: int
    default_lease_seconds: int = 0
    max_lease_seconds: int = 0
    cache_size: int = 0
    disable_upsert: bool = False
    move_id: str | None = None
    moved_from: str | None = None


def check_path(path: str) -> str:
    """Return `path` when a mount can be there: 1 to 4 names with slashes. Raises InvalidInput."""
    segments = path.split("/")
    for segment in segments:
        named_key.check_name(segment, "path")
    taken = segments[0] in _TAKEN | RESERVED_MOUNTS
    if taken or not _WORDS.isdisjoint(segments) or len(segments) > MOST_SEGMENTS:
        raise InvalidInput(f'cannot mount "{path}/": the path has another meaning, or is too deep')
    return path


def create_mount(
    connection: Connection,
    path: str,
    department: str,
    description: str,
    at: int,
    *,
    default_lease_seconds: int = 0,
    max_lease_seconds: int = 0,
) -> Mount:
    """Make a mount. Raises InvalidInput, also when one is there or would hide another."""
    longest = max_lease_seconds or SYSTEM_LEASE_SECONDS
    if default_lease_seconds > longest:
        whose = "given" if max_lease_seconds else "system"
        of = "" if max_lease_seconds else f" of {longest}"
        raise InvalidInput(f"given default lease TTL greater than {whose} max lease TTL{of}")
    made = Mount(
        path,
        TRANSIT,
        department,
        check_description(description),
        at,
        check_lease("default_lease_ttl", default_lease_seconds),
        check_lease("max_lease_ttl", max_lease_seconds),
    )
    insert_mount(connection, made)
    return made


def insert_mount(connection: Connection, made: Mount) -> None:
    """Store a mount. Raises InvalidInput when one is at its path or would hide another."""
    path = check_path(made.path)
    for other in list_mounts(connection):
        if other.path.startswith(f"{path}/") or path.startswith(f"{other.path}/"):
            raise InvalidInput(f"path is already in use at {other.path}/")
    if not insert_unless_there(connection, tables.mount, vars(made)):
        raise InvalidInput(f"path is already in use at {path}/")


def list_mounts(connection: Connection) -> tuple[Mount, ...]:
    """The mounts for calling systems, in the order of their paths."""
    table = tables.mount
    rows = connection.execute(select(table).where(table.c.kind == TRANSIT).order_by(table.c.path))
    return tuple(Mount(**row._asdict()) for row in rows)


def read_mount(connection: Connection, path: str) -> Mount:
    """The mount at this path. Raises NotFound."""
    table = tables.mount
    row = connection.execute(
        select(table).where(table.c.path == path, table.c.kind == TRANSIT)
    ).one_or_none()
    if row is None:
        raise NotFound(f"there is no mount {path[:128]}/")
    return Mount(**row._asdict())


def update_mount(connection: Connection, path: str, **changes: object) -> Mount:
    """Change columns of the mount's row, already checked; return it. Raises NotFound."""
    announce(connection, KEYS)
    table = tables.mount
    if changes:
        connection.execute(update(table).where(table.c.path == path).values(**changes))
    return read_mount(connection, path)


def find_moved(connection: Connection, move_id: str) -> Mount | None:
    """The mount that was last moved under this id, or None."""
    table = tables.mount
    row = connection.execute(
        select(table).where(table.c.move_id == move_id, table.c.kind == TRANSIT)
    ).one_or_none()
    return Mount(**row._asdict()) if row is not None else None


def check_leases(mount: Mount, default: int | None, longest: int | None) -> dict[str, object]:
    """What is to be changed of the leases, in seconds; None leaves one. Raises InvalidInput."""
    changes: dict[str, object] = {}
    if default is not None:
        changes["default_lease_seconds"] = check_lease("default_lease_ttl", default)
    if longest is not None:
        changes["max_lease_seconds"] = check_lease("max_lease_ttl", longest)
    shortest = mount.default_lease_seconds if default is None else default
    limit = (mount.max_lease_seconds if longest is None else longest) or SYSTEM_LEASE_SECONDS
    if changes and shortest > limit:
        raise InvalidInput(
            f"backend max lease TTL of {limit} would be less than backend default lease TTL of "
            f"{shortest}"
        )
    return changes


def check_lease(field: str, seconds: int) -> int:
    """Return a lease that can be kept. Raises InvalidInput."""
    if not 0 <= seconds <= MOST_LEASE_SECONDS:
        raise InvalidInput.at(field, "must not be negative, nor beyond all measure")
    return seconds


def delete_mount(connection: Connection, path: str, *, with_keys: bool) -> int:
    """Remove a mount with its keys; return how many.

    with_keys: also those that may not be deleted one by one; else Conflict is raised for them.
    """
    key = tables.named_key
    kept = connection.scalar(
        select(func.count()).where(key.c.mount == path, key.c.deletion_allowed.is_(false()))
    )
    if kept and not with_keys:
        raise Conflict(
            f"{path}/ holds {kept} keys that may not be deleted; set their deletion_allowed first, "
            "and be sure that nothing is encrypted with them any more"
        )
    announce(connection, KEYS)
    names = named_key.key_names(connection, path)
    for name in names:
        named_key.delete_key(connection, path, name)
    connection.execute(delete(tables.mount).where(tables.mount.c.path == path))
    return len(names)


def check_description(text: str) -> str:
    """Return a description that can be shown. Raises InvalidInput."""
    if len(text) > MOST_DESCRIPTION or not all(each.isprintable() for each in text):
        raise InvalidInput.at(
            "description", f"must be at most {MOST_DESCRIPTION} printable characters"
        )
    return text
