"""The policy as it was at a past moment: what grants were known then, and what they were worth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import Connection

from secvault.access.conditions import CONDITIONS, Registry
from secvault.access.grants import Grant, list_grants
from secvault.access.rules import Rules
from secvault.access.snapshot import Snapshot, build_snapshot

UNKNOWN_EPOCH = 0


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
    the conditions mean. The epoch of such a snapshot is `UNKNOWN_EPOCH`.
    """
    grants = known_grants(list_grants(connection), at if known_until is None else known_until)
    return build_snapshot(
        rules, grants, epoch=UNKNOWN_EPOCH, at=at, registry=registry, memo_size=1_024
    )


def known_grants(grants: Iterable[Grant], at: int) -> tuple[Grant, ...]:
    """Those that were there at the moment `at`, as their rows looked then: not yet revoked.

    A grant that had run out stays, for explanations, until the same role was given anew: its row
    was closed only then.
    """
    there = [grant for grant in grants if grant.created_at <= at]
    newest: dict[tuple[str, str, str], int] = {}
    for grant in there:
        place = (grant.subject, grant.role, grant.department)
        newest[place] = max(newest.get(place, 0), grant.created_at)

    def is_known(grant: Grant) -> bool:
        if grant.revoked_at is None or grant.revoked_at > at:
            return True
        ran_out = grant.revoked_at == grant.expires_at
        place = (grant.subject, grant.role, grant.department)
        return ran_out and grant.created_at == newest[place]

    return tuple(replace(grant, revoked_at=None) for grant in there if is_known(grant))
