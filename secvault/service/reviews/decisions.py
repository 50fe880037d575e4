"""A reviewer's decision, which acts on the grant in its own transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from secvault.access import Grant
from secvault.access.grants import read_grant, shorten_grant
from secvault.errors import Conflict, InvalidInput, NotFound, TooManyAttempts
from secvault.identity import names
from secvault.service.approval import Terms
from secvault.service.reviews import campaigns, views
from secvault.service.reviews.campaigns import Campaign, Item
from secvault.service.reviews.ending import end_now
from secvault.service.reviews.guard import no_administrator_after
from secvault.service.reviews.pace import MINUTE, seconds_to_wait
from secvault.service.reviews.views import ItemView
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome

KEEP, SHORTEN, REVOKE = "keep", "shorten", "revoke"
_STATES = {KEEP: campaigns.KEPT, SHORTEN: campaigns.SHORTENED, REVOKE: campaigns.REVOKED}
LONGEST_COMMENT = 500
MOST_DAYS = 3650
_DAY = 86_400 * 1_000_000


@dataclass(frozen=True)
class Verdict:
    """What a reviewer says. what: keep, shorten or revoke. comment: why. days: of `shorten`."""

    what: str
    comment: str
    days: int | None = None


def decide(service: Service, caller: Caller, item_id: str, verdict: Verdict) -> ItemView:
    """Decide one item. The grant is kept, shortened or revoked with the decision, or neither is.

    A grant that has ended by itself makes the item void, whatever was decided. Raises NotFound,
    also for another reviewer's; Conflict (decided, over, extended since, the last administrator);
    InvalidInput; TooManyAttempts for keeping faster than anybody looks; ApprovalRequired where it
    would leave fewer than two who can approve.
    """
    checked = _checked(verdict)
    with service.store.read() as connection:
        seen = _assigned(connection, caller, item_id)

    def terms(connection: Connection) -> Terms | None:
        item, _ = _undecided(service, connection, caller, item_id)
        grant = _standing(service, connection, item)
        if grant is None or checked.what == KEEP:
            return None
        ends = _new_end(service, checked)
        if not service.approvers.too_few_after(connection, grant, ends):
            return None
        return {
            "subject": grant.subject,
            "grant": grant.id,
            "role": grant.role,
            "department": grant.department,
            "review": item.campaign,
            "verdict": checked.what,
            "days": checked.days or 0,
        }

    def act(connection: Connection) -> Outcome[ItemView]:
        item, campaign = _undecided(service, connection, caller, item_id)
        done = _carried_out(service, connection, caller, item, checked)
        values = {
            "state": done.state,
            "decided_by": done.decided_by,
            "decided_at": done.decided_at,
            "comment": done.comment,
            "new_end": done.new_end,
        }
        if not campaigns.settle(connection, item, **values):
            raise Conflict("this was decided at the same moment")
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
        return Outcome(ItemView(done, caller.principal.name), detail=detail)

    operation = views.operation("review.decide", f"{seen.campaign}/{seen.id}")
    return service.spine.change(caller, operation, act, terms)


def _carried_out(
    service: Service,
    connection: Connection,
    caller: Caller,
    item: Item,
    verdict: Verdict,
) -> Item:
    now = service.clock.micros()
    grant = _standing(service, connection, item)
    if grant is None:
        return replace(item, state=campaigns.VOID, decided_at=now)
    ends: int | None = None
    if verdict.what == KEEP:
        _require_kept(service, connection, caller, item, grant)
    else:
        ends = _new_end(service, verdict)
        if no_administrator_after(connection, grant, ends):
            raise Conflict(
                "this would leave nobody who administers; have somebody else made administrator "
                "first"
            )
        if verdict.what == SHORTEN:
            shorten_grant(connection, grant.id, ends, at=now)
        else:
            end_now(service, connection, caller, grant)
            ends = now
    return replace(
        item,
        state=_STATES[verdict.what],
        decided_by=caller.principal.subject,
        decided_at=now,
        comment=verdict.comment,
        new_end=ends,
    )


def _require_kept(
    service: Service, connection: Connection, caller: Caller, item: Item, grant: Grant
) -> None:
    frozen = item.facts.expires_at
    if frozen is not None and (grant.expires_at is None or grant.expires_at > frozen):
        raise Conflict(
            "the grant was extended since this review began, and was not reviewed as it is now: "
            "shorten or revoke it, or begin another review"
        )
    now, limit = service.clock.micros(), service.settings.reviews.keeps_per_minute
    recent = campaigns.keeps_since(connection, caller.principal.subject, now - MINUTE)
    wait = seconds_to_wait(recent, now, limit)
    if wait:
        raise TooManyAttempts(
            f"more than {limit} are kept in a minute: look at each; go on in {wait} s",
            retry_after=wait,
        )


def _assigned(connection: Connection, caller: Caller, item_id: str) -> Item:
    item = campaigns.read_item(connection, item_id)
    if item.reviewer != caller.principal.subject:
        raise NotFound(f"there is nothing for you to review with the id {item_id[:64]!r}")
    return item


def _undecided(
    service: Service, connection: Connection, caller: Caller, item_id: str
) -> tuple[Item, Campaign]:
    item = _assigned(connection, caller, item_id)
    if item.subject == caller.principal.subject:
        raise Conflict("nobody reviews themselves; have it given to somebody else")
    campaign = campaigns.read_campaign(connection, item.campaign)
    if item.state not in campaigns.UNDECIDED:
        raise Conflict(f"this is {item.state} already")
    over = service.clock.micros() >= campaign.deadline
    if campaign.state != campaigns.OPEN or (over and item.state != campaigns.ESCALATED):
        raise Conflict("the deadline is over; what was not reviewed lapses")
    return item, campaign


def _standing(service: Service, connection: Connection, item: Item) -> Grant | None:
    """The item's grant, unless it has ended by itself."""
    grant, now = read_grant(connection, item.grant_id), service.clock.micros()
    ended = grant.expires_at is not None and grant.expires_at <= now
    return None if grant.revoked_at is not None or ended else grant


def _new_end(service: Service, verdict: Verdict) -> int:
    return service.clock.micros() + (verdict.days or 0) * _DAY


def _checked(verdict: Verdict) -> Verdict:
    if verdict.what not in _STATES:
        raise InvalidInput.at("verdict", f"use {', '.join(_STATES)}")
    if verdict.what == SHORTEN:
        if verdict.days is None or not 1 <= verdict.days <= MOST_DAYS:
            raise InvalidInput.at("days", f"say after how many it ends, 1 to {MOST_DAYS}")
    elif verdict.days is not None:
        raise InvalidInput.at("days", "are said only to shorten something")
    return replace(verdict, comment=names.display_name(verdict.comment, "comment", LONGEST_COMMENT))
