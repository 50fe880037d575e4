"""Tokens that end soon, and whether somebody was told.

Only those that were issued are looked at: what another token or an AppRole made ends with what it
came from and is made anew by it, and what was rotated has its successor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, or_, select, update

from secvault.errors import InvalidInput
from secvault.identity.service_accounts import ACTIVE
from secvault.identity.tokens import MICROS, MOST_DAYS, Token
from secvault.store.tables import service_account, token

_DAY = 24 * 60 * 60 * MICROS
_COLUMNS = tuple(column for column in token.c if column.name != "secret_digest")


@dataclass(frozen=True)
class DueWarning:
    """A token that is to be warned of. days: the number that was reached."""

    token: Token
    days: int


def expiring(connection: Connection, now: int, days: int) -> tuple[Token, ...]:
    """The issued tokens of active accounts that end within so many days, soonest first.

    Raises InvalidInput at `days`.
    """
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput.at("days", f"must be 1 to {MOST_DAYS}")
    question = _issued(now).where(token.c.expires_at <= now + days * _DAY)
    rows = connection.execute(question.order_by(token.c.expires_at, token.c.key_id))
    return tuple(Token(**row._asdict()) for row in rows)


def to_warn_of(connection: Connection, now: int, days: Sequence[int]) -> tuple[DueWarning, ...]:
    """The tokens that have come within one of these numbers of days and were not warned of for it.

    Of several numbers that were passed meanwhile the smallest is told. A number counts only for
    tokens that live longer than that, so that nothing is warned of on the day it is made.
    """
    found = []
    for each in expiring(connection, now, max(days)) if days else ():
        lives = each.expires_at - each.created_at
        reached = [n for n in days if each.expires_at - now <= n * _DAY < lives]
        if reached and (each.warned_days is None or min(reached) < each.warned_days):
            found.append(DueWarning(each, min(reached)))
    return tuple(found)


def mark_warned(connection: Connection, key_id: str, days: int) -> bool:
    """Note that a token was warned of; False when that was done before, here or elsewhere."""
    untold: ColumnElement[bool] = or_(token.c.warned_days.is_(None), token.c.warned_days > days)
    marked = connection.execute(
        update(token).where(token.c.key_id == key_id, untold).values(warned_days=days)
    )
    return marked.rowcount == 1


def _issued(now: int) -> Select[tuple[Any, ...]]:
    return (
        select(*_COLUMNS)
        .join_from(token, service_account)
        .where(
            service_account.c.state == ACTIVE,
            token.c.revoked_at.is_(None),
            token.c.expires_at > now,
            token.c.parent.is_(None),
            token.c.approle.is_(None),
            token.c.replaced_by.is_(None),
        )
    )
