"""Publishing the log: its tiles, then the checkpoint that covers them, into one place.

What lies there is looked at first. When the store does not continue it, nothing is published: two
checkpoints that contradict each other would prove to everybody that the log was rewritten. What
was missed while the place or the vault was away is caught up with; full tiles never change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from secvault.audit import publication, rollback
from secvault.audit.checkpoints import StoredCheckpoint
from secvault.audit.export import Progress, tile_bytes
from secvault.audit.places import Place, Placed
from secvault.audit.publication import State
from secvault.clock import Clock
from secvault.crypto.checkpoint import Checkpoint, verify_by_name
from secvault.crypto.note import NoteVerifier
from secvault.crypto.tiles import CHECKPOINT, WIDTH, Tile, tiles_of
from secvault.errors import Damaged, SecvaultError
from secvault.store.engine import Store

PARTIAL_DAYS = 7
"""For how long tiles are locked that a full one takes the place of; checkpoints outlast them."""

UNLOCKED = "not-locked"
CONTRADICTED = "contradicted"
EMPTIED = "emptied"
"""What a publication may suffer from beside what errors are named by; the last one for one turn."""

_STRIDE = WIDTH * WIDTH
_DAY = 86_400 * 1_000_000
# What is locked for so little less than asked for was locked by a store that keeps whole seconds.
_SLACK = 2 * 1_000_000


@dataclass(frozen=True)
class Target:
    """Where to publish. base: the folder of the log in the place. days: for how long to lock."""

    name: str
    place: Place
    base: str
    days: int


def publish(
    store: Store,
    clock: Clock,
    target: Target,
    signed: StoredCheckpoint,
    verifiers: Sequence[NoteVerifier],
    over: Callable[[], bool] = lambda: False,
    progress: Progress = lambda _: None,
) -> State:
    """Publish the checkpoint and all that it covers; how far the place has come then.

    signed: the newest checkpoint. verifiers: all keys of the log. over: asked between tiles; when
    it says so, the rest is left to the next call. progress: told how many events lie there. What
    fails is in the state, which is kept in the store: a fault of the place is no error here.
    Raises Unavailable of the store.
    """
    with store.read() as connection:
        before = publication.state_of(connection, target.name)
    now = clock.micros()
    try:
        after = _publish(store, clock, target, before, signed, verifiers, over, progress)
    except SecvaultError as error:
        code = CONTRADICTED if isinstance(error, Damaged) else error.code
        after = replace(before, fault=code, detail=error.detail)
        with store.read() as connection:
            # What was done until it failed.
            tiles = publication.state_of(connection, target.name).tiles
        after = replace(after, tiles=tiles)
    since = (before.failing_since or now) if after.fault else 0
    after = replace(after, tried_at=now, failing_since=since, told_at=before.told_at)
    with store.write() as connection:
        publication.keep_state(connection, after)
    return after


def _publish(
    store: Store,
    clock: Clock,
    target: Target,
    before: State,
    signed: StoredCheckpoint,
    verifiers: Sequence[NoteVerifier],
    over: Callable[[], bool],
    progress: Progress,
) -> State:
    head = verify_by_name(signed.note, verifiers)
    target.place.check()
    there = _there(store, target, head, verifiers)
    now = clock.micros()
    if there is not None and there.size >= head.size:
        current = State(target.name, head.origin, there.size, before.tiles, now)
        # A lock that was missing when this checkpoint was put there is missing still.
        still = before.fault == UNLOCKED
        return replace(current, fault=UNLOCKED, detail=before.detail) if still else current
    emptied = there is None and before.origin == head.origin and before.size > 0
    start = _first_tile(target, before, head, there)
    state = replace(before, origin=head.origin, tiles=start, size=there.size if there else 0)
    weakest = _Weakest(target, now)
    until = now + target.days * _DAY
    state = _put_tiles(store, target, state, head.size, weakest, over, progress)
    if state.tiles < head.size - head.size % WIDTH or over():
        return replace(state, fault="", detail="")
    placed = _put_checkpoint(target, head, signed.note, until, verifiers)
    weakest.saw(placed, full=True)
    target.place.put_newest(f"{target.base}/{CHECKPOINT}", signed.note, until)
    with store.write() as connection:
        publication.keep_published(connection, target.name, head, placed, now)
    done = replace(state, size=head.size, published_at=now, fault="", detail="")
    if weakest.fault:
        return replace(done, fault=UNLOCKED, detail=weakest.fault)
    if emptied:
        gone = "what was published before was gone from the place; it was published anew"
        return replace(done, fault=EMPTIED, detail=gone)
    return done


def _first_tile(target: Target, before: State, head: Checkpoint, there: Checkpoint | None) -> int:
    """Up to where the full tiles are there already."""
    known = before.tiles if before.origin == head.origin else 0
    if there is not None:
        # Tiles come before the checkpoint that covers them.
        return max(known, there.size - there.size % WIDTH)
    if known:
        last = Tile(None, known // WIDTH - 1)
        if target.place.get(f"{target.base}/{last.path}") is not None:
            return known
    return 0


def _put_tiles(
    store: Store,
    target: Target,
    state: State,
    size: int,
    weakest: _Weakest,
    over: Callable[[], bool],
    progress: Progress,
) -> State:
    """Put all tiles there that a log of `size` has, beyond those that are; the state then."""
    while True:
        end = min(state.tiles - state.tiles % _STRIDE + _STRIDE, size)
        for tile in tiles_of(end, beyond=state.tiles):
            full = tile.width == WIDTH
            if not full and end < size:
                continue
            if over():
                return state
            with store.read() as connection:
                content = tile_bytes(connection, tile)
            path = f"{target.base}/{tile.path}"
            until = weakest.now + _days_of(target, full=full) * _DAY
            weakest.saw(target.place.put_once(path, content, until), full=full)
            if tile.level is None:
                progress(tile.n * WIDTH + tile.width)
        state = replace(state, tiles=end - end % WIDTH)
        if end == size:
            return state
        with store.write() as connection:
            publication.keep_state(connection, state)


def _days_of(target: Target, *, full: bool) -> int:
    return target.days if full else min(target.days, PARTIAL_DAYS)


def _there(
    store: Store, target: Target, head: Checkpoint, verifiers: Sequence[NoteVerifier]
) -> Checkpoint | None:
    """The newest checkpoint in the place, if the store continues it. Raises Damaged."""
    with store.read() as connection:
        size = rollback.size_of(connection)
    note = publication.newest_published(target.place, target.base, size)
    if note is None:
        return None
    there = verify_by_name(note, verifiers)
    if there.origin != head.origin:
        raise Damaged(f"the place holds another log: {there.origin}")
    with store.read() as connection:
        # The store as it is now: another node may have published meanwhile.
        why = rollback.contradicts(connection, there)
    if why:
        raise Damaged(
            f"what was published {why}. Nothing more is published: keep both as evidence, and "
            "verify the log"
        )
    return there


def _put_checkpoint(
    target: Target, head: Checkpoint, note: bytes, until: int, verifiers: Sequence[NoteVerifier]
) -> Placed:
    name = publication.checkpoint_name(target.base, head.size)
    present = target.place.get(name)
    if present is not None:
        # The same checkpoint may have come to more signatures since.
        if verify_by_name(present, verifiers) != head:
            raise Damaged(f"{name} is another checkpoint of the same size")
        note = present
    return target.place.put_once(name, note, until)


class _Weakest:
    """The worst lock that was read back. fault: of it, for people; empty when all are locked."""

    def __init__(self, target: Target, now: int) -> None:
        self._target, self.now = target, now
        self.fault = ""

    def saw(self, placed: Placed, *, full: bool) -> None:
        """Look at what the place said of a file."""
        if not self._target.place.locks or self.fault:
            return
        until = self.now + _days_of(self._target, full=full) * _DAY
        self.fault = lock_fault(placed, self._target, until)


def lock_fault(placed: Placed, target: Target, until: int) -> str:
    """What is wrong with the lock that the place said it has; empty when it is as it should be."""
    wanted = getattr(target.place, "mode", "")
    if not placed.mode:
        return "the store took the lock and did not set it: what is published can be removed"
    if placed.mode not in (wanted, "COMPLIANCE"):
        return f"the store locked in {placed.mode} mode, not in {wanted}"
    if placed.retain_until + _SLACK < until:
        return "the store locked for a shorter time than it was asked to"
    return ""


def lag(connection: Connection, state: State) -> int:
    """How many events of the log are not published there."""
    return max(0, rollback.size_of(connection) - state.size)
