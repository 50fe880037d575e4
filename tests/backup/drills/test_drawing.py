"""What is drawn: each file as likely as any other, with all its names, the same from one seed."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.backup.drills.drawing import (
    BATCHES,
    RUNS,
    SEED_BYTES,
    Draw,
    content_bytes,
    count_files,
    draw,
    draw_again,
)
from secvault.backup.drills.sampling import sample_size
from secvault.backup.file_entry import FileEntry
from secvault.errors import Unavailable

FOLDER, FILE, LINK = 0o040755, 0o100644, 0o120777
GOLDEN = [2, 37, 40, 41, 46, 57, 63, 66, 71]


def all_of_them(_entry: FileEntry) -> bool:
    return True


def files(count: int) -> list[FileEntry]:
    """Files of which each third is empty."""
    return [
        FileEntry(f"/srv/{number:06}", size=number % 3, modified_ns=0, mode=FILE)
        for number in range(count)
    ]


def drawn(
    entries: Sequence[FileEntry],
    rate: float,
    confidence: float,
    *,
    counts: Callable[[FileEntry], bool] = all_of_them,
    seed: bytes | None = None,
) -> Draw:
    give = os.urandom if seed is None else lambda _count: seed
    return draw(lambda: iter(entries), counts, rate, confidence, give)


def _too_odd(counted: Sequence[int], expected: float) -> bool:
    """Whether a chi-square of these counts comes by chance less than once in 10 million times."""
    square = sum((one - expected) ** 2 / expected for one in counted)
    freedom = len(counted) - 1
    # Wilson and Hilferty.
    normal = ((square / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(
        2 / (9 * freedom)
    )
    return normal > 5.2


def test_every_set_of_files_is_as_likely_as_any_other() -> None:
    entries = files(6)
    size = sample_size(6, 0.3, 0.6)
    assert size == 2
    seen = Counter(
        tuple(one.path for one in drawn(entries, 0.3, 0.6).entries) for _ in range(15 * 400)
    )
    sets = list(combinations((one.path for one in entries), size))
    assert seen.keys() <= set(sets)
    assert not _too_odd([seen[one] for one in sets], 400)


def test_a_file_with_many_names_is_drawn_no_more_often_and_comes_with_all_of_them() -> None:
    linked = [
        FileEntry(f"/srv/000001.{number}", 5, 0, mode=FILE, linked="9:9") for number in range(30)
    ]
    entries = sorted([*files(5), *linked], key=lambda one: one.path)
    times = Counter[str]()
    for _ in range(3000):
        found = drawn(entries, 0.3, 0.6)
        assert (found.population, count_files(found.entries)) == (6, 2)
        names = [one for one in found.entries if one.linked]
        assert len(names) in (0, 30)
        times.update({one.linked or one.path for one in found.entries})
    assert not _too_odd(list(times.values()), 1000)


def test_only_regular_files_that_count_are_drawn_from() -> None:
    entries = [
        FileEntry("/srv", 0, 0, mode=FOLDER),
        *files(10),
        FileEntry("/srv/link", 0, 0, mode=LINK, target="x"),
        FileEntry("/staging/dump", 99, 0, mode=FILE),
        # Of a manifest of version 1, which knows regular files only.
        FileEntry("/zzz", 7, 0),
    ]
    found = drawn(entries, 0.01, 0.99, counts=lambda one: not one.path.startswith("/staging"))
    assert found.population == found.size == 11
    assert [one.path for one in found.entries] == [*(one.path for one in files(10)), "/zzz"]
    assert found.population_bytes == found.bytes == sum(one.size for one in files(10)) + 7


def test_nothing_is_drawn_from_nothing() -> None:
    found = drawn([], 0.01, 0.95)
    assert (found.population, found.size, found.entries, found.parts) == (0, 0, (), ())


def test_the_same_seed_draws_the_same_again_and_another_does_not() -> None:
    entries = files(3000)
    first, second = drawn(entries, 0.01, 0.95), drawn(entries, 0.01, 0.95)
    again = draw_again(lambda: iter(entries), all_of_them, 0.01, 0.95, first.seed)
    assert again == first
    assert second.seed != first.seed
    assert second.entries != first.entries


def test_a_seed_draws_for_ever_what_it_drew_once() -> None:
    # Whoever checks old evidence draws again: changing this makes old evidence wrong.
    found = drawn(files(100), 0.3, 0.95, seed=bytes(range(SEED_BYTES)))
    assert [int(one.path[-6:]) for one in found.entries] == GOLDEN


@given(count=st.integers(0, 400), rate=st.floats(0.005, 0.9), linked=st.integers(0, 40))
def test_batches_are_the_sample_once_and_keep_the_names_of_a_file_together(
    count: int, rate: float, linked: int
) -> None:
    twice = [
        FileEntry(
            f"/other/{number % 2}{number // 2:04}", 1, 0, mode=FILE, linked=f"1:{number // 2}"
        )
        for number in range(2 * linked)
    ]
    found = drawn([*files(count), *twice], rate, 0.95)
    assert sorted(one.path for part in found.batches for one in part) == sorted(
        one.path for one in found.entries
    )
    assert found.size == count_files(found.entries) == sum(map(count_files, found.batches))
    assert found.bytes == sum(map(content_bytes, found.batches))
    for part in found.batches:
        assert part
        assert list(part) == [one for one in found.entries if one in part]


def test_runs_of_files_that_lie_together_tell_the_time_beside_the_sample() -> None:
    entries = files(5000)
    found = drawn(entries, 0.01, 0.95)
    assert len(found.runs) == RUNS
    assert found.batches == (found.entries,)
    assert found.parts[found.telling] == found.runs
    listed = [one.path for one in entries]
    seen = {one.path for one in found.entries}
    for number, run in enumerate(found.runs):
        paths = [one.path for one in run]
        # Nothing is fetched twice, and nothing lies between but what is fetched anyway.
        assert not seen & {*paths}
        seen |= {*paths}
        assert {*listed[listed.index(paths[0]) : listed.index(paths[-1]) + 1]} <= seen
        assert len(run) <= 16 << number


def test_runs_pass_over_files_that_are_large_beside_them_and_end_when_full() -> None:
    mib = 1 << 20
    entries = [
        FileEntry(f"/srv/{at:05}", 900 * mib if at % 5 == 0 else mib // 4, 0, mode=FILE)
        for at in range(4000)
    ]
    found = drawn(entries, 0.01, 0.95)
    assert len(found.runs) == RUNS
    for number, run in enumerate(found.runs):
        assert (content_bytes(run), max(one.size for one in run)) <= (2 * mib << number, mib)


def test_where_all_files_are_large_the_sample_itself_tells_the_time() -> None:
    entries = [FileEntry(f"/srv/{at:04}", 1 << 30, 0, mode=FILE) for at in range(3000)]
    found = drawn(entries, 0.01, 0.95)
    assert found.runs == ()
    assert found.parts[found.telling] == found.batches
    sizes = [len(part) for part in found.batches]
    # A start and a file can be told apart only by parts that differ.
    assert len(sizes) == BATCHES
    assert sizes == sorted(sizes)
    assert sizes[-1] > 4 * sizes[0]


@given(count=st.integers(0, 3000))
def test_runs_are_no_more_than_half_of_all(count: int) -> None:
    found = drawn(files(count), 0.3, 0.5)
    runs = [one for run in found.runs for one in run]
    assert len(runs) <= count / 2
    assert content_bytes(runs) <= found.population_bytes / 2
    assert bool(runs) == (count >= 200) or 126 <= count < 200


def test_names_of_a_file_are_in_one_run_together() -> None:
    entries = [
        FileEntry(f"/{folder}/{at:04}", 10, 0, mode=FILE, linked=f"1:{at}")
        for folder in ("a", "b")
        for at in range(2000)
    ]
    found = drawn(entries, 0.05, 0.95)
    assert len(found.runs) == RUNS
    for part in found.parts:
        assert len(part) == 2 * count_files(part)


def test_content_of_several_names_is_counted_once() -> None:
    names = [FileEntry(f"/{number}", 10, 0, mode=FILE, linked="1:1") for number in range(3)]
    alone = [FileEntry("/3", 4, 0, mode=FILE), FileEntry("/4", 4, 0, mode=FILE)]
    assert content_bytes([*names, *alone]) == 18
    assert count_files([*names, *alone]) == 3


def test_too_little_randomness_draws_nothing() -> None:
    with pytest.raises(Unavailable):
        draw(partial(iter, files(3)), all_of_them, 0.01, 0.95, lambda _count: b"short")
