"""What time does to campaigns: reviewers are told, what nobody reviewed lapses, the rest is signed.

The worker looks again and again; each step is a transaction that only one node wins, so that two
workers, or one that comes back after a week, do each thing once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from secvault.access.grants import read_grant, shorten_grant
from secvault.service import authentication
from secvault.service.reviews import campaigns, operations, views
from secvault.service.reviews.campaigns import Campaign, Item
from secvault.service.reviews.ending import end_now
from secvault.service.reviews.guard import too_few_after
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome
from secvault.store.engine import insert_unless_there
from secvault.store.tables import review_told

AT_ONCE = 500
"""How many items lapse in one turn of the worker at most."""
_DAY = 86_400 * 1_000_000


@dataclass
class Turn:
    """What one look did."""

    told: int = 0
    lapsed: int = 0
    escalated: int = 0
    finished: int = 0


def look_after(service: Service, over: Callable[[], bool] = lambda: False) -> Turn:
    """Do what is due in every open campaign. Raises Unavailable; what was done stays done.

    over: whether to stop, and go on in the next turn.
    """
    turn = Turn()
    caller = Caller(authentication.jobs())
    with service.store.read() as connection:
        found = campaigns.list_campaigns(connection, state=campaigns.OPEN)
    for campaign in found:
        for cause, reviewer, days, count in _due_tellings(service, campaign):
            turn.told += _tell(service, caller, campaign, cause, reviewer, days, count)
        if service.clock.micros() >= campaign.deadline:
            _end(service, caller, campaign, turn, over)
    return turn


def _end(
    service: Service, caller: Caller, campaign: Campaign, turn: Turn, over: Callable[[], bool]
) -> None:
    with service.store.read() as connection:
        items = campaigns.list_items(
            connection, campaign=campaign.id, states=(campaigns.OPEN,), limit=AT_ONCE
        )
    for item in items:
        if over():
            return
        state = _lapse(service, caller, campaign, item)
        turn.lapsed += state == campaigns.LAPSED
        turn.escalated += state == campaigns.ESCALATED
    with service.store.read() as connection:
        left = campaigns.waiting(connection, campaign.id)
    if not left:
        turn.finished += _finish(service, caller, campaign)


def _lapse(service: Service, caller: Caller, campaign: Campaign, item: Item) -> str:
    """The state that the item is in by this; empty when somebody else was faster."""

    def act(connection: Connection) -> Outcome[str]:
        done = _lapsed(service, connection, caller, campaign, item)
        won = campaigns.settle(
            connection,
            item,
            state=done.state,
            decided_at=done.decided_at,
            new_end=done.new_end,
        )
        if not won:
            raise _Faster
        detail: dict[str, str | int | bool] = {
            **views.detail(campaign),
            "item": item.id,
            "grant": item.grant_id,
            "role": item.facts.role,
            "subject": item.subject,
            "state": done.state,
        }
        if done.new_end is not None:
            detail["expires_at"] = done.new_end
        return Outcome(done.state, detail=detail)

    try:
        return service.spine.change(
            caller, views.operation("review.lapse", f"{campaign.id}/{item.id}"), act
        )
    except _Faster:
        return ""


class _Faster(Exception):
    """Another node, or the reviewer, was; the transaction is undone."""


def _lapsed(
    service: Service, connection: Connection, caller: Caller, campaign: Campaign, item: Item
) -> Item:
    now = service.clock.micros()
    grant = read_grant(connection, item.grant_id)
    if grant.revoked_at is not None or (grant.expires_at is not None and grant.expires_at <= now):
        return replace(item, state=campaigns.VOID, decided_at=now)
    ends = now
    if campaign.overdue == "shorten":
        ends = now + campaign.overdue_days * _DAY
        if grant.expires_at is not None and grant.expires_at <= ends:
            # It ends sooner by itself.
            return _ended(item, now, grant.expires_at)
    if too_few_after(service, connection, grant, ends):
        # Nobody is shut out by a clock: people are called instead.
        return replace(item, state=campaigns.ESCALATED)
    if ends > max(now, grant.not_before):
        shorten_grant(connection, grant.id, ends, at=now)
        return _ended(item, now, ends)
    end_now(service, connection, caller, grant)
    return _ended(item, now, now)


def _ended(item: Item, now: int, ends: int) -> Item:
    return replace(item, state=campaigns.LAPSED, decided_at=now, new_end=ends)


def _finish(service: Service, caller: Caller, campaign: Campaign) -> int:
    def act(connection: Connection) -> Outcome[int]:
        digest = operations.finish_in(service, connection, campaign, caller.principal.subject)
        if digest is None:
            raise _Faster
        return Outcome(1, detail={**views.detail(campaign), "digest": digest})

    try:
        return service.spine.change(caller, views.operation("review.finish", campaign.id), act)
    except _Faster:
        return 0


def _due_tellings(service: Service, campaign: Campaign) -> Iterator[tuple[str, str, int, int]]:
    """Whom to tell now: what must not be told twice, the reviewer, the days left, how many wait.

    The reviewer is empty for what nobody can review, and for what waits after the deadline.
    """
    now = service.clock.micros()
    left = campaign.deadline - now
    with service.store.read() as connection:
        waiting = campaigns.waiting(connection, campaign.id)
    if left <= 0:
        with service.store.read() as connection:
            counts = campaigns.counts(connection, campaign.id)
        escalated = counts.get(campaigns.ESCALATED, 0)
        if escalated:
            # Once on each day, until somebody decides.
            yield f"{campaign.id}:escalated:{-left // _DAY}", "", 0, escalated
        return
    lasts = campaign.deadline - campaign.started_at
    reached = [days for days in service.settings.reviews.warn_days if left <= days * _DAY < lasts]
    number = min(reached, default=lasts // _DAY)
    for reviewer, count in sorted(waiting.items(), key=lambda one: one[0] or ""):
        yield f"{campaign.id}:{reviewer or 'nobody'}:{number}", reviewer or "", number, count


def _tell(
    service: Service,
    caller: Caller,
    campaign: Campaign,
    cause: str,
    reviewer: str,
    days: int,
    count: int,
) -> int:
    with service.store.read() as connection:
        if told(connection, cause):
            return 0

    def act(connection: Connection) -> Outcome[int]:
        row = {"cause": cause, "told_at": service.clock.micros()}
        if not insert_unless_there(connection, review_told, row):
            raise _Faster
        detail: dict[str, str | int | bool] = {
            **views.detail(campaign),
            "days": days,
            "expires_at": campaign.deadline,
        }
        if reviewer:
            detail["person"] = reviewer.removeprefix("user:")
        elif not days:
            detail["state"] = campaigns.ESCALATED
        return Outcome(1, count=count, detail=detail)

    try:
        return service.spine.change(caller, views.operation("review.warn", campaign.id), act)
    except _Faster:
        return 0


def told(connection: Connection, cause: str) -> bool:
    """Whether this was told."""
    return (
        connection.execute(review_told.select().where(review_told.c.cause == cause)).first()
        is not None
    )
