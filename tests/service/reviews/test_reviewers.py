"""Who reviews whom, for any people and any departments."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, product

from hypothesis import given
from hypothesis import strategies as st

from secvault.service.reviews.reviewers import Part, assign, pairs

PEOPLE = ("an", "binh", "chi", "dung")
part = st.builds(Part, st.sampled_from((*PEOPLE, "svc")), st.sampled_from(("hr", "it")))
tier = st.lists(st.sampled_from(PEOPLE), max_size=3, unique=True).map(tuple)
populations = st.dictionaries(part, st.lists(tier, max_size=3).map(tuple), max_size=6)


def _options(part_: Part, tiers: tuple[tuple[str, ...], ...]) -> list[str | None]:
    found = [one for one in dict.fromkeys(chain.from_iterable(tiers)) if one != part_.subject]
    return [*found] or [None]


def _can_do_without_pairs(population: Mapping[Part, tuple[tuple[str, ...], ...]]) -> bool:
    parts = list(population)
    every = product(*(_options(one, population[one]) for one in parts))
    return any(not pairs(dict(zip(parts, chosen, strict=True))) for chosen in every)


@given(populations)
def test_nobody_reviews_themselves_and_everything_that_can_be_has_a_reviewer(
    population: Mapping[Part, tuple[tuple[str, ...], ...]],
) -> None:
    assigned = assign(population)
    assert assigned.keys() == population.keys()
    for one, reviewer in assigned.items():
        assert reviewer != one.subject
        assert reviewer in _options(one, population[one])


@given(populations)
def test_two_people_review_each_other_only_where_nothing_else_is_possible(
    population: Mapping[Part, tuple[tuple[str, ...], ...]],
) -> None:
    assert bool(pairs(assign(population))) is not _can_do_without_pairs(population)


def test_work_is_spread_within_a_tier_and_the_first_tier_goes_first() -> None:
    clerks = {Part(f"clerk-{n}", "hr"): (("an", "binh"), ("chi",)) for n in range(6)}
    assigned = assign(clerks)
    assert sorted(map(str, assigned.values())) == ["an"] * 3 + ["binh"] * 3


def test_a_large_ring_of_heads_is_assigned_without_pairs() -> None:
    heads = [f"head-{n}" for n in range(14)]
    assigned = assign({Part(head, "it"): (tuple(heads),) for head in heads})
    assert not pairs(assigned)
