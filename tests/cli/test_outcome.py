"""Errors become one sentence and an exit code, and never show what they should not."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.cli.outcome import run_to_exit_code
from secvault.cli.plain import one_line
from secvault.errors import (
    Cancelled,
    Damaged,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    Refused,
    Sealed,
    SecvaultError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound("there is no plan x"), 1),
        (Cancelled("stopped"), 1),
        (InvalidInput.at("name", "is too long"), 2),
        (NotAuthenticated("the token is wrong"), 3),
        (Refused("not your department"), 3),
        (Sealed("the key file is missing"), 4),
        (Damaged("field changed"), 5),
    ],
)
def test_each_error_has_its_exit_code_and_one_line_on_stderr(
    error: SecvaultError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise error

    assert run_to_exit_code(fails) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"secvault: {error.title}: {error.detail}\n"


def test_an_unexpected_error_shows_type_and_place_but_not_its_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails() -> None:
        raise RuntimeError("salary 55000000")

    assert run_to_exit_code(fails) == 1
    _, err = capsys.readouterr()
    assert "55000000" not in err
    assert "Traceback" not in err
    assert "RuntimeError" in err
    assert "this is a bug" in err
    assert err.count("\n") == 1


def test_an_unexpected_error_in_a_thread_shows_no_text_either(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails() -> None:
        raise RuntimeError("salary 55000000")

    def program() -> None:
        thread = threading.Thread(target=fails)
        thread.start()
        thread.join()

    before = threading.excepthook
    run_to_exit_code(program)
    _, err = capsys.readouterr()
    assert "55000000" not in err
    assert "RuntimeError" in err
    assert threading.excepthook is before


@given(st.text())
def test_text_for_a_terminal_holds_no_control_characters_and_is_one_line(text: str) -> None:
    shown = one_line(text)
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown)
    assert "\u202e" not in shown
    assert len(shown.splitlines()) <= 1
