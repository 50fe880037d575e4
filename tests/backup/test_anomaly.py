"""What is taken for strange about a run, and what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.backup.anomaly import ENTROPY_RISE, MASS_CHANGE, SIZE_COLLAPSE, Numbers, judge
from secvault.config.anomalies import AnomalySettings

DEFAULTS = AnomalySettings()
MIB = 1 << 20
FILES = 1_000
EVERYDAY = Numbers(
    run="now",
    plan="nightly",
    snapshot="ab" * 32,
    data_at=0,
    scope="s",
    files=FILES,
    bytes=100 * MIB,
    bytes_added=2 * MIB,
    files_new=5,
    files_changed=15,
    sampled=20,
    random_looking=1,
    sources={"erp": 40 * MIB},
)
PAST = tuple(replace(EVERYDAY, run=f"run-{number}", data_at=number) for number in range(6))


def rules(now: Numbers, past: tuple[Numbers, ...] = PAST) -> dict[tuple[str, str], int]:
    return {(one.rule, one.subject): one.percent for one in judge(now, past, DEFAULTS)}


def test_an_everyday_run_is_not_strange() -> None:
    assert rules(EVERYDAY) == {}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"bytes": 30 * MIB}, {(SIZE_COLLAPSE, ""): 70}),
        ({"sources": {"erp": 0}}, {(SIZE_COLLAPSE, "erp"): 100}),
        # Encrypted in place: nearly all of it is new data.
        (
            {"files_changed": 900, "bytes_added": 90 * MIB, "sampled": 64, "random_looking": 62},
            {(MASS_CHANGE, ""): 90, (ENTROPY_RISE, ""): 96},
        ),
        # Encrypted under another name: as many are gone as came.
        ({"files_new": 950, "files_changed": 0, "bytes_added": 95 * MIB}, {(MASS_CHANGE, ""): 95}),
        # Deleted.
        ({"files": 300, "files_new": 0, "bytes": 60 * MIB}, {(MASS_CHANGE, ""): 71}),
        # A few files a day, slowly.
        ({"sampled": 30, "random_looking": 28}, {(ENTROPY_RISE, ""): 93}),
    ],
)
def test_what_smells_of_loss_or_ransomware_is_found(
    changed: dict[str, object], expected: dict[tuple[str, str], int]
) -> None:
    assert rules(replace(EVERYDAY, **changed)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changed",
    [
        # A folder that was given another name: all its files, and no new data.
        {"files_new": 900, "files_changed": 0, "bytes_added": 200_000},
        # A file system that was mounted anew: restic reads everything again.
        {"files_changed": 980, "bytes_added": 300_000},
        # Many new files beside the old ones.
        {"files": 5_000, "files_new": 4_005, "bytes": 500 * MIB, "bytes_added": 400 * MIB},
        # Half of everything, but just a little less.
        {"bytes": 51 * MIB},
        # A handful of pictures that were encrypted.
        {"sampled": 19, "random_looking": 19},
    ],
)
def test_what_people_do_every_day_raises_no_alarm(changed: dict[str, object]) -> None:
    assert rules(replace(EVERYDAY, **changed)) == {}  # type: ignore[arg-type]


def test_a_plan_in_which_everything_changes_every_night_raises_no_alarm_every_night() -> None:
    dumps = replace(EVERYDAY, files_changed=980, files_new=0, bytes_added=99 * MIB)
    restless = replace(dumps, sampled=64, random_looking=60)
    past = tuple(replace(restless, run=f"run-{number}", data_at=number) for number in range(4))
    assert rules(restless, past) == {}


def test_few_files_and_small_sources_may_come_and_go() -> None:
    few = replace(EVERYDAY, files=50, files_new=0, files_changed=50, bytes_added=99 * MIB)
    small = replace(EVERYDAY, sources={"note": 10})
    assert rules(few, tuple(replace(one, files=50) for one in PAST)) == {}
    assert rules(small, tuple(replace(one, sources={"note": 1_000}) for one in PAST)) == {}


def test_a_first_run_and_a_plan_that_saves_something_else_now_are_not_compared() -> None:
    tiny = replace(EVERYDAY, bytes=MIB, files_changed=1_000)
    assert rules(tiny, ()) == {}
    assert rules(replace(tiny, scope="another")) == {}


def test_nothing_is_looked_at_where_the_settings_say_so() -> None:
    collapsed = replace(EVERYDAY, bytes=1)
    assert judge(collapsed, PAST, AnomalySettings(look=False)) == ()


counts = st.integers(0, 10**9)
any_numbers = st.builds(
    replace,
    st.just(EVERYDAY),
    files=counts,
    bytes=st.integers(0, 2**50),
    bytes_added=st.integers(0, 2**50),
    files_new=counts,
    files_changed=counts,
    sampled=st.integers(0, 1_000),
    random_looking=st.integers(0, 1_000),
    sources=st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 2**50)),
)


@given(any_numbers, st.lists(any_numbers, max_size=4))
def test_whatever_the_numbers_are_a_share_is_one_of_a_hundred(
    now: Numbers, past: list[Numbers]
) -> None:
    for found in judge(now, past, DEFAULTS):
        assert 1 <= found.threshold <= found.percent <= 100
        assert found.run == now.run
