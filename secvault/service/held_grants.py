"""The operation that says what one subject was given: each role, what it brings, and by whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from secvault import access
from secvault.access import Grant
from secvault.access.ways import inherited
from secvault.service.approvals.subjects import name_of
from secvault.service.explanations import subject_named
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

READ = Operation("grant.read", "it", "grants", "it/grants")


@dataclass(frozen=True)
class HeldGrant:
    """A grant of the subject's. by: the name of who gave it. to_come: it begins only later.

    brings: the roles that come with it by inheritance, each as the way there: the given role
    first, the role that it leads to last.
    """

    grant: Grant
    by: str
    to_come: bool
    brings: tuple[tuple[str, ...], ...]


def grants_of(service: Service, caller: Caller, subject: str) -> tuple[HeldGrant, ...]:
    """The subject's grants in force and to come, oldest first.

    subject: as in `explanations.Asked`. Raises InvalidInput.
    """

    def act(connection: Connection) -> Outcome[tuple[HeldGrant, ...]]:
        now = service.clock.micros()
        whom = subject_named(connection, subject)
        basis = service.policy.snapshot(now, connection).basis
        found = access.list_grants(connection, subject=whom, standing_at=now)
        names: Mapping[str, str] = {
            by: name_of(connection, by) for by in {grant.granted_by for grant in found}
        }
        held = tuple(
            HeldGrant(
                grant,
                names[grant.granted_by],
                grant.not_before > now,
                tuple(
                    way
                    for role, way in inherited(basis, grant.role, grant.department).items()
                    if role != grant.role
                ),
            )
            for grant in found
        )
        return Outcome(held, count=len(held))

    return service.spine.read(caller, READ, act)
