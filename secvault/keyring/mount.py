"""A mount as a row: a path under which named keys live, and the department that they belong to."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update

from secvault.errors import Conflict, InvalidInput, NotFound
from secvault.keyring import named_key
from secvault.keyring.keyring import RESERVED_MOUNTS, TRANSIT
from secvault.store import tables
from secvault.store.engine import insert_unless_there
from secvault.store.epoch import KEYS, announce

MOST_DESCRIPTION = 512
MOST_SEGMENTS = 4
# First segments of other paths, and words that stand between a mount and the name of a key.
_TAKEN = frozenset({"sys", "auth", "identity", "cubbyhole", "token"})
_WORDS = frozenset(
    {
        *("keys", "wrapping_key", "export", "backup", "restore"),
        *("encrypt", "decrypt", "rewrap", "datakey"),
        *("sign", "verify", "hmac", "hash", "random"),
    }
)


@dataclass(frozen=True)
class Mount:
    """A mount. created_at: microseconds, UTC."""

    path: str
    kind: str
    department: str
    description: str
    created_at: int


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
    connection: Connection, path: str, department: str, description: str, at: int
) -> Mount:
    """Make a mount. Raises InvalidInput, also when one is there or would hide another."""
    check_path(path)
    made = Mount(path, TRANSIT, department, check_description(description), at)
    for other in list_mounts(connection):
        if other.path.startswith(f"{path}/") or path.startswith(f"{other.path}/"):
            raise InvalidInput(f"path is already in use at {other.path}/")
    if not insert_unless_there(connection, tables.mount, vars(made)):
        raise InvalidInput(f"path is already in use at {path}/")
    return made


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


def describe_mount(connection: Connection, path: str, description: str) -> None:
    """Change the description. Raises InvalidInput."""
    table = tables.mount
    connection.execute(
        update(table).where(table.c.path == path).values(description=check_description(description))
    )


def delete_mount(connection: Connection, path: str, *, with_keys: bool) -> int:
    """Remove a mount with its keys; return how many.

    with_keys: also those that may not be deleted one by one; else Conflict is raised for them.
    """
    key = tables.named_key
    kept = connection.scalar(
        select(func.count()).where(key.c.mount == path, key.c.deletion_allowed.is_(False))
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
