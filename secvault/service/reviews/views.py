"""Campaigns and items as people see them, with the names of those in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.service.reviews import campaigns, population
from secvault.service.reviews.campaigns import Campaign, Item
from secvault.service.reviews.pace import Pace
from secvault.service.reviews.population import Register
from secvault.service.service import Service
from secvault.service.spine import Operation


@dataclass(frozen=True)
class View:
    """A campaign as people see it.

    counts: items by state. names: of subjects in it. unassigned: how many items nobody could be
    found for.
    """

    campaign: Campaign
    counts: Mapping[str, int]
    names: Mapping[str, str]
    unassigned: int
    paces: tuple[Pace, ...] = ()

    @property
    def undecided(self) -> int:
        """How many items nobody has decided."""
        return sum(self.counts.get(state, 0) for state in campaigns.UNDECIDED)


@dataclass(frozen=True)
class ItemView:
    """An item with the names in it. ended: whether its grant has ended by itself since."""

    item: Item
    reviewer_name: str
    ended: bool = False


def view(connection: Connection, campaign: Campaign, everybody: Register | None = None) -> View:
    """The campaign with its counts and names. everybody: where it was read already."""
    everybody = everybody or population.register(connection)
    subjects = {campaign.owner, campaign.started_by, campaign.finished_by or ""}
    subjects |= {*campaign.reviewers.named, campaign.reviewers.fallback}
    return View(
        campaign,
        campaigns.counts(connection, campaign.id),
        {subject: everybody.name(subject) for subject in subjects if subject},
        campaigns.waiting(connection, campaign.id).get(None, 0),
    )


def item_views(
    service: Service, connection: Connection, items: Sequence[Item]
) -> tuple[ItemView, ...]:
    """The items with the names of their reviewers."""
    if not items:
        # Everybody is asked for their own on each visit; few have any.
        return ()
    everybody = population.register(connection)
    live = {grant.id for grant in population.standing_grants(connection, service.clock.micros())}
    return tuple(
        ItemView(
            item,
            everybody.name(item.reviewer) if item.reviewer else "",
            item.state in campaigns.UNDECIDED and item.grant_id not in live,
        )
        for item in items
    )


def detail(campaign: Campaign) -> dict[str, str | int | bool]:
    """What every audit entry about a campaign says."""
    return {"campaign": campaign.id}


def operation(action: str, what: str = "") -> Operation:
    """An operation on reviews. what: id of a campaign or an item."""
    place = f"it/reviews/{what}" if what else "it/reviews"
    return Operation(action, "it", "reviews", place)
