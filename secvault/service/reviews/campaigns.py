"""Campaigns and their items as rows. What has ended never changes again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from secvault.clock import Clock
from secvault.errors import Conflict, NotFound
from secvault.identity import names
from secvault.service.reviews.facts import Facts, Frozen, Reviewers, Scope, read, written
from secvault.store.tables import review_campaign, review_item

OPEN, FINISHED = "open", "finished"
ESCALATED = "escalated"
KEPT, SHORTENED, REVOKED, LAPSED, VOID = "kept", "shortened", "revoked", "lapsed", "void"
UNDECIDED = (OPEN, ESCALATED)
LARGEST_PAGE = 1000


@dataclass(frozen=True)
class Campaign:
    """A review. Times in microseconds, UTC.

    owner, started_by, finished_by: subjects. overdue: `revoke` or `shorten`, to `overdue_days`.
    """

    id: str
    name: str
    owner: str
    started_by: str
    scope: Scope
    reviewers: Reviewers
    overdue: str
    overdue_days: int
    started_at: int
    deadline: int
    frozen: Frozen
    state: str = OPEN
    finished_at: int | None = None
    finished_by: str | None = None
    job: str | None = None


@dataclass(frozen=True)
class Item:
    """A grant to be reviewed.

    state: `open`; `escalated` when its lapse would leave too few; then `kept`, `shortened`,
    `revoked`, `lapsed`, or `void` when the grant had ended by itself. new_end: by the decision.
    """

    id: str
    campaign: str
    grant_id: str
    subject: str
    facts: Facts
    reviewer: str | None
    state: str = OPEN
    decided_by: str | None = None
    decided_at: int | None = None
    comment: str | None = None
    new_end: int | None = None


def add_campaign(connection: Connection, campaign: Campaign, items: Iterable[Item]) -> None:
    """Write both, with the caller's transaction. Raises Conflict for a job that began one."""
    values = {
        **vars(campaign),
        "scope": written(campaign.scope),
        "reviewers": written(campaign.reviewers),
        "frozen": written(campaign.frozen),
    }
    connection.execute(insert(review_campaign).values(**values, document=None, note=None))
    rows = [{**vars(item), "facts": written(item.facts)} for item in items]
    if rows:
        connection.execute(insert(review_item), rows)


def read_campaign(connection: Connection, campaign_id: str) -> Campaign:
    """The campaign with this id. Raises NotFound, Damaged."""
    row = None
    if names.is_id(campaign_id):
        row = connection.execute(
            select(*_CAMPAIGN).where(review_campaign.c.id == campaign_id)
        ).one_or_none()
    if row is None:
        raise NotFound(f"there is no review with the id {campaign_id[:64]!r}")
    return _campaign(row)


def of_job(connection: Connection, job: str) -> Campaign | None:
    """The campaign that this job began."""
    row = connection.execute(select(*_CAMPAIGN).where(review_campaign.c.job == job)).one_or_none()
    return None if row is None else _campaign(row)


def list_campaigns(
    connection: Connection, *, state: str | None = None, limit: int = LARGEST_PAGE
) -> tuple[Campaign, ...]:
    """The newest first."""
    question = select(*_CAMPAIGN).order_by(review_campaign.c.id.desc()).limit(limit)
    if state is not None:
        question = question.where(review_campaign.c.state == state)
    return tuple(_campaign(row) for row in connection.execute(question))


def read_item(connection: Connection, item_id: str) -> Item:
    """The item with this id. Raises NotFound, Damaged."""
    row = None
    if names.is_id(item_id):
        row = connection.execute(select(review_item).where(review_item.c.id == item_id)).first()
    if row is None:
        raise NotFound(f"there is nothing to review with the id {item_id[:64]!r}")
    return _item(row)


