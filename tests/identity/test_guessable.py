"""Which new passwords are refused, and that none is for its kinds of characters."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.identity.guessable import KNOWN_TO_ATTACKERS, folded, reason_against

WORDS = ("lan.tran", "Trần Thị Lan", "accounting", "Công ty Á Châu", "secvault")


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "P@ssw0rd2026",
        "qwertyuiop12",
        "aaaaaaaaaaaa",
        "abcdefghijkl",
        "123456789012",
        "iloveyou1234",
        "administrator",
        "p a s s w o r d",
        "ｐａｓｓｗｏｒｄ１２３４",
        "letmeinletmein",
    ],
)
def test_a_password_that_is_tried_first_is_refused(password: str) -> None:
    said = reason_against(password)
    assert said is not None
    assert password not in said


@pytest.mark.parametrize(
    "password",
    ["winniethepooh", "Winnie The Pooh", "WINNIETHEPOOH", "correct horse battery staple"],
)
def test_a_breached_password_is_refused_however_it_is_written(password: str) -> None:
    assert reason_against(password) == KNOWN_TO_ATTACKERS


@pytest.mark.parametrize(
    "password",
    [
        "xkq LanTran zrt vwb",
        "xkq lan-tran zrt vwb",
        "xkq TRAN THI LAN vwb",
        "xkq trầnthịlan vwbzr",
        "xkq công.ty.á.châu vw",
        "xkq congtyachau vwbz",
        "xkq Ａｃｃｏｕｎｔｉｎｇ vwb",
        "xkq Sec Vault vwbzr",
    ],
)
def test_a_word_of_the_person_or_the_company_is_found_however_it_is_written(password: str) -> None:
    assert "must not contain" in (reason_against(password, WORDS) or "")
    assert reason_against(password) is None


@pytest.mark.parametrize(
    "password",
    ["năm con mèo đen", "a long enough passphrase", "vxkqzrtwbmpg", "47 trombones, 3 moons"],
)
def test_any_kind_of_characters_will_do(password: str) -> None:
    assert reason_against(password, WORDS) is None


@given(st.text(min_size=12, max_size=128))
def test_any_text_may_be_chosen(password: str) -> None:
    said = reason_against(password, WORDS)
    assert said is None or password not in said


@given(st.text(max_size=40))
def test_folding_again_changes_nothing(text: str) -> None:
    assert folded(folded(text)) == folded(text)


def test_the_longest_password_is_looked_at_quickly_and_from_many_threads() -> None:
    found: list[str | None] = []
    threads = [
        threading.Thread(target=lambda: found.append(reason_against("a1" * 64))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(found) == 4
    assert all(found)


def test_the_lists_are_read_when_a_password_is_chosen_and_not_before() -> None:
    program = (
        "import sys; import secvault.identity.guessable as it; "
        "assert 'zxcvbn' not in sys.modules; it.reason_against('any words at all'); "
        "assert 'zxcvbn' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
