"""What somebody was stopped at is kept as typed, but for what is secret."""

from __future__ import annotations

import json

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from secvault.console.again import Stopped, fields_of
from secvault.console.page import page_above
from tests.running_service import Front

TEXT = st.text(st.characters(codec="utf-8"), max_size=50)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=5))
def test_what_is_kept_comes_back_as_it_was(fields: list[tuple[str, str]]) -> None:
    what = Stopped("/a", "/b", is_form=True, sent=tuple(fields))
    assert fields_of(what.kept) == what.sent
    assert fields_of(what.without("a").kept) == tuple(one for one in fields if one[0] != "a")


@pytest.mark.parametrize("kept", ["", "x", "{}", json.dumps([["a"]]), json.dumps([["a", 1]])])
def test_what_no_page_has_kept_is_nothing(kept: str) -> None:
    assert fields_of(kept) is None


def test_a_form_stands_on_the_nearest_page_at_or_above_its_path(front: Front) -> None:
    for path, page in {
        "/nowhere/at/all": "/",
        "/": "/",
        "/api/v1/people": "/",
        "//evil.example": "/",
        "/join/codes": "/join",
        "/account/sessions/x/end": "/account",
        "/account/devices/x/confirm": "/account/devices/x/confirm",
        "/approvals/x/approve": "/approvals/x",
    }.items():
        scope = {"type": "http", "path": path, "headers": [], "app": front.routes}
        assert page_above(Request(scope)) == page