def list_items(
    connection: Connection,
    *,
    campaign: str | None = None,
    reviewer: str | None = None,
    states: Iterable[str] | None = None,
    after: str = "",
    limit: int | None = None,
) -> tuple[Item, ...]:
    """The items that fit, in their order; after: the id of the last one of the page before."""
    column = review_item.c
    question = select(review_item).order_by(column.id)
    if campaign is not None:
        question = question.where(column.campaign == campaign)
    if reviewer is not None:
        question = question.where(column.reviewer == reviewer)
    if states is not None:
        question = question.where(column.state.in_(list(states)))
    if after:
        question = question.where(column.id > after)
    if limit is not None:
        question = question.limit(limit)
    return tuple(_item(row) for row in connection.execute(question))


def counts(connection: Connection, campaign_id: str) -> dict[str, int]:
    """How many items are in each state."""
    column = review_item.c
    question = (
        select(column.state, func.count())
        .where(column.campaign == campaign_id)
        .group_by(column.state)
    )
    found: dict[str, int] = dict(connection.execute(question).all())
    return found


def waiting(connection: Connection, campaign_id: str) -> dict[str | None, int]:
    """How many undecided items each reviewer has; None: those that nobody has."""
    column = review_item.c
    question = (
        select(column.reviewer, func.count())
        .where(column.campaign == campaign_id, column.state.in_(UNDECIDED))
        .group_by(column.reviewer)
    )
    found: dict[str | None, int] = dict(connection.execute(question).all())
    return found


def settle(connection: Connection, item: Item, **values: object) -> bool:
    """Put an undecided item into another state; False when somebody was faster."""
    changed = connection.execute(
        update(review_item)
        .where(review_item.c.id == item.id, review_item.c.state == item.state)
        .values(**values)
    )
    return changed.rowcount == 1


def reassign(connection: Connection, item: Item, reviewer: str) -> None:
    """Give an undecided item to another reviewer. Raises Conflict when somebody was faster."""
    changed = connection.execute(
        update(review_item)
        .where(
            review_item.c.id == item.id,
            review_item.c.state.in_(UNDECIDED),
            review_item.c.reviewer == item.reviewer
            if item.reviewer
            else review_item.c.reviewer.is_(None),
        )
        .values(reviewer=reviewer)
    )
    if changed.rowcount != 1:
        raise Conflict("it was decided or given to somebody else meanwhile; read it again")


def keeps_since(connection: Connection, reviewer: str, since: int) -> tuple[int, ...]:
    """When this reviewer kept something at or after this moment, the oldest first."""
    column = review_item.c
    question = (
        select(column.decided_at)
        .where(column.decided_by == reviewer, column.state == KEPT, column.decided_at >= since)
        .order_by(column.decided_at)
    )
    return tuple(connection.execute(question).scalars())


def finish(
    connection: Connection, clock: Clock, campaign_id: str, by: str, document: bytes, note: bytes
) -> bool:
    """End an open campaign with its evidence; False when that was done before."""
    ended = connection.execute(
        update(review_campaign)
        .where(review_campaign.c.id == campaign_id, review_campaign.c.state == OPEN)
        .values(
            state=FINISHED,
            finished_at=clock.micros(),
            finished_by=by,
            document=document,
            note=note,
        )
    )
    return ended.rowcount == 1


def evidence(connection: Connection, campaign_id: str) -> tuple[bytes, bytes]:
    """The signed document of a finished campaign and its note. Raises NotFound, Conflict."""
    read_campaign(connection, campaign_id)
    row = connection.execute(
        select(review_campaign.c.document, review_campaign.c.note).where(
            review_campaign.c.id == campaign_id
        )
    ).one()
    if row.document is None or row.note is None:
        raise Conflict("this review is not finished; its evidence is signed at its end")
    return row.document, row.note


_CAMPAIGN = tuple(column for column in review_campaign.c if column.name not in ("document", "note"))


def _campaign(row: Row[Any]) -> Campaign:
    values = row._asdict()
    return Campaign(
        **{
            **values,
            "scope": read(values["scope"], Scope),
            "reviewers": read(values["reviewers"], Reviewers),
            "frozen": read(values["frozen"], Frozen),
        }
    )


def _item(row: Row[Any]) -> Item:
    values = row._asdict()
    return Item(**{**values, "facts": read(values["facts"], Facts)})
