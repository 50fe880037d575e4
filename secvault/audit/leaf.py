"""Leaf bytes: one event as the canonical JSON that is stored, hashed and proven.

    v   version of this format: 3; of 2 are entries without q and a in c, of 1 entries whose p has
        no more than r, d and i
    id  UUIDv7 of the event (RFC 9562); its time is the moment at which the event was made
    t   when it was recorded: microseconds since the epoch, UTC; never before its predecessor's
    k   kind, from the catalogue
    o   outcome: 0 unknown, 1 ok, 2 denied, 3 error, 4 intent
    a   actor: t kind, i id, s session, m factors, r roles
    x   object: i resource, d department, f fields, n count, e further facts
    p   decision: r rule, d policy digest, i decision id; to make it again: e epoch, t moment,
        k kind of a no, a action, o object, f field, c conditions with their outcomes (0 fails,
        1 holds, 2 broken, 3 fails for want of a fresher second factor), s age of the second
        factor in seconds, n digest of a narrowing
    c   context: e id of the intent event, r request id, a network address of a system
    n   writer: d node, s process start, c number of the event in that process, from 0
    q   commitments to what is personal and can be erased: s slot, c commitment, 32 bytes in base64
        (`personal_part`)

Members that are empty are left out. Text is in Unicode normal form C; only the resource can hold
more than ASCII. The bytes are canonical in the sense of RFC 8785 (checked by test against
`crypto.canonical`) and are never written anew: reading and verifying use them as they are.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import msgspec
from uuid_utils import UUID, uuid7

from secvault.audit.event import Actor, ActorKind, DecisionNote, Event, Outcome, check
from secvault.audit.facts import Fact
from secvault.audit.personal_part import Part
from secvault.errors import Damaged, InvalidInput

VERSION = 3
_READABLE = frozenset({1, 2, VERSION})
MAX_BYTES = 60 * 1024

# Room for the number and the time, which are only known when the event is appended.
_STAMP_BYTES = 512

_OUTCOME_CODES: dict[Outcome, int] = {"unknown": 0, "ok": 1, "denied": 2, "error": 3, "intent": 4}
_OUTCOMES = MappingProxyType({code: outcome for outcome, code in _OUTCOME_CODES.items()})


class _Part(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """None refers to itself, so that the collector need not look at millions of them."""


class _Actor(_Part):
    t: ActorKind
    i: str
    s: str = ""
    m: tuple[str, ...] = ()
    r: tuple[str, ...] = ()


class _Object(_Part):
    i: str = ""
    d: str = ""
    f: tuple[str, ...] = ()
    n: int | None = None
    e: dict[str, Fact] = {}


class _Decision(_Part):
    r: str = ""
    d: str = ""
    i: str = ""
    e: int = 0
    t: int = 0
    k: str = ""
    a: str = ""
    o: str = ""
    f: str = ""
    c: dict[str, int] = {}
    s: int | None = None
    n: str = ""


class _Context(_Part):
    e: str = ""
    r: str = ""
    a: str = ""


class _Commitment(_Part):
    s: str
    c: bytes


class _Writer(_Part):
    d: str
    s: str
    c: int


class Leaf(_Part):
    """A leaf as it is stored; the head of this file says what the letters stand for."""

    v: int
    id: str
    t: int
    k: str
    o: int
    a: _Actor
    x: _Object
    p: _Decision | None = None
    c: _Context | None = None
    n: _Writer | None = None
    q: tuple[_Commitment, ...] = ()


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """A draft with sealed parts, as outbox and journal keep it."""

    body: bytes
    parts: tuple[Part, ...]


_NO_DECISION = DecisionNote()

# Sorted member names, no spaces: RFC 8785 for the values that a checked event can have.
_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(Leaf)
_KEEPER = msgspec.msgpack.Encoder()
_KEPT = msgspec.msgpack.Decoder(_Kept)

# The leaf bytes alone begin so; what is kept with its parts is an array of MessagePack.
_ALONE = b"{"

Seal = Callable[[Event, str], Sequence[tuple[Part, bytes]]]
"""Seals what is personal in an event of this id: parts with their commitments."""


def _unsealed(_event: Event, _id: str) -> Sequence[tuple[Part, bytes]]:
    return ()


class Number(msgspec.Struct, frozen=True):
    """Which process wrote the event, and as its how-manieth. counter: from 0, without gaps."""

    node: str
    start: str
    counter: int


class Draft(msgspec.Struct, frozen=True):
    """An event that is checked and has an id, but no place in the log yet.

    body: leaf bytes without the number. parts: what is personal in it, sealed.
    """

    id: str
    t: int
    body: bytes
    leaf: Leaf
    parts: tuple[Part, ...] = ()

    @property
    def kept(self) -> bytes:
        """The draft as outbox and journal keep it; `draft_of` reads it."""
        return _KEEPER.encode(_Kept(self.body, self.parts)) if self.parts else self.body

    @property
    def served(self) -> tuple[str, Outcome, str, str, str]:
        """Kind, outcome, actor, resource and department, for queries. Raises Damaged."""
        leaf = self.leaf
        actor = f"{leaf.a.t}:{leaf.a.i}"
        return leaf.k, _outcome_of(leaf), actor, leaf.x.i, leaf.x.d


class StoredEvent(msgspec.Struct, frozen=True, gc=False):
    """An event with its place. seq: index of the leaf, from 0. leaf: what it says. body: the exact
    leaf bytes.

    What is read of it under names of its own is made when it is asked for: millions are exported.
    """

    seq: int
    leaf: Leaf
    body: bytes

    @property
    def id(self) -> str:
        """UUIDv7 of the event."""
        return self.leaf.id

    @property
    def t(self) -> int:
        """When it was recorded: microseconds, UTC."""
        return self.leaf.t

    @property
    def outcome(self) -> Outcome:
        """That of the event."""
        return _outcome_of(self.leaf)

    @property
    def event(self) -> Event:
        """What happened."""
        return _event(self.leaf)

    @property
    def number(self) -> Number:
        """Which process wrote it."""
        return _number(self.leaf)

    @property
    def commitments(self) -> Mapping[str, bytes]:
        """To what is personal, by slot, as the leaf has them."""
        return {each.s: each.c for each in self.leaf.q}


def event_id(micros: int) -> str:
    """A new UUIDv7 for this moment.

    The 12 bits after the milliseconds hold their fraction (RFC 9562, 6.2, method 3), so that ids
    of different microseconds sort in the order of time.
    """
    fraction = micros % 1_000 * 4_096 // 1_000
    random = uuid7(nanoseconds=micros * 1_000).int
    return str(UUID(int=random & ~(0xFFF << 64) | fraction << 64))


def draft(
    event: Event,
    *,
    id: str,  # noqa: A002 - the field's own name
    t: int,
    seal: Seal = _unsealed,
) -> Draft:
    """The event, checked, ready to be numbered and appended.

    seal: of what is personal; without it that is left out. Raises InvalidInput if the event does
    not fit the catalogue or takes more than 60 KiB, and what `seal` raises.
    """
    check(event)
    if not unicodedata.is_normalized("NFC", event.resource):
        resource = unicodedata.normalize("NFC", event.resource)
        event = msgspec.structs.replace(event, resource=resource)
    actor, decision = event.actor, event.decision
    leaf = Leaf(
        v=VERSION,
        id=id,
        t=t,
        k=event.kind,
        o=_OUTCOME_CODES[event.outcome],
        a=_Actor(actor.kind, actor.id, actor.session, actor.factors, actor.roles),
        x=_Object(event.resource, event.department, event.fields, event.count, dict(event.detail)),
    )
    if decision is not None and decision != _NO_DECISION:
        leaf.p = _Decision(
            decision.rule,
            decision.policy,
            decision.id,
            decision.epoch,
            decision.at,
            decision.kind,
            decision.action,
            unicodedata.normalize("NFC", decision.object),
            decision.field,
            dict(decision.conditions),
            decision.factor_age,
            decision.narrowing,
        )
    if event.correlation or event.request or event.network:
        leaf.c = _Context(event.correlation, event.request, event.network)
    sealed = seal(event, id) if event.personal is not None else ()
    if sealed:
        leaf.q = tuple(_Commitment(part.slot, committed) for part, committed in sealed)
    body = _ENCODER.encode(leaf)
    if len(body) > MAX_BYTES - _STAMP_BYTES:
        raise InvalidInput.at("event", "takes more than 60 KiB; name fewer fields, give a count")
    return Draft(id, t, body, leaf, tuple(part for part, _ in sealed))


def draft_of(kept: bytes) -> Draft:
    """The draft that was kept so, read back from outbox or journal. Raises Damaged."""
    body: bytes = kept
    parts: tuple[Part, ...] = ()
    if not kept.startswith(_ALONE):
        try:
            found = _KEPT.decode(kept)
        except msgspec.MsgspecError:
            raise _not_a_leaf() from None
        body, parts = found.body, found.parts
    leaf = _parse(body)
    return Draft(leaf.id, leaf.t, body, leaf, parts)


def stamp(made: Draft, *, t: int, number: Number) -> bytes:
    """The leaf bytes of the draft, recorded at `t` under this number."""
    leaf = made.leaf
    leaf.t = t
    leaf.n = _Writer(number.node, number.start, number.counter)
    return _ENCODER.encode(leaf)


def encode(event: Event, *, id: str, t: int, number: Number) -> bytes:  # noqa: A002
    """The leaf bytes of the event. Raises InvalidInput as `draft` does."""
    return stamp(draft(event, id=id, t=t), t=t, number=number)


def decode(body: bytes, *, seq: int) -> StoredEvent:
    """The event whose leaf bytes are `body`, at `seq`.

    Kinds and facts that this program does not know are kept: another version may have written
    them. Raises Damaged if the bytes are not a leaf of a known version.
    """
    leaf = _parse(body)
    if leaf.n is None or leaf.o not in _OUTCOMES:
        raise _not_a_leaf()
    return StoredEvent(seq, leaf, body)


class Outline(NamedTuple):
    """What verification looks at in an event, and nothing more: it sees millions of them.

    served: id, time, kind, outcome, actor, resource and department, as the columns have them.
    writer: node and process start. counter: its number in that process. many: of the things
    concerned, or None.
    """

    served: tuple[str, int, str, Outcome, str, str, str]
    writer: tuple[str, str]
    counter: int
    many: int | None


def outline(body: bytes) -> Outline:
    """The outline of the event that `decode` gives. Raises Damaged as it does."""
    leaf = _parse(body)
    number = leaf.n
    if number is None:
        raise _not_a_leaf()
    actor, object_ = leaf.a, leaf.x
    served = (
        leaf.id,
        leaf.t,
        leaf.k,
        _outcome_of(leaf),
        f"{actor.t}:{actor.i}",
        object_.i,
        object_.d,
    )
    return Outline(served, (number.d, number.s), number.c, object_.n)


def _number(leaf: Leaf) -> Number:
    if leaf.n is None:
        raise _not_a_leaf()
    return Number(leaf.n.d, leaf.n.s, leaf.n.c)


def _event(leaf: Leaf) -> Event:
    return Event(
        kind=leaf.k,
        outcome=_outcome_of(leaf),
        actor=Actor(leaf.a.t, leaf.a.i, leaf.a.s, leaf.a.m, leaf.a.r),
        resource=leaf.x.i,
        department=leaf.x.d,
        fields=leaf.x.f,
        count=leaf.x.n,
        decision=_note(leaf.p) if leaf.p else None,
        correlation=leaf.c.e if leaf.c else "",
        request=leaf.c.r if leaf.c else "",
        detail=leaf.x.e,
        network=leaf.c.a if leaf.c else "",
    )


def _note(found: _Decision) -> DecisionNote:
    return DecisionNote(
        found.r,
        found.d,
        found.i,
        found.e,
        found.t,
        found.k,
        found.a,
        found.o,
        found.f,
        tuple(sorted(found.c.items())),
        found.s,
        found.n,
    )


def _outcome_of(leaf: Leaf) -> Outcome:
    outcome = _OUTCOMES.get(leaf.o)
    if outcome is None:
        raise _not_a_leaf()
    return outcome


def _parse(body: bytes) -> Leaf:
    try:
        leaf = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _not_a_leaf() from None
    if leaf.v not in _READABLE:
        raise _not_a_leaf()
    return leaf


def _not_a_leaf() -> Damaged:
    return Damaged(f"The stored event is not a leaf of version 1 to {VERSION}; verify the log.")
