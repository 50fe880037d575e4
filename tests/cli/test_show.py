"""What is printed: tables, sizes, spans of time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.cli import show


def test_a_table_that_goes_into_a_pipe_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 500
    show.table([{"a": long, "b": "[red]as it is[/red]"}], {"a": "A", "b": "B"}, "nothing")
    out, _ = capsys.readouterr()
    assert long in out
    assert "[red]as it is[/red]" in out


def test_an_escape_code_in_a_value_is_spelled_out(capsys: pytest.CaptureFixture[str]) -> None:
    show.table([{"a": "\x1b[31mred\u202e"}], {"a": "A"}, "nothing")
    show.facts({"a": "\x1b[31mred"})
    out, _ = capsys.readouterr()
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "\\x1b[31mred" in out


def test_an_empty_table_leaves_stdout_empty_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show.table([], {"a": "A"}, "There is nothing.")
    assert capsys.readouterr() == ("", "There is nothing.\n")


@pytest.mark.parametrize(
    ("number", "shown"),
    [(None, "-"), (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 << 40, "5.0 TiB")],
)
def test_sizes_are_in_powers_of_1024(number: int | None, shown: str) -> None:
    assert show.size(number) == shown


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [(0, "0.0 s"), (59_999, "59.9 s"), (61_000, "1 min 1 s"), (90_061_000, "1 d 1 h 1 min 1 s")],
)
def test_spans_of_time_are_readable(milliseconds: int, shown: str) -> None:
    assert show.duration(milliseconds) == shown


@given(st.integers(min_value=0, max_value=10**15))
def test_every_span_and_size_can_be_shown(number: int) -> None:
    assert show.duration(number)
    assert show.size(number)
