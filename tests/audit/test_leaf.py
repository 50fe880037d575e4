from __future__ import annotations

import json
import string
import unicodedata
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from secvault.audit import Actor, DecisionNote, Event
from secvault.audit.catalogue import KINDS
from secvault.audit.event import ACTOR_KINDS, OUTCOMES
from secvault.audit.facts import FACTS, LARGEST_NUMBER, FactType
from secvault.audit.leaf import (
    MAX_BYTES,
    Number,
    decode,
    draft,
    draft_of,
    encode,
    event_id,
    stamp,
)
from secvault.crypto.canonical import canonical_json
from secvault.errors import Damaged, InvalidInput

ID = "01920c3e-7a11-7000-8000-000000000001"
NUMBER = Number("node-1", "01920c3e-0000-7000-8000-000000000000", 41)

GOLDEN_FULL = (
    '{"a":{"i":"u-7","m":["password","totp"],"r":["role:accounting.clerk"],"s":"s-1","t":"user"},'
    '"c":{"e":"01920c3e-7a11-7000-8000-00000000000f","r":"r-19"},'
    '"id":"01920c3e-7a11-7000-8000-000000000001","k":"record.read",'
    '"n":{"c":41,"d":"node-1","s":"01920c3e-0000-7000-8000-000000000000"},"o":1,'
    '"p":{"a":"record.update","c":{"aal2_fresh:300":0,"recovering":1},'
    f'"d":"{"ab" * 32}","e":412,"f":"bank_account","i":"d-19","k":"condition_failed",'
    '"n":"0123456789abcdef","o":"payments","r":"payments.read","s":912,"t":1789999999999999},'
    '"t":1790000000000000,"v":3,'
    '"x":{"d":"accounting","e":{"collection":"payments","version":3},"f":["bank_account"],'
    '"i":"accounting/payments/pay-19/bank_account","n":0}}'
)
GOLDEN_SMALLEST = (
    '{"a":{"i":"node-1","t":"system"},"id":"01920c3e-7a11-7000-8000-000000000001",'
    '"k":"audit.started",'
    '"n":{"c":41,"d":"node-1","s":"01920c3e-0000-7000-8000-000000000000"},"o":0,'
    '"t":0,"v":3,"x":{}}'
)
SYSTEM = (
    '{"a":{"i":"pay","s":"t-1","t":"svc"},"c":{"a":"2001:db8::7","r":"r-1"},'
    '"id":"01920c3e-7a11-7000-8000-000000000001","k":"data.encrypt",'
    '"n":{"c":41,"d":"node-1","s":"01920c3e-0000-7000-8000-000000000000"},"o":1,'
    '"t":7,"v":3,"x":{"i":"it/transit/k"}}'
)
SECOND_FORMAT = GOLDEN_FULL.replace('"v":3', '"v":2')
# As the program before version 2 wrote it, and as it stays in the log.
FIRST_FORMAT = (
    '{"a":{"i":"u-7","t":"user"},"id":"01920c3e-7a11-7000-8000-000000000001","k":"record.read",'
    '"n":{"c":41,"d":"node-1","s":"01920c3e-0000-7000-8000-000000000000"},"o":1,'
    f'"p":{{"d":"{"ab" * 32}","i":"d-19","r":"payments.read"}},'
    '"t":1790000000000000,"v":1,"x":{"d":"accounting","i":"accounting/payments/pay-19"}}'
)

full = Event(
    kind="record.read",
    outcome="ok",
    actor=Actor("user", "u-7", "s-1", ("password", "totp"), ("role:accounting.clerk",)),
    resource="accounting/payments/pay-19/bank_account",
    department="accounting",
    fields=("bank_account",),
    count=0,
    decision=DecisionNote(
        "payments.read",
        "ab" * 32,
        "d-19",
        epoch=412,
        at=1_789_999_999_999_999,
        kind="condition_failed",
        action="record.update",
        object="payments",
        field="bank_account",
        conditions=(("aal2_fresh:300", 0), ("recovering", 1)),
        factor_age=912,
        narrowing="0123456789abcdef",
    ),
    correlation="01920c3e-7a11-7000-8000-00000000000f",
    request="r-19",
    detail={"version": 3, "collection": "payments"},
)
of_a_system = Event(
    kind="data.encrypt",
    outcome="ok",
    actor=Actor("svc", "pay", "t-1"),
    resource="it/transit/k",
    request="r-1",
    network="2001:db8::7",
)
smallest = Event("audit.started", "unknown", Actor("system", "node-1"), "")

identifiers = st.text(
    string.ascii_letters + string.digits + "_.:-", min_size=1, max_size=40
).filter(lambda text: text[0] not in ".:-")
maybe = st.just("") | identifiers
conditions = st.lists(identifiers, min_size=1, max_size=2).map(" and ".join)
resources = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=200).map(
    lambda text: unicodedata.normalize("NFC", text)
)
numbers = st.integers(0, LARGEST_NUMBER)


def fact_values(fact: FactType) -> st.SearchStrategy[str | int | bool]:
    if fact.form == "flag":
        return st.booleans()
    if fact.form == "number":
        return numbers
    assert fact.pattern is not None
    return st.from_regex(fact.pattern, fullmatch=True)


