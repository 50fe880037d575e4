from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from functools import partial
from random import Random

import pytest

from secvault.audit import Event
from secvault.audit import looking as looking_module
from secvault.audit.append import append, lock_head
from secvault.audit.chunks import RANGE, look_over
from secvault.audit.leaf import Number, draft, event_id
from secvault.audit.looking import FEW, Piece, looked_over
from secvault.audit.verify import verify
from secvault.crypto.merkle import Frontier, perfect_subtrees, tree_over
from secvault.store import Store
from secvault.store.straight import straight
from tests.audit.conftest import ORIGIN, STARTED

Reading = Callable[[int], Event]


def _fill(store: Store, events: Iterable[Event]) -> None:
    made = [draft(one, id=event_id(STARTED + at), t=STARTED + at) for at, one in enumerate(events)]
    with store.write() as connection:
        append(connection, lock_head(connection), made, Number("node", "start", 0))


@pytest.mark.parametrize("count", [1, 255, 256, 700])
def test_a_chunk_tells_the_subtrees_at_each_size_that_was_asked_for(
    sqlite_store: Store, reading: Reading, count: int
) -> None:
    _fill(sqlite_store, map(reading, range(count)))
    with sqlite_store.read() as connection:
        rows = straight(connection, RANGE, (0, count))
    sizes = sorted({1 + Random(count).randrange(count) for _ in range(5)})
    chunk = look_over(rows, 0, count, sizes)
    assert chunk is not None
    for size in (*sizes, count):
        assert chunk.stacks[size] == [*Frontier().extend(row[9] for row in rows[:size]).stack]
    assert len(chunk.nodes) == count // 256
    assert chunk.writers == [("node", "start", 0, count - 1)]


@pytest.mark.parametrize("column", range(10))
def test_a_chunk_with_any_odd_value_is_not_vouched_for(
    sqlite_store: Store, reading: Reading, column: int
) -> None:
    _fill(sqlite_store, map(reading, range(20)))
    with sqlite_store.read() as connection:
        rows = straight(connection, RANGE, (0, 20))
    assert look_over(rows, 0, 20) is not None
    for odd in (None, 7, "x", b"x"):
        changed = list(rows)
        changed[13] = (*rows[13][:column], odd, *rows[13][column + 1 :])
        assert look_over(changed, 0, 20) is None
    assert look_over([*rows[:13], *rows[14:]], 0, 20) is None
    assert look_over([*rows[:5], rows[6], rows[5], *rows[7:]], 0, 20) is None


def test_subtrees_join_to_the_frontier_that_their_leaves_give() -> None:
    leaves = [Random(n).randbytes(32) for n in range(100)]
    for start in (0, 16, 64):
        reached = Frontier().extend(leaves[:start])
        for low, high in perfect_subtrees(start, 100):
            reached = reached.join(tree_over(leaves[low:high])[-1][0], high - low)
        assert reached == Frontier().extend(leaves)


def test_processes_of_their_own_find_what_is_found_here(
    any_store: Store, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the password of the database has to be handed to them, and in the same state."""
    monkeypatch.setattr(looking_module, "FEW", 0)
    _fill(any_store, map(reading, range(9_000)))
    told: list[tuple[int, int]] = []
    apart = verify(
        any_store, (), origin=ORIGIN, progress=lambda done, total: told.append((done, total))
    )
    monkeypatch.setattr(looking_module, "FEW", FEW)
    assert apart == verify(any_store, (), origin=ORIGIN)
    assert (apart.ok, apart.size) == (True, 9_000)
    assert told == [(4_096, 9_000), (8_192, 9_000), (9_000, 9_000)]


def test_a_process_that_cannot_look_leaves_the_answer_to_the_walk(
    sqlite_store: Store, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking_module, "FEW", 0)
    monkeypatch.setattr(looking_module, "_PROGRAM", ("/bin/false",))
    _fill(sqlite_store, map(reading, range(5_000)))
    report = verify(sqlite_store, (), origin=ORIGIN, looking=looked_over)
    assert (report.ok, report.size) == (True, 5_000)


@pytest.mark.timeout(120)
def test_questions_and_answers_pass_through_the_smallest_pipes(
    sqlite_store: Store, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = partial(subprocess.Popen, pipesize=4_096)
    monkeypatch.setattr(looking_module.subprocess, "Popen", small)
    monkeypatch.setattr(looking_module, "FEW", 0)
    _fill(sqlite_store, map(reading, range(2_000)))
    long, short = list(range(1, 2_001)), list(range(1, 701))
    with sqlite_store.read() as connection:
        pieces = [Piece(0, 2_000, sizes) for sizes in (short, long) * 8]
        found = [chunk for _, chunk in looked_over(sqlite_store, connection, pieces)]
    assert all(chunk is not None and len(chunk.stacks) >= 700 for chunk in found[::2])
    assert found[1::2] == [None] * 8
