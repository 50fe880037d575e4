"""A log of millions of events, made by the code that appends to it.

Most events are of a few kinds by a few systems; people, their records and their refusals are many
and rarer, and of some things there are a handful. Secondary indexes are made after the rows.
"""

from __future__ import annotations

import copy
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import psycopg
from sqlalchemy import text

from secvault.audit.append import append, lock_head
from secvault.audit.checkpoints import StoredCheckpoint, sign_head
from secvault.audit.event import Actor, DecisionNote, Event, Outcome
from secvault.audit.leaf import Draft, Number, draft, event_id
from secvault.audit.nodes import keep_nodes
from secvault.clock import system_clock
from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.store import Store, migrate, open_store
from secvault.store.tables import audit_event

ORIGIN = "bench.example/audit"
RECORDS = 200_000
SYSTEMS, PEOPLE = 12, 2_000
BATCH = 5_000
CHECKPOINTS = 10
STARTED = 1_790_000_000_000_000
STEP_MICROS = 1_000
RARE = "break_glass.start"
DEPARTMENTS = ("accounting", "hr", "production", "it", "quality", "logistics", "data", "office")

_KINDS: tuple[tuple[str, Outcome, float], ...] = (
    ("data.encrypt", "ok", 40),
    ("data.decrypt", "ok", 30),
    ("record.read", "ok", 20),
    ("record.list", "ok", 5),
    ("record.read", "denied", 2),
    ("record.reveal", "ok", 1),
    ("record.export", "denied", 0.5),
    ("data.decrypt", "error", 0.1),
    ("key.rotate", "ok", 0.01),
)
_SHAPES = 20_000

Told = Callable[[int], object]


_FLUSHED = ("fsync", "full_page_writes")


@dataclass(frozen=True)
class Signing:
    """The key of the log."""

    signer: NoteSigner

    @classmethod
    def new(cls) -> Signing:
        """A key that nobody else has."""
        return cls(NoteSigner(ORIGIN, Secret(secrets.token_bytes(32))))

    def sign(self, store: Store) -> StoredCheckpoint:
        """The checkpoint of the log as it is."""
        return sign_head(store, system_clock(), self.signer, origin=ORIGIN)


@contextmanager
def flushing(engine: str) -> Iterator[None]:
    """Have the throwaway PostgreSQL flush what it answers meanwhile, as one with real data does."""
    if engine == "SQLite":
        yield
        return
    server = os.environ["SVTEST_POSTGRESQL"]
    with psycopg.connect(server, autocommit=True) as connection:
        for setting in _FLUSHED:
            connection.execute(f"ALTER SYSTEM SET {setting} = on")
        connection.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            for setting in _FLUSHED:
                connection.execute(f"ALTER SYSTEM RESET {setting}")
            connection.execute("SELECT pg_reload_conf()")


@contextmanager
def database(engine: str, folder: Path) -> Iterator[str]:
    """The URL of an empty, migrated database that is gone afterwards."""
    if engine == "SQLite":
        url = f"sqlite:///{folder}/audit-{secrets.token_hex(4)}.db"
        _migrated(url)
        yield url
        return
    server = os.environ["SVTEST_POSTGRESQL"]
    name = f"bench_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        url = urlsplit(server)._replace(path=f"/{name}").geturl()
        _migrated(url)
        yield url
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _migrated(url: str) -> None:
    store = open_store(url)
    migrate.upgrade(store)
    store.close()


def drafts(count: int, random: Random) -> Iterator[Draft]:
    """Drafts that are checked; only their id, time and record are their own."""
    ordinary = [_shape(random) for _ in range(_SHAPES)]
    # One event in so many is of the rare kind.
    shapes = [*ordinary, _shape(random, RARE)]
    for number in range(count):
        made = shapes[random.randrange(len(shapes))]
        t = STARTED + number * STEP_MICROS
        leaf = copy.copy(made.leaf)
        leaf.id = event_id(t)
        if leaf.x.i.endswith("/*"):
            leaf.x = copy.copy(leaf.x)
            leaf.x.i = f"{leaf.x.i[:-1]}r-{random.randrange(RECORDS)}"
        yield Draft(leaf.id, t, b"", leaf)


def _shape(random: Random, rare: str = "") -> Draft:
    return draft(an_event(random, rare), id=event_id(STARTED), t=STARTED)


def an_event(random: Random, rare: str = "") -> Event:
    """One of the events that the log is made of. rare: a kind, instead of one drawn."""
    ((kind, outcome, _),) = random.choices(_KINDS, [weight for *_, weight in _KINDS])
    if rare:
        kind, outcome = rare, "ok"
    department = DEPARTMENTS[min(int(random.expovariate(0.7)), len(DEPARTMENTS) - 1)]
    if kind.startswith("data."):
        actor = Actor("system", f"svc-{min(int(random.expovariate(0.4)), SYSTEMS - 1)}")
        resource = f"{department}/transit/key-{random.randrange(20)}"
    else:
        person = min(int(random.expovariate(8 / PEOPLE)), PEOPLE - 1)
        roles = (f"role:{department}.clerk",)
        actor = Actor("user", f"u-{person}", f"s-{person}", ("password", "totp"), roles)
        resource = f"{department}/records/*" if kind == "record.read" else f"{department}/records"
    note = DecisionNote(f"{department}.rule", "ab" * 32, f"{random.getrandbits(128):032x}")
    return Event(kind, outcome, actor, resource, department, decision=note, request="0" * 32)


def fill(store: Store, count: int, signing: Signing | None, told: Told) -> list[StoredCheckpoint]:
    """Append so many events, and keep all nodes; the checkpoints, which are `CHECKPOINTS`.

    signing: None where nothing is signed, as in a vault that signs its log itself.
    """
    signed: list[StoredCheckpoint] = []
    with store.write() as connection:
        for index in audit_event.indexes:
            index.drop(connection)
    source = drafts(count, Random(7))
    done = 0
    while done < count:
        batch = [made for _, made in zip(range(min(BATCH, count - done)), source, strict=False)]
        with store.write() as connection:
            writer = Number("bench", "fill", lock_head(connection).frontier.size)
            append(connection, lock_head(connection), batch, writer)
        done += len(batch)
        if signing is not None and done * CHECKPOINTS // count > len(signed):
            signed.append(signing.sign(store))
        told(done)
    with store.write() as connection:
        for index in audit_event.indexes:
            index.create(connection)
    with store.aside() as connection:
        connection.execute(text("ANALYZE audit_event"))
    keep_nodes(store)
    return signed