@st.composite
def events(draw: st.DrawFn) -> Event:
    kind = draw(st.sampled_from(sorted(KINDS)))
    names = draw(st.sets(st.sampled_from(sorted(KINDS[kind])))) if KINDS[kind] else set()
    decision = DecisionNote(draw(maybe), draw(maybe), draw(maybe))
    if draw(st.booleans()):
        decision = msgspec.structs.replace(
            decision,
            epoch=draw(numbers),
            at=draw(st.integers(1, LARGEST_NUMBER)),
            kind=draw(maybe),
            action=draw(maybe),
            object=draw(resources),
            field=draw(maybe),
            conditions=tuple(
                sorted(draw(st.dictionaries(conditions, st.integers(0, 3), max_size=3)).items())
            ),
            factor_age=draw(st.none() | numbers),
            narrowing=draw(maybe),
        )
    return Event(
        kind=kind,
        outcome=draw(st.sampled_from(OUTCOMES)),
        actor=Actor(
            draw(st.sampled_from(ACTOR_KINDS)),
            draw(identifiers),
            draw(maybe),
            tuple(draw(st.lists(identifiers, max_size=3))),
            tuple(draw(st.lists(identifiers, max_size=3))),
        ),
        resource=draw(resources),
        department=draw(maybe),
        fields=tuple(draw(st.lists(identifiers, max_size=5))),
        count=draw(st.none() | numbers),
        decision=decision if decision != DecisionNote() else None,
        correlation=draw(maybe),
        request=draw(maybe),
        detail={name: draw(fact_values(FACTS[name])) for name in names},
    )


@pytest.mark.parametrize(
    ("event", "t", "golden"),
    [
        (full, 1_790_000_000_000_000, GOLDEN_FULL),
        (smallest, 0, GOLDEN_SMALLEST),
        (of_a_system, 7, SYSTEM),
    ],
)
def test_the_leaf_bytes_of_an_event_never_change(event: Event, t: int, golden: str) -> None:
    assert encode(event, id=ID, t=t, number=NUMBER) == golden.encode()


def test_an_entry_of_the_first_format_is_read_as_it_was_written() -> None:
    stored = decode(FIRST_FORMAT.encode(), seq=5)
    assert stored.event.decision == DecisionNote("payments.read", "ab" * 32, "d-19")
    assert stored.event.decision.at == 0
    assert stored.body == FIRST_FORMAT.encode()
    left_in_the_outbox = FIRST_FORMAT.replace(
        '"n":{"c":41,"d":"node-1","s":"01920c3e-0000-7000-8000-000000000000"},', ""
    )
    stamped = stamp(draft_of(left_in_the_outbox.encode()), t=1_790_000_000_000_000, number=NUMBER)
    assert stamped == FIRST_FORMAT.encode()


def test_an_entry_of_the_second_format_is_read_as_it_was_written() -> None:
    stored = decode(SECOND_FORMAT.encode(), seq=5)
    assert (stored.event, stored.body) == (full, SECOND_FORMAT.encode())
    assert stored.commitments == {}


def test_what_a_decision_was_about_follows_from_the_event_where_nothing_else_is_said() -> None:
    plain = _with(resource="it/transit/k", department="it", decision=DecisionNote(at=1))
    assert plain.asked == ("record.read", "transit/k")
    said = _with(resource="hr/payroll/p", department="hr", decision=DecisionNote(object="payroll"))
    assert said.asked == ("record.read", "payroll")


