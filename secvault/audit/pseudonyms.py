"""Pseudonyms for people in what is handed out of the log.

A pseudonym is the same within one package and says nothing about another: it is keyed by random
bytes that are forgotten with the package. Service accounts, systems and what was done to which
record stay as they are; a record's id may tell whom it is about to those who know the record.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection
from hashlib import sha256

import msgspec
from sqlalchemy import select

from secvault.audit.leaf import StoredEvent, decode
from secvault.crypto.canonical import JsonValue, canonical_json
from secvault.store.engine import Store
from secvault.store.tables import person

_DIGITS = 20
_TOKEN = re.compile(r"[^/:,\s]+")
_OF_PEOPLE = ("person", "subject", "former", "requester", "answered")
_OF_SESSIONS = ("session", "accessor")


class Pseudonyms:
    """What people and their sessions are called in one package."""

    def __init__(self, key: bytes, people: Collection[str]) -> None:
        """key: 32 random bytes, kept nowhere. people: ids of all who have or had an account."""
        self._key = key
        self._people = frozenset(people)

    def event(self, stored: StoredEvent) -> StoredEvent:
        """The event with pseudonyms; its bytes are made anew and are not those of the log."""
        leaf = msgspec.json.decode(stored.body)
        actor, more = leaf["a"], leaf.get("x", {}).get("e", {})
        people = {more[name].rpartition(":")[2] for name in _OF_PEOPLE if name in more}
        if actor["t"] == "user":
            people.add(actor["i"])
        # Whoever is named by an event of a service is known from the table alone.
        people = {one for one in people if one in self._people or one == actor["i"]}
        sessions = {more[name] for name in _OF_SESSIONS if name in more}
        if actor.get("s") and actor["t"] == "user":
            sessions.add(actor["s"])
        body = canonical_json(self._renamed(leaf, people, sessions))
        return decode(body, seq=stored.seq)

    def _renamed(self, value: JsonValue, people: set[str], sessions: set[str]) -> JsonValue:
        if isinstance(value, str):

            def name(found: re.Match[str]) -> str:
                token = found[0]
                if token in people or token in self._people:
                    return self._name("person", token)
                return self._name("session", token) if token in sessions else token

            return _TOKEN.sub(name, value)
        if isinstance(value, list):
            return [self._renamed(each, people, sessions) for each in value]
        if isinstance(value, dict):
            return {key: self._renamed(each, people, sessions) for key, each in value.items()}
        return value

    def _name(self, kind: str, token: str) -> str:
        found = hmac.new(self._key, f"{kind}\0{token}".encode(), sha256).hexdigest()
        return f"{kind}-{found[:_DIGITS]}"


def pseudonyms(store: Store, key: bytes) -> Pseudonyms:
    """Pseudonyms for everybody whom the store knows."""
    with store.read() as connection:
        return Pseudonyms(key, connection.scalars(select(person.c.id)).all())
