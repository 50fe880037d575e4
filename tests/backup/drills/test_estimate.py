"""How long the whole would take: right where the model is exact, else inside its bounds."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import pairwise

import pytest

from secvault.backup.drills.estimate import Timed, estimate, student

# Source: Abramowitz and Stegun, table 26.10.
QUANTILES = [
    (0.975, 1, 12.706),
    (0.975, 2, 4.303),
    (0.975, 3, 3.182),
    (0.975, 4, 2.776),
    (0.995, 5, 4.032),
    (0.95, 10, 1.812),
    (0.995, 30, 2.750),
    (0.9995, 4, 8.610),
]


def restored(files: int, size: int, *, noise: float = 0) -> Timed:
    """Half a second for a start, 2 ms for a file, 50 MB a second."""
    seconds = 0.5 + 0.002 * files + size / 50e6
    return Timed(files, size, seconds * math.exp(noise))


EXACT = [restored(3 * n, 1_000_000 * n * n) for n in range(1, 8)]


@pytest.mark.parametrize(("probability", "freedom", "quantile"), QUANTILES)
def test_quantiles_are_those_of_the_table(
    probability: float, freedom: int, quantile: float
) -> None:
    assert student(probability, freedom) == pytest.approx(quantile, abs=6e-4)


def test_what_follows_the_model_is_told_without_an_error() -> None:
    whole = estimate(EXACT, 100_000, 10**10, 0.95, known=7)
    assert whole is not None
    for seconds in (whole.seconds, whole.low, whole.high):
        assert seconds == pytest.approx(restored(100_000, 10**10).seconds + 7, rel=1e-3)


def test_what_was_compared_afterwards_is_part_of_the_time() -> None:
    assert Timed(3, 5, 1.5).plus(0.25) == Timed(3, 5, 1.75)


def test_several_starts_of_a_batch_are_not_taken_for_the_time_of_its_files() -> None:
    more = Timed(40, 9_000_000, restored(40, 9_000_000).seconds + 2 * 0.5, starts=3)
    whole = estimate([*EXACT, more], 100_000, 10**10, 0.95)
    assert whole is not None
    assert whole.seconds == pytest.approx(restored(100_000, 10**10).seconds, rel=1e-3)


def test_more_confidence_asks_for_wider_bounds() -> None:
    seeded = random.Random(5)
    seen = [restored(one.files, one.bytes, noise=seeded.gauss(0, 0.05)) for one in EXACT]
    narrow, wide = estimate(seen, 10_000, 10**9, 0.5), estimate(seen, 10_000, 10**9, 0.99)
    assert narrow is not None
    assert wide is not None
    assert wide.low <= narrow.low <= narrow.seconds <= narrow.high <= wide.high
    assert narrow.seconds == wide.seconds


def test_an_error_that_cannot_be_told_is_not_made_up() -> None:
    assert estimate([], 10, 10, 0.95) is None
    assert estimate(EXACT[:4], 10, 10, 0.95) is None
    assert estimate([restored(5, 500)] * 9, 1000, 10**6, 0.95) is None


def test_from_files_of_one_size_nothing_follows_for_others() -> None:
    seen = [restored(files, files * 1000) for files in range(1, 9)]
    alike = estimate(seen, 1000, 1_000_000, 0.95)
    assert alike is not None
    assert alike.seconds == pytest.approx(restored(1000, 1_000_000).seconds, rel=1e-3)
    assert estimate(seen, 1000, 2_000_000, 0.95) is None


def test_empty_files_alone_tell_what_empty_files_take() -> None:
    whole = estimate([restored(files, 0) for files in range(1, 9)], 1000, 0, 0.95)
    assert whole is not None
    assert whole.seconds == pytest.approx(2.5, rel=1e-3)


def test_no_bound_is_below_nothing() -> None:
    seeded = random.Random(8)
    for _ in range(10):
        seen = [restored(one.files, one.bytes, noise=seeded.gauss(0, 1)) for one in EXACT]
        whole = estimate(seen, 10_000, 10**9, 0.99)
        assert whole is not None
        assert 0 <= whole.low <= whole.seconds <= whole.high


def test_the_whole_lies_between_the_bounds_as_often_as_they_say() -> None:
    seeded = random.Random(20261126)
    drills, inside, widths = 200, 0, []
    for _ in range(drills):
        noise = seeded.choice([0.02, 0.1])
        count = seeded.choice([500, 5000])
        sizes = [int(seeded.lognormvariate(9, seeded.choice([0.5, 2]))) for _ in range(count)]
        seen = [
            restored(len(part), sum(part), noise=seeded.gauss(0, noise))
            for part in _batches(seeded.sample(sizes, 299))
        ]
        staged = restored(2, 40_000, noise=seeded.gauss(0, noise))
        whole = estimate([*seen, staged], count, sum(sizes), 0.9)
        assert whole is not None
        took = restored(count, sum(sizes), noise=seeded.gauss(0, noise)).seconds
        inside += whole.low <= took <= whole.high
        widths.append((whole.high - whole.low) / took)
    # 0.9 of 200, less three deviations; and bounds that are worth something.
    assert inside >= 180 - 3 * math.sqrt(200 * 0.9 * 0.1)
    assert sorted(widths)[drills // 2] < 1


def _batches(sizes: Sequence[int]) -> list[Sequence[int]]:
    count = len(sizes)
    ends = [count * n * (n + 1) // 42 for n in range(7)]
    return [sizes[begun:ended] for begun, ended in pairwise(ends)]
