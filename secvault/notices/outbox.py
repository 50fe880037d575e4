"""The notices as rows: noted once, waiting, then delivered or given up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import msgspec
from sqlalchemy import Connection, Row, and_, delete, func, or_, select, update

from secvault.errors import InvalidInput, NotFound
from secvault.store.engine import insert_unless_there
from secvault.store.tables import notice

State: TypeAlias = Literal["waiting", "delivered", "given_up", "unreachable"]
"""given_up: tried for too long. unreachable: there is nobody to hand it to, such as a person who
has no address."""
STATES: tuple[State, ...] = get_args(State)

MICROS = 1_000_000
MOST_WAITING = 10_000
"""What comes beyond so many that wait is given up at once, and counted."""
LARGEST_PAGE = 1_000
FIRST_WAIT, LONGEST_WAIT = 30, 3600
"""Seconds until the second attempt, doubled each time, and at most."""


@dataclass(frozen=True)
class Notice:
    """One thing told to one recipient. Times in microseconds, UTC.

    recipient: `person:<id>` at their address, `former:<id>` at the one before, `channel:<name>`.
    facts: ids and numbers for the words; `voice` is `person` for who is concerned, else `admin`.
    reason: a code for why the last attempt failed.
    """

    id: str
    cause: str
    kind: str
    recipient: str
    facts: Mapping[str, str | int]
    happened_at: int
    made_at: int
    state: State = "waiting"
    attempts: int = 0
    next_try_at: int = 0
    ended_at: int | None = None
    reason: str | None = None

    @property
    def to(self) -> tuple[str, str]:
        """The sort of the recipient, and its id or name."""
        sort, _, name = self.recipient.partition(":")
        return sort, name

    @property
    def target(self) -> str:
        """What a failure says something about: the channel, or the mail server of all people."""
        sort, name = self.to
        return f"channel:{name}" if sort == "channel" else "mail"


def cause_of(telling: str, recipient: str) -> str:
    """What is unique: one thing told to one recipient."""
    return f"{telling}>{recipient}"


def add(connection: Connection, new: Notice) -> bool:
    """Note it, unless its cause was noted before; with the caller's transaction."""
    values = {**vars(new), "facts": msgspec.json.encode(dict(new.facts), order="sorted").decode()}
    return insert_unless_there(connection, notice, values)


def waiting(connection: Connection) -> int:
    """How many wait, whenever their turn is."""
    question = select(func.count()).select_from(notice).where(notice.c.state == "waiting")
    return connection.execute(question).scalar_one()


def any_due(connection: Connection, now: int) -> bool:
    """Whether one is to be tried now."""
    due = select(notice.c.id).where(notice.c.state == "waiting", notice.c.next_try_at <= now)
    return connection.execute(due.limit(1)).first() is not None


def due(connection: Connection, now: int, limit: int) -> tuple[Notice, ...]:
    """Those to be tried now: the least tried first, so that one bad address holds up nobody."""
    question = (
        select(notice)
        .where(notice.c.state == "waiting", notice.c.next_try_at <= now)
        .order_by(notice.c.attempts, notice.c.next_try_at, notice.c.id)
        .limit(limit)
    )
    return tuple(_notice(row) for row in connection.execute(question))


def read(connection: Connection, notice_id: str) -> Notice:
    """The notice with this id. Raises NotFound."""
    row = connection.execute(select(notice).where(notice.c.id == notice_id)).one_or_none()
    if row is None:
        raise NotFound("there is no notice with this id")
    return _notice(row)


def read_cause(connection: Connection, telling: str, recipient: str) -> Notice:
    """The notice of this telling to this recipient, which is there."""
    question = select(notice).where(notice.c.cause == cause_of(telling, recipient))
    return _notice(connection.execute(question).one())


def listed(
    connection: Connection, *, state: State | None = None, after: str = "", limit: int = 100
) -> tuple[Notice, ...]:
    """The newest first, at most `limit`. after: id of the last one of the page before.

    Raises InvalidInput at `limit`.
    """
    if not 1 <= limit <= LARGEST_PAGE:
        raise InvalidInput.at("limit", f"must be 1 to {LARGEST_PAGE}")
    question = select(notice).order_by(notice.c.id.desc()).limit(limit)
    if state is not None:
        question = question.where(notice.c.state == state)
    if after:
        question = question.where(notice.c.id < after)
    return tuple(_notice(row) for row in connection.execute(question))


def counts(connection: Connection) -> Mapping[str, int]:
    """How many there are in each state."""
    question = select(notice.c.state, func.count()).group_by(notice.c.state)
    found: dict[str, int] = dict(connection.execute(question).all())
    return {state: found.get(state, 0) for state in STATES}


def given_up_since(connection: Connection, since: int) -> bool:
    """Whether one was given up at this moment or later."""
    found = select(notice.c.id).where(notice.c.state == "given_up", notice.c.ended_at >= since)
    return connection.execute(found.limit(1)).first() is not None


def delivered(connection: Connection, notice_id: str, now: int) -> bool:
    """It was handed over; False when that was noted before."""
    return _settle(connection, notice_id, state="delivered", ended_at=now, reason=None)


def give_up(connection: Connection, notice_id: str, now: int, reason: str) -> bool:
    """It will not be tried again; False when that was noted before."""
    return _settle(connection, notice_id, state="given_up", ended_at=now, reason=reason)


def unreachable(connection: Connection, notice_id: str, now: int, reason: str) -> bool:
    """There is nobody to hand it to; False when that was noted before."""
    return _settle(connection, notice_id, state="unreachable", ended_at=now, reason=reason)


def postpone(connection: Connection, failed: Notice, now: int, reason: str) -> None:
    """It was tried without success; its next turn comes later each time."""
    wait = min(FIRST_WAIT << min(failed.attempts, 16), LONGEST_WAIT)
    connection.execute(
        update(notice)
        .where(notice.c.id == failed.id, notice.c.state == "waiting")
        .values(attempts=notice.c.attempts + 1, next_try_at=now + wait * MICROS, reason=reason)
    )


def postpone_target(connection: Connection, target: str, now: int, reason: str) -> None:
    """Leave all others of this target for a while, since it answers nobody."""
    of_people = or_(notice.c.recipient.like("person:%"), notice.c.recipient.like("former:%"))
    connection.execute(
        update(notice)
        .where(
            notice.c.state == "waiting",
            notice.c.next_try_at < now + FIRST_WAIT * MICROS,
            of_people if target == "mail" else notice.c.recipient == target,
        )
        .values(next_try_at=now + FIRST_WAIT * MICROS, reason=reason)
    )


def forget(connection: Connection, before: int) -> int:
    """Delete what was made before this moment and has ended; how many."""
    old = and_(notice.c.made_at < before, notice.c.state != "waiting")
    return connection.execute(delete(notice).where(old)).rowcount


def _settle(connection: Connection, notice_id: str, **values: object) -> bool:
    settled = connection.execute(
        update(notice)
        .where(notice.c.id == notice_id, notice.c.state == "waiting")
        .values(attempts=notice.c.attempts + 1, **values)
    )
    return settled.rowcount == 1


def _notice(row: Row[Any]) -> Notice:
    fields = dict(row._asdict())
    facts = msgspec.json.decode(fields.pop("facts"), type=dict[str, str | int])
    return Notice(**fields, facts=facts)
