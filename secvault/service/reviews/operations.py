"""Operations on campaigns: list, look at, reassign, finish. The start is in `starting`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import Connection

from secvault.errors import Conflict, InvalidInput
from secvault.identity import people
from secvault.service.reviews import campaigns, evidence, population, views
from secvault.service.reviews.campaigns import Campaign, Item
from secvault.service.reviews.views import ItemView, View
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

READ, OWN, REASSIGN, FINISH = "review.read", "review.own", "review.reassign", "review.finish"


def list_campaigns(service: Service, caller: Caller) -> tuple[View, ...]:
    """All campaigns, the newest first."""

    def act(connection: Connection) -> Outcome[tuple[View, ...]]:
        found = campaigns.list_campaigns(connection)
        everybody = population.register(connection) if found else None
        seen = tuple(views.view(connection, one, everybody) for one in found)
        return Outcome(seen, count=len(found))

    return service.spine.read(caller, views.operation(READ), act)


def read_campaign(service: Service, caller: Caller, campaign_id: str) -> View:
    """One campaign, with how fast its reviewers decided. Raises NotFound."""

    def act(connection: Connection) -> Outcome[View]:
        found = campaigns.read_campaign(connection, campaign_id)
        items = campaigns.list_items(connection, campaign=found.id)
        view = replace(views.view(connection, found), paces=evidence.paces(items))
        return Outcome(view, detail=views.detail(found))

    return service.spine.read(caller, views.operation(READ, campaign_id), act)


def list_items(
    service: Service,
    caller: Caller,
    campaign_id: str,
    *,
    states: Iterable[str] | None = None,
    after: str = "",
    limit: int = campaigns.LARGEST_PAGE,
) -> tuple[ItemView, ...]:
    """A page of the items of a campaign. Raises NotFound, InvalidInput."""
    _require_page(limit)

    def act(connection: Connection) -> Outcome[tuple[ItemView, ...]]:
        found = campaigns.read_campaign(connection, campaign_id)
        items = campaigns.list_items(
            connection, campaign=found.id, states=states, after=after, limit=limit
        )
        return Outcome(
            views.item_views(service, connection, items),
            count=len(items),
            detail=views.detail(found),
        )

    return service.spine.read(caller, views.operation(READ, campaign_id), act)


def own_items(
    service: Service, caller: Caller, *, everything: bool = False, after: str = "", limit: int = 100
) -> tuple[ItemView, ...]:
    """What the caller is to review. everything: also what is decided."""
    _require_page(limit)
    states = None if everything else campaigns.UNDECIDED

    def act(connection: Connection) -> Outcome[tuple[ItemView, ...]]:
        items = campaigns.list_items(
            connection,
            reviewer=caller.principal.subject,
            states=states,
            after=after,
            limit=limit,
        )
        return Outcome(views.item_views(service, connection, items), count=len(items))

    return service.spine.read(caller, Operation(OWN, "it", "session", "it/reviews"), act)


def reassign(service: Service, caller: Caller, item_id: str, reviewer: str) -> ItemView:
    """Have somebody else review an item. reviewer: sign-in name or id.

    Refused for the item's own holder, who neither chooses nor becomes the reviewer; for a system's
    owner; for whoever started the campaign; and for somebody of whom the holder reviews something.
    Raises NotFound, Conflict.
    """

    def act(connection: Connection) -> Outcome[ItemView]:
        item = campaigns.read_item(connection, item_id)
        campaign = campaigns.read_campaign(connection, item.campaign)
        chosen = people.by_name_or_id(connection, reviewer)
        _require_fit(connection, caller, campaign, item, chosen)
        campaigns.reassign(connection, item, chosen.subject)
        fresh = campaigns.read_item(connection, item.id)
        detail = {**views.detail(campaign), "item": item.id, "person": chosen.id}
        return Outcome(ItemView(fresh, chosen.name), detail=detail)

    return service.spine.change(caller, views.operation(REASSIGN, item_id), act)


def finish(service: Service, caller: Caller, campaign_id: str) -> View:
    """End a campaign in which everything is decided, and sign its evidence.

    Raises NotFound; Conflict while something is undecided, or when it is finished.
    """

    def act(connection: Connection) -> Outcome[View]:
        found = campaigns.read_campaign(connection, campaign_id)
        void_what_ended(service, connection, found)
        left = sum(campaigns.waiting(connection, found.id).values())
        if left:
            raise Conflict(f"{left} items are undecided; see `secvault reviews items {found.id}`")
        digest = finish_in(service, connection, found, caller.principal.subject)
        if digest is None:
            raise Conflict("this review is finished already")
        done = campaigns.read_campaign(connection, found.id)
        return Outcome(
            views.view(connection, done), detail={**views.detail(done), "digest": digest}
        )

    return service.spine.change(caller, views.operation(FINISH, campaign_id), act)


def finish_in(service: Service, connection: Connection, campaign: Campaign, by: str) -> str | None:
    """Sign the evidence and end the campaign with the caller's transaction.

    The document's SHA-256 in hexadecimal; None when somebody was faster.
    """
    signed = evidence.signed(service, connection, campaign, by)
    done = campaigns.finish(
        connection, service.clock, campaign.id, by, signed.document, signed.note
    )
    return evidence.digest_of(signed.document) if done else None


def void_what_ended(service: Service, connection: Connection, campaign: Campaign) -> int:
    """Mark the undecided items whose grants have ended by themselves; how many."""
    now = service.clock.micros()
    live = {grant.id for grant in population.standing_grants(connection, now)}
    items = campaigns.list_items(connection, campaign=campaign.id, states=campaigns.UNDECIDED)
    return sum(
        campaigns.settle(connection, item, state=campaigns.VOID, decided_at=now)
        for item in items
        if item.grant_id not in live
    )


def _require_fit(
    connection: Connection, caller: Caller, campaign: Campaign, item: Item, chosen: people.Person
) -> None:
    if item.state not in campaigns.UNDECIDED or campaign.state != campaigns.OPEN:
        raise Conflict("this is decided already")
    if caller.principal.subject == item.subject:
        raise Conflict("nobody chooses who reviews them; ask another administrator")
    if chosen.state != people.ACTIVE or chosen.last_sign_in_at is None:
        raise InvalidInput.at("reviewer", f"{chosen.name} is not active, or has never signed in")
    if chosen.subject in (item.subject, item.facts.owner):
        raise Conflict(f"{chosen.name} would review their own; choose somebody else")
    if chosen.subject == campaign.started_by:
        raise Conflict("whoever started a review reviews nothing in it; choose somebody else")
    others = campaigns.list_items(connection, campaign=campaign.id, reviewer=item.subject)
    if any(one.subject == chosen.subject for one in others):
        raise Conflict(
            f"{item.facts.name} reviews something of {chosen.name}'s in this review; two people do "
            "not review each other"
        )


def _require_page(limit: int) -> None:
    if not 1 <= limit <= campaigns.LARGEST_PAGE:
        raise InvalidInput.at("limit", f"use 1 to {campaigns.LARGEST_PAGE}")
