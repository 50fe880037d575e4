"""An event as a row of cells: what CSV, Excel and Parquet have in common."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import msgspec

from secvault.audit.formats.moments import MomentTexts
from secvault.audit.leaf import StoredEvent
from secvault.tabular.column import Cell, Column, Kind

COLUMNS: Sequence[Column] = (
    Column("seq", "Number in the log", Kind.INTEGER),
    Column("id", "Event", Kind.TEXT),
    Column("time", "Time (UTC)", Kind.TEXT),
    Column("local_time", "Local time", Kind.TEXT),
    Column("kind", "What", Kind.TEXT),
    Column("outcome", "Outcome", Kind.TEXT),
    Column("actor", "Who", Kind.TEXT),
    Column("session", "Session or token", Kind.TEXT),
    Column("factors", "Factors shown", Kind.TEXT),
    Column("roles", "Roles", Kind.TEXT),
    Column("resource", "On", Kind.TEXT),
    Column("department", "Department", Kind.TEXT),
    Column("fields", "Fields", Kind.TEXT),
    Column("count", "Count", Kind.INTEGER),
    Column("rule", "Rule", Kind.TEXT),
    Column("decision", "Decision", Kind.TEXT),
    Column("policy", "Policy digest", Kind.TEXT),
    Column("refused_because", "Kind of refusal", Kind.TEXT),
    Column("request", "Request", Kind.TEXT),
    Column("correlation", "Announced by", Kind.TEXT),
    Column("detail", "Detail", Kind.TEXT),
    Column("node", "Written by", Kind.TEXT),
    Column("leaf_hash", "Leaf hash (SHA-256)", Kind.TEXT),
)
"""Lists are joined by `;`, which no identifier has; detail is JSON."""

TIME_AT = 2

_LEAF = b"\0"
"""RFC 6962, 2.1: what is before the bytes of a leaf when it is hashed."""

_JSON = msgspec.json.Encoder(order="sorted")


def row_of(stored: StoredEvent, texts: MomentTexts) -> list[Cell]:
    """The cells of `COLUMNS`."""
    leaf = stored.leaf
    actor, thing, note, context, writer = leaf.a, leaf.x, leaf.p, leaf.c, leaf.n
    utc, local = texts.both(leaf.t)
    rule, decision, policy, refused = (
        ("", "", "", "") if note is None else (note.r, note.i, note.d, note.k)
    )
    request, correlation = ("", "") if context is None else (context.r, context.e)
    return [
        stored.seq,
        leaf.id,
        utc,
        local,
        leaf.k,
        stored.outcome,
        f"{actor.t}:{actor.i}",
        actor.s,
        ";".join(actor.m),
        ";".join(actor.r),
        thing.i,
        thing.d,
        ";".join(thing.f),
        thing.n,
        rule,
        decision,
        policy,
        refused,
        request,
        correlation,
        _JSON.encode(thing.e).decode() if thing.e else "",
        "" if writer is None else writer.d,
        leaf_hash(stored.body),
    ]


def leaf_hash(body: bytes) -> str:
    """The hash of the leaf, by which a copy is compared with the tree; hexadecimal."""
    return sha256(_LEAF + body).hexdigest()
