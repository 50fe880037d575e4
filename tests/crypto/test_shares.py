"""Shares by themselves: read, checked, and put together."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secvault.crypto.secret import Secret
from secvault.crypto.shares import Gathered, check_of, read_share, split
from secvault.errors import InvalidInput

SECRET = Secret(bytes(range(32)))


@settings(max_examples=20, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.data())
def test_any_k_of_n_give_the_secret_back(secret: bytes, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 16))
    threshold = 1 if count == 1 else data.draw(st.integers(2, count))
    of, words = split(Secret(secret), threshold, count)
    gathered = Gathered(of, "this set")
    chosen = data.draw(st.permutations(words))[:threshold]
    found = [gathered.add(each) for each in chosen]
    assert found[:-1] == [None] * (threshold - 1)
    assert found[-1] == Secret(secret)


def test_a_share_tells_its_set_its_number_and_a_check_of_its_own() -> None:
    of, words = split(SECRET, 2, 3)
    read = [read_share(each) for each in words]
    assert [one.index for one in read] == [0, 1, 2]
    assert {one.identifier for one in read} == {of.identifier}
    checks = [check_of(each) for each in words]
    assert checks == [one.check for one in read]
    assert len(set(checks)) == 3
    assert all(len(one) == 32 for one in checks)
    shouted = Secret.of(words[0].text().upper())
    assert check_of(shouted) == checks[0]


def test_what_is_no_share_is_told_at_the_field_that_was_named() -> None:
    with pytest.raises(InvalidInput) as caught:
        read_share(Secret.of("academic acid"), "share")
    assert caught.value.fields[0].field == "share"
