"""How far each publication of the log has come, as it is kept in the store.

`newest_published` reads back what lies in a place, which is what counts; the state here is for
people and for going on after a break.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from secvault.audit.places import Place, Placed
from secvault.crypto.checkpoint import Checkpoint
from secvault.crypto.tiles import CHECKPOINT
from secvault.store.engine import insert_unless_there
from secvault.store.tables import audit_publication, audit_published

CHECKPOINTS = "checkpoints"
"""Below a log's files: every published checkpoint, by size."""

NEWEST_READ = 40
OLDER_READ = 80
"""How many published checkpoints a verification reads back."""

_DIGITS = 15


@dataclass(frozen=True)
class State:
    """How far a publication has come. size: of the newest published checkpoint.

    tiles: up to where full tiles lie there. published_at: when it last was found to be up to date,
    tried_at: when that was last tried, failing_since, told_at: 0 while it works; microseconds UTC.
    fault: a code, empty when there is none. detail: of it, for people.
    """

    name: str
    origin: str = ""
    size: int = 0
    tiles: int = 0
    published_at: int = 0
    tried_at: int = 0
    fault: str = ""
    detail: str = ""
    failing_since: int = 0
    told_at: int = 0


@dataclass(frozen=True)
class Published:
    """A checkpoint that lies in a place. version, mode, retain_until: see `places.Placed`."""

    size: int
    root: bytes
    version: str
    mode: str
    retain_until: int
    t: int


def checkpoint_name(base: str, size: int) -> str:
    """Where the checkpoint of a size lies: names are in the order of sizes."""
    digits = str(size).rjust(_DIGITS, "0")
    groups = [digits[at : at + 3] for at in range(0, _DIGITS, 3)]
    return "/".join([base, CHECKPOINTS, *groups])


def base_of(origin: str) -> str:
    """The folder of a log in the places where it is published: its origin without the company."""
    root, _, rest = origin.rpartition("/audit")
    return f"{root.rpartition('/')[2]}/audit{rest}"


def mark_told(connection: Connection, name: str, at: int) -> bool:
    """Put down when people were told that it is broken, 0 that it is well again.

    False when another node has.
    """
    table = audit_publication.c
    untold = table.told_at == 0 if at else table.told_at != 0
    done = connection.execute(
        update(audit_publication).where(table.name == name, untold).values(told_at=at)
    )
    return bool(done.rowcount)


def newest_published(place: Place, base: str, beyond: int) -> bytes | None:
    """The newest checkpoint that lies in a place, None when there is none.

    base: the folder of the log in it. beyond: how many events the store has; when the place has a
    checkpoint of more, it is one of those. Raises Unavailable.
    """
    later = place.last_beyond(f"{base}/{CHECKPOINTS}", checkpoint_name(base, beyond))
    return later or place.get_newest(f"{base}/{CHECKPOINT}")


def some_published(place: Place, base: str) -> Iterator[bytes]:
    """Checkpoints that lie in a place: the newest, and others over the whole time.

    Each as it was first put there, also when somebody put something on top of it or hid it. Not
    all of them: there may be one for each minute of years. Raises Unavailable.
    """
    names = sorted(place.names(f"{base}/{CHECKPOINTS}"))
    newest, older = names[-NEWEST_READ:], names[:-NEWEST_READ]
    step = -(-len(older) // OLDER_READ) or 1
    for name in (*older[::step], *newest):
        note = place.get(name)
        if note is not None:
            yield note


def state_of(connection: Connection, name: str) -> State:
    """The state; of a publication that was never tried, an empty one."""
    row = connection.execute(
        select(audit_publication).where(audit_publication.c.name == name)
    ).one_or_none()
    return State(name) if row is None else State(*row)


def keep_state(connection: Connection, state: State) -> None:
    """Put the state down."""
    values = {name: getattr(state, name) for name in state.__dataclass_fields__}
    if not insert_unless_there(connection, audit_publication, values):
        connection.execute(
            update(audit_publication).where(audit_publication.c.name == state.name).values(values)
        )


def keep_published(
    connection: Connection, name: str, signed: Checkpoint, placed: Placed, at: int
) -> None:
    """Put down that a checkpoint lies there, and what the place said of it."""
    row = {
        "publication": name,
        "origin": signed.origin,
        "size": signed.size,
        "root": signed.root,
        "version": placed.version,
        "mode": placed.mode,
        "retain_until": placed.retain_until,
        "t": at,
    }
    insert_unless_there(connection, audit_published, row)


def last_published(connection: Connection, name: str) -> Published | None:
    """The newest checkpoint that was put there, by the store's own notes."""
    table = audit_published.c
    row = connection.execute(
        select(table.size, table.root, table.version, table.mode, table.retain_until, table.t)
        .where(table.publication == name)
        .order_by(table.t.desc(), table.size.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else Published(*row)
