"""Approvals that a policy asks for and nobody could give."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from secvault.access.advice import Finding
from secvault.access.difference import places_of, sights
from secvault.access.grants import Grant, list_grants
from secvault.access.in_force import InForce
from secvault.access.obligations import FILE, GIVE, Slot
from secvault.access.vocabulary import NO_FIELD
from secvault.service.approvals.approvers import HOME, Approvers, matched

_CELL = (GIVE, "approvals", NO_FIELD)


def unmet_quorums(
    approvers: Approvers, connection: Connection, policy: InForce
) -> Iterator[Finding]:
    """A warning for each action whose slots could not be filled in `it` when one of those who could
    approve asks for it; nothing while approvals are not needed at all.
    """
    if not approvers.latched(connection):
        return
    held: dict[str, list[Grant]] = {}
    for grant in list_grants(connection, valid_at=approvers.now()):
        if grant.subject.startswith("user:"):
            held.setdefault(grant.subject, []).append(grant)
    sight, _ = sights(policy.rules, policy.rules)
    people = {one: places_of(policy.rules, held[one]) for one in approvers.active(connection, held)}

    def able(where: str) -> set[str]:
        return {
            one
            for one, places in people.items()
            if sight.may(sight.held(places, where), where, _CELL).allow
        }

    for action, slots in sorted(policy.obligations.slots.items()):
        if not _met(slots, {slot.where(HOME): able(slot.where(HOME)) for slot in slots}):
            wanted = sum(slot.people for slot in slots)
            text = (
                f"{action} needs {wanted} to approve; too few people could do so in {HOME} besides "
                "whoever asks"
            )
            yield Finding("warning", FILE, 0, "quorum", text)


def _met(slots: tuple[Slot, ...], able: dict[str, set[str]]) -> bool:
    places = [slot.where(HOME) for slot in slots for _ in range(slot.people)]
    everybody = set().union(*able.values())
    return bool(everybody) and all(
        matched(
            {
                subject: {at for at, where in enumerate(places) if subject in able[where]}
                for subject in sorted(everybody - {asking})
            }
        )
        == len(places)
        for asking in everybody
    )
