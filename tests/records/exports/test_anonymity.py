"""k-anonymity: whatever is shown is shared by k people or more, and nothing is lost for nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.errors import InvalidInput
from secvault.records.exports import anonymity
from secvault.records.exports.anonymity import Groups, Key

records = st.lists(
    st.tuples(
        st.tuples(st.sampled_from(["kho", "line a", None]), st.sampled_from([1980, 1990, 2000])),
        st.sampled_from([f"nv-{number}" for number in range(9)]),
        st.tuples(st.sampled_from([10, 20, 30])),
    ),
    max_size=60,
)
Given = list[tuple[Key, str, Key]]


@given(records, st.integers(2, 6))
def test_every_combination_that_is_shown_has_k_people(given_: Given, k: int) -> None:
    groups = Groups(k)
    for key, subject, sensitive in given_:
        groups.add(key, subject, sensitive)
    verdict = groups.settle()
    shown: dict[Key, set[str]] = {}
    values: dict[Key, set[object]] = {}
    left_out = 0
    for key, subject, sensitive in given_:
        made = verdict.shown(key)
        if made is None:
            left_out += 1
            continue
        assert all(one in (whole, None) for one, whole in zip(made, key, strict=True))
        shown.setdefault(made, set()).add(subject)
        values.setdefault(made, set()).add(sensitive[0])
    assert all(len(people) >= k for people in shown.values())
    assert verdict.left_out == left_out
    assert verdict.groups == len(shown)
    assert verdict.achieved == min((min(k, len(people)) for people in shown.values()), default=0)
    if shown:
        assert verdict.diversity == (min(min(k, len(found)) for found in values.values()),)


@given(records, st.integers(2, 6))
def test_nothing_is_touched_where_everybody_has_k_like_them(given_: Given, k: int) -> None:
    everybody = [(key, f"twin-{number}", sensitive)
                 for key, _, sensitive in given_ for number in range(k)]  # fmt: skip
    groups = Groups(k)
    for key, subject, sensitive in everybody:
        groups.add(key, subject, sensitive)
    verdict = groups.settle()
    assert verdict.met
    assert all(verdict.shown(key) == key for key, _, _ in everybody)


def test_people_are_counted_and_not_their_records() -> None:
    groups = Groups(2)
    for _ in range(12):
        groups.add(("kho",), "nv-1", ())
    assert groups.settle().shown(("kho",)) is None


def test_a_rare_value_is_left_blank_rather_than_its_record_left_out() -> None:
    groups = Groups(2)
    for number in range(4):
        groups.add(("kho", 1990 + number), f"nv-{number}", ())
    verdict = groups.settle()
    assert verdict.shown(("kho", 1991)) == ("kho", None)
    assert (verdict.left_out, verdict.blanked, verdict.met) == (0, (0, 4), False)


def test_a_combination_that_was_never_counted_is_not_shown() -> None:
    groups = Groups(2)
    groups.add(("kho",), "nv-1", ())
    groups.add(("kho",), "nv-2", ())
    assert groups.settle().shown(("office",)) is None


def test_nobody_is_nobody() -> None:
    verdict = Groups(5).settle()
    assert (verdict.groups, verdict.achieved, verdict.met) == (0, 0, True)


def test_what_keeps_everybody_apart_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anonymity, "MOST_GROUPS", 3)
    groups = Groups(2)
    for number in range(3):
        groups.add((number,), f"nv-{number}", ())
    with pytest.raises(InvalidInput):
        groups.add((3,), "nv-3", ())
