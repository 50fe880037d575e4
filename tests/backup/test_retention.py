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
