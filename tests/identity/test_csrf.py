"""The token that pages of ours prove themselves with."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from secvault.crypto.secret import Secret
from secvault.identity import IdentityKeys
from secvault.identity.csrf import csrf_token, is_csrf_token

KEYS = IdentityKeys(Secret(b"p" * 32), Secret(b"t" * 32), Secret(b"s" * 32), Secret(b"c" * 32))
KEY_ID = "0123456789"


def test_a_token_is_of_its_session_and_of_its_vault() -> None:
    token = csrf_token(KEYS, KEY_ID).text()
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)
    assert is_csrf_token(KEYS, KEY_ID, token)
    assert not is_csrf_token(KEYS, "0123456780", token)
    other = IdentityKeys(KEYS.password_pepper, Secret(b"u" * 32), KEYS.totp, KEYS.contacts)
    assert not is_csrf_token(other, KEY_ID, token)


def test_the_form_of_a_token_does_not_change() -> None:
    assert csrf_token(KEYS, KEY_ID).text() == "Vu1ZAeTaDNUsv8CbNu-cLHJoFLDRjyyuXp9KAWRTA6o"


@given(st.text(max_size=60))
def test_whatever_else_is_presented_is_not_the_token(presented: str) -> None:
    assert not is_csrf_token(KEYS, KEY_ID, presented)


@given(st.integers(0, 42), st.characters(codec="latin-1"))
def test_no_character_may_differ(at: int, character: str) -> None:
    token: Any = csrf_token(KEYS, KEY_ID).text()
    changed = token[:at] + character + token[at + 1 :]
    assert is_csrf_token(KEYS, KEY_ID, changed) == (changed == token)
