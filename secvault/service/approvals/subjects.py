"""A subject as the audit log and as people read it."""

from __future__ import annotations

from typing import cast

from sqlalchemy import Connection

from secvault.audit.event import Actor, ActorKind
from secvault.errors import NotFound
from secvault.identity import people, service_accounts


def actor_named(subject: str) -> Actor:
    """The subject as the one who acts."""
    kind, _, identity = subject.partition(":")
    return Actor(cast("ActorKind", kind), identity)


def name_of(connection: Connection, subject: str) -> str:
    """The name that people know the subject by; the subject itself when it has none."""
    kind, _, identity = subject.partition(":")
    try:
        if kind == "user":
            return people.read_person(connection, identity).name
        if kind == "svc":
            return service_accounts.by_name_or_id(connection, identity).name
    except NotFound:
        return subject
    return subject
