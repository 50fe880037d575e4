"""Nodes: who is alive, and who takes over the work of one that is not.

A node is one start of one worker. Its row's `beat_at` changes every few seconds. A node is thought
dead when another has watched its beat stand still for 45 seconds, by that other's own monotonic
clock: differences between the clocks of two machines do not matter. Being wrong is harmless, for
a node that was frozen and wakes cannot write down results of work that was taken from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import Connection, delete, insert, select, update

from secvault.jobs.durable import Flow
from secvault.store.engine import Store, insert_unless_there
from secvault.store.tables import node

BEAT_SECONDS = 5.0
DEAD_SECONDS = 45.0


class Engine(Protocol):
    """What the hand-over needs of `secvault.jobs.durable.Durable`."""

    version: str

    def unfinished(self) -> tuple[Flow, ...]:
        """All workflows that are running or waiting."""

    def resume(self, jobs: list[str]) -> None:
        """Let any live node continue these."""

    def forget(self, jobs: list[str]) -> None:
        """Remove these, so that they can begin anew."""


def beat(connection: Connection, id: str, now: int) -> None:  # noqa: A002 - the field's own word
    """Show a sign of life; a node that was taken for dead is alive again."""
    shown = connection.execute(update(node).where(node.c.id == id).values(beat_at=now))
    if shown.rowcount == 0:
        connection.execute(insert(node).values(id=id, started_at=now, beat_at=now))


def leave(connection: Connection, id: str) -> None:  # noqa: A002 - the field's own word
    """Take the node's row away: it has nothing in work."""
    connection.execute(delete(node).where(node.c.id == id))


def beats(connection: Connection) -> dict[str, int]:
    """The last sign of life of every node, in microseconds since the epoch by its own clock."""
    return {row.id: row.beat_at for row in connection.execute(select(node))}


@dataclass
class Watch:
    """One node's view of the others: since when it has seen each beat stand still."""

    looked_at: float | None = None
    still: dict[str, tuple[int, float]] = field(default_factory=dict)

    def dead(self, beats: Mapping[str, int], now: float) -> frozenset[str]:
        """The nodes whose beat stood still for `DEAD_SECONDS`.

        now: seconds of the monotonic clock. A pause between two looks counts no more than two
        beats: when the store was out of reach for a minute, nobody could beat.
        """
        pause = now - self.looked_at if self.looked_at is not None else 0.0
        counted = min(pause, 2 * BEAT_SECONDS)
        self.looked_at = now
        self.still = {
            id_: (beat_at, self.still[id_][1] + counted)
            if self.still.get(id_, (None, 0.0))[0] == beat_at
            else (beat_at, 0.0)
            for id_, beat_at in beats.items()
        }
        return frozenset(id_ for id_, (_, still) in self.still.items() if still >= DEAD_SECONDS)


def hand_over(
    store: Store, engine: Engine, *, me: str, dead: frozenset[str], now: int
) -> tuple[str, ...]:
    """Take over what dead nodes left unfinished; return the ids of those jobs.

    dead: nodes known to be dead. One that has no row is dead as well. Each is taken over by one
    node only; if that one dies on the way, another does it later. Work begun by another version
    of the program is begun anew. Raises Unavailable.
    """
    flows = engine.unfinished()
    with store.read() as connection:
        known = beats(connection)
    taken: tuple[str, ...] = ()
    for executor in sorted(({flow.executor for flow in flows} | known.keys()) - {me, ""}):
        if executor in known and executor not in dead:
            continue
        if not any(_left_by(executor, flow, engine.version) for flow in flows):
            _release(store, executor, known.get(executor))
        elif _take(store, executor, known.get(executor), now):
            # Read again: what it had before the lock was won may have been handed on by now.
            left = [f for f in engine.unfinished() if _left_by(executor, f, engine.version)]
            engine.forget([flow.job for flow in left if flow.version != engine.version])
            engine.resume([flow.job for flow in left if flow.version == engine.version])
            _release(store, executor, now)
            taken += tuple(flow.job for flow in left)
    return taken


def _left_by(executor: str, flow: Flow, version: str) -> bool:
    # A waiting workflow of our version is picked up by any node; one of another version by nobody.
    return flow.executor == executor and (flow.status == "running" or flow.version != version)


def _take(store: Store, executor: str, seen: int | None, now: int) -> bool:
    """Win the right to take over; it lapses like a beat if the winner dies."""
    with store.write() as connection:
        if seen is None:
            return insert_unless_there(
                connection, node, {"id": executor, "started_at": now, "beat_at": now}
            )
        won = connection.execute(
            update(node).where(node.c.id == executor, node.c.beat_at == seen).values(beat_at=now)
        )
        return won.rowcount == 1


def _release(store: Store, executor: str, seen: int | None) -> None:
    if seen is None:
        return
    with store.write() as connection:
        connection.execute(delete(node).where(node.c.id == executor, node.c.beat_at == seen))
