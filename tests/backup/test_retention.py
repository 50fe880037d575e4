from __future__ import annotations

import pytest

from secvault.backup.retention import Retention
from secvault.errors import InvalidInput


def test_rules_become_options_and_zero_is_no_rule() -> None:
    rules = Retention(last=3, daily=14, yearly=1, within="1y5m7d2h")
    assert rules.arguments() == (
        "--keep-last=3",
        "--keep-daily=14",
        "--keep-yearly=1",
        "--keep-within=1y5m7d2h",
    )


def test_a_retention_that_keeps_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="last"):
        Retention()


@pytest.mark.parametrize("within", ["", "d", "0d", "7", "7d3m", "-7d", "7 d", "7d\n"])
def test_a_wrong_duration_is_refused(within: str) -> None:
    with pytest.raises(InvalidInput):
        Retention(within=within)


def test_each_wrong_count_is_named() -> None:
    with pytest.raises(InvalidInput) as caught:
        Retention(last=-1, daily=10**9)
    assert [fault.field for fault in caught.value.fields] == ["last", "daily"]


def test_tags_are_kept_whatever_the_rules_say() -> None:
    kept = Retention(last=1, tags=("yearly-audit", "legal")).arguments()
    assert kept == ("--keep-last=1", "--keep-tag=yearly-audit", "--keep-tag=legal")


@pytest.mark.parametrize(
    ("retention", "days"),
    [
        (Retention(last=5), 0),
        (Retention(hourly=48), 2),
        (Retention(daily=14, weekly=8, monthly=24), 744),
        (Retention(yearly=2, daily=3), 732),
        (Retention(within="1y5m7d2h"), 366 + 155 + 7),
    ],
)
def test_for_how_many_days_a_snapshot_may_stay(retention: Retention, days: int) -> None:
    assert retention.days() == days
