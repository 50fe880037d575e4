"""Moving the oldest entries of the log into archives: written, read back, proven, then removed.

Whatever is killed, each entry stays in the store until an archive that holds it was read from where
it lies and compared with the tree. What remains in the store for ever is its leaf hash, which every
proof needs: 32 bytes.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import islice

from sqlalchemy import Connection, delete, func, insert, select

from secvault.audit import archive_file, archive_rows, entries
from secvault.audit.archive_file import Packing
from secvault.audit.archive_rows import Archive
from secvault.audit.archives import Archives
from secvault.audit.checkpoints import StoredCheckpoint
from secvault.audit.leaf import decode
from secvault.audit.places import Place
from secvault.audit.proofs import prove_leaves
from secvault.crypto.aead import Random
from secvault.crypto.checkpoint import verify_by_name
from secvault.crypto.merkle import leaf_hash
from secvault.crypto.note import NoteVerifier
from secvault.crypto.range_proof import verify_range
from secvault.crypto.tiles import WIDTH
from secvault.errors import ConfigurationError, Damaged, Unavailable
from secvault.store.engine import Store, in_turn
from secvault.store.tables import audit_archive, audit_archiving, audit_event, audit_leaves

BUNDLES = 256
"""An archive has at most so many bundles: 65,536 entries."""
LARGEST = 64 * 2**20
"""An archive ends before its entries take more bytes than this."""
AT_ONCE = 2_000
"""So many entries are removed in one transaction."""


@dataclass(frozen=True, slots=True)
class Due:
    """What may go. before: entries recorded earlier, microseconds UTC. held_from: entries recorded
    from then on stay. unread: entries from this number on stay, because somebody has yet to read
    them here.
    """

    before: int
    held_from: int | None = None
    unread: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """An archive that was read back and proven, and is not in the store's books yet. leaves: the
    hashes of its entries.
    """

    archive: Archive
    leaves: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Archiving:
    """What an archive is made with. signed: a checkpoint that covers what is due. verifiers: the
    keys that ever signed the log, the newest first. keep_until, now: microseconds UTC.
    """

    archives: Archives
    signed: StoredCheckpoint
    verifiers: tuple[NoteVerifier, ...]
    keep_until: int
    now: int
    random: Random

    @property
    def place(self) -> Place:
        """Raises ConfigurationError when the settings name none."""
        if self.archives.place is None:
            raise ConfigurationError("audit.retention.place: say where archives are to lie")
        return self.archives.place


def due_stop(connection: Connection, due: Due, size: int) -> int:
    """The number below which entries may go; whole bundles. size: of a signed checkpoint."""
    moment = due.before if due.held_from is None else min(due.before, due.held_from)
    t = audit_event.c.t
    next_t = select(func.min(t)).where(t >= moment).scalar_subquery()
    first = connection.scalar(select(func.min(audit_event.c.seq)).where(t == next_t))
    # The newest entry of the log stays in the store, so that its head has something to fit.
    stop = min(each for each in (size - 1, first, due.unread) if each is not None)
    return max(stop, 0) // WIDTH * WIDTH


def write_next(store: Store, due: Due, making: Archiving) -> Written | None:
    """Write the next archive and read it back; None when nothing more is due.

    One that was begun before is written on, unless some of it is held by now. Raises Damaged when
    the entries are not those of the checkpoint, or what lies there is not what was written;
    Unavailable, ConfigurationError.
    """
    place, wrapping, signed = making.place, making.archives.key(), making.signed
    with store.read() as connection:
        first = archive_rows.boundary(connection)
        begun = connection.scalar(
            select(audit_archiving.c.stop).where(audit_archiving.c.first == first)
        )
        most = due_stop(connection, due, signed.size)
        stop = begun if begun and begun <= most else _cut(connection, first, most)
        if stop <= first:
            return None
        packing, leaves, times = _pack(connection, making, first, stop)
        proof = prove_leaves(connection, signed, first, leaves)
    if begun != stop:
        with store.write() as connection:
            connection.execute(delete(audit_archiving))
            connection.execute(insert(audit_archiving).values(first=first, stop=stop))
    content = packing.close(wrapping, signed.note, proof)
    name, lying = _put(place, making, content, leaves, first, stop)
    archive = Archive(
        first=first,
        stop=stop,
        name=name,
        digest=sha256(lying).digest(),
        bytes=len(lying),
        first_t=times[0],
        last_t=times[1],
        made_at=making.now,
        keep_until=making.keep_until,
    )
    return Written(archive, leaves)


def keep(connection: Connection, written: Written) -> bool:
    """Enter the archive into the store's books, in this write; False when another was faster.

    From then on its entries are read from it.
    """
    in_turn(connection, "audit-archive")
    archive = written.archive
    if archive_rows.boundary(connection) != archive.first:
        return False
    connection.execute(
        insert(audit_leaves),
        [
            {
                "n": (archive.first + at) // WIDTH,
                "hashes": b"".join(written.leaves[at : at + WIDTH]),
            }
            for at in range(0, len(written.leaves), WIDTH)
        ],
    )
    connection.execute(insert(audit_archive).values(**asdict(archive)))
    connection.execute(delete(audit_archiving))
    return True


def remove_archived(store: Store) -> int:
    """Remove from the store what archives hold, also what a killed run left; how many entries."""
    removed = 0
    while True:
        with store.write() as connection:
            live = archive_rows.boundary(connection)
            seq = audit_event.c.seq
            first = connection.scalar(select(func.min(seq)))
            if first is None or first >= live:
                return removed
            gone = connection.execute(
                delete(audit_event).where(seq < min(live, first + AT_ONCE), seq >= first)
            )
            removed += gone.rowcount


def check(content: bytes, making: Archiving, first: int, stop: int) -> tuple[bytes, ...]:
    """The leaf hashes of the entries in an archive's file, which its own checkpoint and proof bear
    out. Raises Damaged.
    """
    header = archive_file.read_header(content)
    names = {each.name for each in making.verifiers}
    if (header.first, header.stop) != (first, stop) or header.origin not in names:
        raise Damaged("it is of other entries, or of another log")
    key = archive_file.open_key(header, making.archives.key())
    found: list[bytes] = []
    for n in range(first // WIDTH, stop // WIDTH):
        found += map(leaf_hash, archive_file.open_bundle(content, header, key, n))
    signed = verify_by_name(header.note, making.verifiers)
    verify_range(found, first, signed.size, header.proof, signed.root)
    return tuple(found)


def _put(
    place: Place,
    making: Archiving,
    content: bytes,
    leaves: tuple[bytes, ...],
    first: int,
    stop: int,
) -> tuple[str, bytes]:
    """Put it there and read it back; its name, and what lies there.

    What a run that was killed has put there already is taken, if it proves to be whole.
    """
    known = sha256(b"".join(leaves)).hexdigest()[:16]
    for suffix in ("", *(f"-{number}" for number in range(2, 10))):
        name = f"entries-{first:012d}-{stop:012d}-{known}{suffix}.sva"
        with suppress(Damaged):
            place.put_once(name, content, making.keep_until)
        lying = place.get(name)
        if lying is None:
            raise Unavailable(f"the archive {name} is not where it was put; try again")
        try:
            if check(lying, making, first, stop) == leaves:
                return name, lying
        except Damaged:
            if lying == content:
                raise
    raise Damaged(f"nine damaged archives of entries {first} to {stop - 1} lie there already")


def _cut(connection: Connection, first: int, stop: int) -> int:
    """Where to end an archive that begins at `first`, so that it does not grow too large."""
    stop = min(stop, first + BUNDLES * WIDTH)
    seq = audit_event.c.seq
    n = seq // WIDTH
    sizes = connection.execute(
        select(n, func.sum(func.length(audit_event.c.body)))
        .where(seq >= first, seq < stop)
        .group_by(n)
        .order_by(n)
    )
    total = 0
    for at, size in sizes:
        total += size
        if total > LARGEST and at * WIDTH > first:
            return int(at) * WIDTH
    return stop


def _pack(
    connection: Connection, making: Archiving, first: int, stop: int
) -> tuple[Packing, tuple[bytes, ...], tuple[int, int]]:
    """The entries, their leaf hashes, and the times of the first and the last."""
    packing = Packing(making.verifiers[0].name, first, stop, making.random)
    leaves: list[bytes] = []
    times: list[int] = []
    bodies = entries.bodies(connection, first, stop)
    while some := list(islice(bodies, WIDTH)):
        packing.add(some)
        leaves += map(leaf_hash, some)
        ends = (some[0], some[-1])
        times += (decode(body, seq=0).t for body in ends)
    if len(leaves) != stop - first:
        raise Damaged(f"entries from {first} to {stop - 1} are missing; verify the log")
    return packing, tuple(leaves), (times[0], times[-1])
