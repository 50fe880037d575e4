"""The document of the event schema says what the program writes."""

from __future__ import annotations

import re

import msgspec
import pytest

from secvault.audit import leaf, personal_part
from secvault.audit.event import ACTOR_KINDS, OUTCOMES
from tests.audit.events_document import DOCUMENT, tables


@pytest.fixture(scope="module")
def text() -> str:
    return DOCUMENT.read_text("utf-8")


def test_every_kind_and_fact_of_the_catalogue_is_in_the_document(text: str) -> None:
    assert tables() in text, "run `python -m tests.audit.events_document`"


def test_every_member_of_a_leaf_is_in_the_document(text: str) -> None:
    described = set(re.findall(r"^\| `([a-z.]+)` \|", text, re.M))
    parts = {
        "": leaf.Leaf,
        "a.": leaf._Actor,
        "x.": leaf._Object,
        "p.": leaf._Decision,
        "c.": leaf._Context,
        "n.": leaf._Writer,
        "q.": leaf._Commitment,
    }
    members = {
        f"{prefix}{member}" for prefix, part in parts.items() for member in part.__struct_fields__
    }
    assert issubclass(leaf.Leaf, msgspec.Struct)
    assert members <= described
    assert f"This document describes version {leaf.VERSION}." in text


def test_outcomes_actors_and_slots_are_in_the_document(text: str) -> None:
    slots = [name for names in personal_part.MEMBERS.values() for name in names]
    for word in (*OUTCOMES, *ACTOR_KINDS, *personal_part.MEMBERS, *slots):
        assert f"`{word}`" in text
