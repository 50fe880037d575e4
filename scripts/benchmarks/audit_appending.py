"""Durable appends by several writers, beside the same database's own inserts of the same rows.

In turns, each in a fresh table of the same columns and indexes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random

from sqlalchemy import MetaData, quoted_name

from benchmarks.audit_log import an_event
from secvault.audit.append import append, lock_head
from secvault.audit.event import Event
from secvault.audit.gathering import Gathering
from secvault.audit.journals import Journals
from secvault.audit.leaf import Number, draft, event_id
from secvault.audit.log import AuditLog
from secvault.clock import system_clock
from secvault.store import Store, open_store
from secvault.store.bulk import insert_rows
from secvault.store.straight import straight
from secvault.store.tables import audit_event

GROUP = 1_000
"""Events that one writer appends at a time, and rows of one batch, where groups are compared."""

_COLUMNS = tuple(column.name for column in audit_event.columns)
_SHAPES = 500

Told = Callable[[int], object]


@dataclass(frozen=True)
class Rates:
    """Events a second of each round. single: each writer one event at a time; group: `GROUP`.

    theirs: the same rows, as many in a transaction as there are writers, and `GROUP`.
    """

    single: list[float]
    their_singles: list[float]
    group: list[float]
    their_groups: list[float]


def rates(url: str, writers: int, rounds: int, seconds: float, told: Told) -> Rates:
    """Measure both in turns, so long each time."""
    found = Rates([], [], [], [])
    events = [an_event(Random(number)) for number in range(_SHAPES)]
    with closing(open_store(url)) as store:
        rows = _rows(store, events)
        for _ in range(rounds):
            found.single.append(_recorded(store, events, writers, seconds))
            found.their_singles.append(_inserted(store, rows, writers, seconds))
            found.group.append(_submitted(store, events, writers, seconds))
            found.their_groups.append(_inserted(store, rows, GROUP, seconds))
            told(1)
    return found


def _log(store: Store) -> AuditLog:
    """The log, as the service has it on this engine."""
    clock = system_clock()
    database = store.writer.url.database
    folder = Path(f"{database}-audit")
    journals = Journals(folder, clock) if store.dialect == "sqlite" else None
    return AuditLog(store, clock, node="bench", journals=journals)


def _recorded(store: Store, events: Sequence[Event], writers: int, seconds: float) -> float:
    """Writers on one event loop, as requests are; until all is in the log itself."""
    with closing(_log(store)) as log:
        done = 0
        began = time.perf_counter()

        async def write(first: int) -> None:
            nonlocal done
            number = first
            while time.perf_counter() - began < seconds:
                await gathering.record(events[number % len(events)])
                number += writers
                done += 1

        async def everybody() -> None:
            await asyncio.gather(*(write(first) for first in range(writers)))

        gathering = Gathering(log)
        asyncio.run(everybody())
        log.drain()
        return done / (time.perf_counter() - began)


def _submitted(store: Store, events: Sequence[Event], writers: int, seconds: float) -> float:
    """Each writer has one group under way."""
    with closing(_log(store)) as log:
        done = number = 0
        began = time.perf_counter()
        under_way: list[Future[int]] = []
        while time.perf_counter() - began < seconds or under_way:
            if len(under_way) < writers and time.perf_counter() - began < seconds:
                group = [log.draft(events[(number + at) % len(events)]) for at in range(GROUP)]
                under_way.append(log.submit(group))
                number += GROUP
            else:
                under_way.pop(0).result()
                done += GROUP
        return done / (time.perf_counter() - began)


def _rows(store: Store, events: Sequence[Event]) -> list[tuple[object, ...]]:
    """The rows that appending these events makes, without their numbers and ids."""
    made = [draft(one, id=event_id(at), t=at) for at, one in enumerate(events)]
    with store.write() as connection:
        append(connection, lock_head(connection), made, Number("bench", event_id(1), 0))
    with store.read() as connection:
        statement = "SELECT * FROM audit_event ORDER BY seq LIMIT ?"
        return straight(connection, statement, (len(events),))


def _inserted(
    store: Store, rows: Sequence[tuple[object, ...]], batch: int, seconds: float
) -> float:
    """Rows a second into a table like the log's, so many in a transaction."""
    metadata = MetaData()
    table = audit_event.to_metadata(metadata, name="bench_event")
    table.primary_key.name = None
    for index in table.indexes:
        index.name = quoted_name(f"bench_{index.name}", quote=None)
    with store.write() as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)
    done = 0
    began = time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        some = [
            (seq, event_id(seq), seq, *rows[seq % len(rows)][3:])
            for seq in range(done, done + batch)
        ]
        with store.write() as connection:
            insert_rows(connection, table, _COLUMNS, some)
        done += batch
    with store.write() as connection:
        metadata.drop_all(connection)
    return done / passed
