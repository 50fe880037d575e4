"""The policy as it was at a past moment: what grants were known then, and what they were worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from sqlalchemy import Connection

from secvault.access.conditions import CONDITIONS, Registry
from secvault.access.grants import Grant, ends_of_then, list_grants
from secvault.access.rules import Rules
from secvault.access.snapshot import Snapshot, build_snapshot

UNKNOWN_EPOCH = 0
_AS_NOW: Mapping[str, int | None] = MappingProxyType({})


def as_of(
    connection: Connection,
    rules: Rules,
    at: int,
    *,
    known_until: int | None = None,
    registry: Registry = CONDITIONS,
) -> Snapshot:
    """The policy of the moment `at`, in microseconds, by these rules.

    known_until: what was granted or revoked later does not count; `at` when None. registry: what
    the conditions mean. Such a snapshot answers for `at` only; its epoch is `UNKNOWN_EPOCH`.
    """
    moment = at if known_until is None else known_until
    grants = known_grants(list_grants(connection), moment, ends_of_then(connection, moment))
    made = build_snapshot(
        rules, grants, epoch=UNKNOWN_EPOCH, at=at, registry=registry, memo_size=1_024
    )
    # Of what changed a moment earlier or later it knows nothing.
    return replace(made, valid_from=at, valid_until=at + 1)


def known_grants(
    grants: Iterable[Grant], at: int, ends: Mapping[str, int | None] = _AS_NOW
) -> tuple[Grant, ...]:
    """Those that were there at the moment `at`, as their rows looked then: not yet revoked.

    ends: of those that had another end then, by id. One that had run out is among them, for
    explanations, until it was revoked or the same role was given anew.
    """
    return tuple(
        replace(grant, revoked_at=None, expires_at=ends.get(grant.id, grant.expires_at))
        for grant in grants
        if grant.created_at <= at and (grant.revoked_at is None or grant.revoked_at > at)
    )