@pytest.mark.parametrize(
    ("fault", "where"),
    [
        ({"kind": "no rule"}, "decision.kind"),
        ({"action": "a b"}, "decision.action"),
        ({"field": "não"}, "decision.field"),
        ({"narrowing": "/"}, "decision.narrowing"),
        ({"object": "a\nb"}, "decision.object"),
        ({"object": "a" * 1025}, "decision.object"),
        ({"conditions": (("a\nb", 1),)}, "decision.conditions"),
        ({"conditions": (("always", 4),)}, "decision.conditions"),
        ({"factor_age": -1}, "decision"),
        ({"epoch": 2**53}, "decision"),
    ],
)
def test_what_replaying_goes_by_is_checked_before_it_is_written(
    fault: dict[str, Any], where: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        encode(_with(decision=DecisionNote(at=1, **fault)), id=ID, t=1, number=NUMBER)
    assert refused.value.fields[0].field == where


@given(events(), numbers)
def test_what_was_encoded_is_decoded(event: Event, t: int) -> None:
    body = encode(event, id=ID, t=t, number=NUMBER)
    stored = decode(body, seq=5)
    assert stored.event == event
    assert (stored.seq, stored.id, stored.t, stored.number) == (5, ID, t, NUMBER)
    assert stored.body == body


@given(events())
def test_leaf_bytes_are_canonical_json(event: Event) -> None:
    body = encode(event, id=ID, t=1, number=NUMBER)
    assert canonical_json(json.loads(body)) == body


@given(events())
def test_a_draft_survives_the_outbox(event: Event) -> None:
    made = draft(event, id=ID, t=1)
    assert stamp(draft_of(made.body), t=2, number=NUMBER) == encode(
        event, id=ID, t=2, number=NUMBER
    )


def test_text_is_brought_to_normal_form_c() -> None:
    composed, decomposed = "hr/Nguy\u1ec5n", "hr/Nguye\u0302\u0303n"
    event = Event("record.read", "ok", Actor("user", "u-1"), decomposed)
    assert decode(encode(event, id=ID, t=1, number=NUMBER), seq=0).event.resource == composed


def _with(**changes: Any) -> Event:
    return replace(Event("record.read", "ok", Actor("user", "u-1"), "hr"), **changes)


@pytest.mark.parametrize(
    ("field", "event"),
    [
        ("kind", _with(kind="record.stolen")),
        ("outcome", _with(outcome="fine")),
        ("actor.kind", _with(actor=Actor("robot", "r-1"))),  # type: ignore[arg-type]
        ("actor.id", _with(actor=Actor("user", ""))),
        ("actor.id", _with(actor=Actor("user", "lan@example.vn"))),
        ("actor.id", _with(actor=Actor("user", "Lan Nguyen"))),
        ("actor.session", _with(actor=Actor("user", "u-1", "a b"))),
        ("actor.factors.1", _with(actor=Actor("user", "u-1", "", ("totp", "")))),
        ("actor.roles.0", _with(actor=Actor("user", "u-1", roles=("\n",)))),
        ("resource", _with(resource="hr\nforged line")),
        ("resource", _with(resource="\ud800")),
        ("resource", _with(resource="x" * 1_025)),
        ("department", _with(department="h r")),
        ("fields.0", _with(fields=("x" * 129,))),
        ("count", _with(count=-1)),
        ("count", _with(count=2**53)),
        ("decision.policy", _with(decision=DecisionNote(policy="a/b"))),
        ("correlation", _with(correlation="x\x00")),
        ("request", _with(request="x y")),
        ("detail", _with(detail={"salary": 5})),
        ("detail", _with(detail={"passed": True})),
        ("detail.version", _with(detail={"version": True})),
        ("detail.version", _with(detail={"version": 1.0})),
        ("detail.version", _with(detail={"version": -1})),
        ("detail.collection", _with(detail={"collection": "a b"})),
        ("event", _with(fields=("f" * 128,) * 500)),
    ],
)
def test_an_event_that_does_not_fit_names_the_field_and_not_the_value(
    field: str, event: Event
) -> None:
    with pytest.raises(InvalidInput) as refused:
        encode(event, id=ID, t=1, number=NUMBER)
    assert [fault.field for fault in refused.value.fields] == [field]
    assert "lan@example.vn" not in refused.value.detail


def test_the_largest_event_fits_with_the_longest_number() -> None:
    events = [_with(fields=("f" * 128,) * count) for count in range(440, 480)]
    longest = Number("n" * 128, ID, LARGEST_NUMBER)
    sizes = []
    for event in events:
        try:
            made = draft(event, id=ID, t=LARGEST_NUMBER)
        except InvalidInput:
            continue
        sizes.append(len(stamp(made, t=LARGEST_NUMBER, number=longest)))
    assert MAX_BYTES - 1_000 < max(sizes) <= MAX_BYTES


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"\xff",
        GOLDEN_FULL.encode()[:-1],
        GOLDEN_FULL.replace('"v":3', '"v":4').encode(),
        GOLDEN_FULL.replace('"o":1', '"o":9').encode(),
        GOLDEN_FULL.replace('"t":"user"', '"t":"robot"').encode(),
        GOLDEN_FULL.replace('"v":3', '"v":3,"z":1').encode(),
        GOLDEN_FULL.replace(":1790000000000000", ":1.5").encode(),
        draft(full, id=ID, t=1).body,
    ],
)
def test_bytes_that_are_no_leaf_are_damage(body: bytes) -> None:
    with pytest.raises(Damaged):
        decode(body, seq=0)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_leaf_or_damage(body: bytes) -> None:
    with pytest.raises(Damaged):
        decode(body, seq=0)


def test_an_event_of_a_later_catalogue_can_still_be_read() -> None:
    body = GOLDEN_FULL.replace("record.read", "record.teleported").replace("version", "speed")
    stored = decode(body.encode(), seq=0)
    assert stored.event.kind == "record.teleported"
    assert stored.event.detail["speed"] == 3


@given(st.lists(st.integers(0, 2**47 * 1_000), min_size=2, max_size=50, unique=True))
def test_ids_sort_by_the_microsecond_of_their_making(moments: list[int]) -> None:
    by_id: Callable[[int], str] = event_id
    assert [moment for _, moment in sorted((by_id(m), m) for m in moments)] == sorted(moments)


def test_ids_of_one_microsecond_differ() -> None:
    assert len({event_id(1_790_000_000_000_000) for _ in range(1_000)}) == 1_000


def test_every_fact_of_every_kind_has_a_type() -> None:
    assert {fact for facts in KINDS.values() for fact in facts} <= set(FACTS)
