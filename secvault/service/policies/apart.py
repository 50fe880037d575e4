"""Who would break a rule of separation by a new policy who breaks none by the one in force.

A rule that forbids, and forbade nothing before, is none to bring in over people's heads: either a
role is revoked first, or the rule is published as one that warns until an exception was agreed on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.access.conflicts import Conflict, conflicts
from secvault.access.grants import Grant
from secvault.access.in_force import InForce
from secvault.access.separation import Mode
from secvault.access.separation_exceptions import list_exceptions
from secvault.service.prospects import would_be
from secvault.service.separation import described
from secvault.service.service import Service


@dataclass(frozen=True)
class NewConflict:
    """What the new policy makes of what somebody has.

    subject: empty where too many hold a role. text: all in words, without a full stop.
    """

    rule: str
    mode: Mode
    subject: str
    text: str


def new_conflicts(
    service: Service,
    connection: Connection,
    old: InForce,
    new: InForce,
    grants: Iterable[Grant],
) -> tuple[NewConflict, ...]:
    """Who would break which rule, now or later, by what they have or may still get.

    grants: all that are not revoked. Each rule once for each subject, without what is excepted and
    what is broken in this mode already.
    """
    if old.rescue or (old.rules, old.separation) == (new.rules, new.separation):
        return ()
    held = tuple(grants)
    before = {_key(one) for one in _broken(service, connection, old, held)}
    found: dict[tuple[str, Mode, str], NewConflict] = {}
    for one in _broken(service, connection, new, held):
        if _key(one) not in before:
            text = described(service, one, new.separation)
            found.setdefault(_key(one), NewConflict(one.rule, one.mode, one.subject, text))
    return tuple(found.values())


def blocked_by_separation(found: Iterable[NewConflict], names: Mapping[str, str]) -> Iterator[str]:
    """Why the policy is refused, of what is forbidden. names: how people know the subjects."""
    for one in found:
        if one.mode is Mode.DENY:
            who = f" ({names[one.subject]})" if names.get(one.subject, "") else ""
            yield (
                f"{one.text}{who}; revoke one of them first, or publish the rule with the mode "
                "warn until two people have agreed on an exception"
            )


def _broken(
    service: Service, connection: Connection, policy: InForce, held: tuple[Grant, ...]
) -> Iterator[Conflict]:
    found = conflicts(
        policy.rules,
        held,
        policy.separation,
        would_be=would_be(service, connection),
        exceptions=list_exceptions(connection),
        since=service.clock.micros(),
    )
    return (one for one in found if not one.exception)


def _key(conflict: Conflict) -> tuple[str, Mode, str]:
    return conflict.rule, conflict.mode, conflict.subject
