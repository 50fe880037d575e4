"""Who can approve, whether anybody must, and who would be left.

Somebody counts who is active, has signed in at least once, and holds `approval.give` in the
department, as if they showed their factor now. Once there were two in `it`, approvals are needed
for ever: a row says so that nothing takes away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, select, text

from secvault.access import ALL, NO_FIELD, AccessContext, AccessRequest, Grant, Policy
from secvault.access.grants import list_grants
from secvault.access.obligations import GIVE, Obligations, Slot, roles_with
from secvault.audit.event import Actor, Event
from secvault.audit.log import AuditLog
from secvault.clock import Clock
from secvault.store.tables import approval_latch, person

HOME = "it"
"""Where people, roles and the root belong; two who can approve there make approvals needed."""
ENOUGH = 2


_LATCH = text(
    "INSERT INTO approval_latch (id, latched_at) VALUES (1, :at) ON CONFLICT (id) DO NOTHING"
)


class Approvers:
    """Looks at the policy and the store, in the caller's transaction. Holds nothing of its own."""

    def __init__(self, policy: Policy, clock: Clock, audit: AuditLog) -> None:
        self._policy = policy
        self._clock = clock
        self._audit = audit

    @property
    def obligations(self) -> Obligations:
        """The obligations of the policy in force. Raises Unavailable."""
        return self._policy.in_force().obligations

    def now(self) -> int:
        """The moment that people are looked at for, in microseconds."""
        return self._clock.micros()

    def may_give(self, connection: Connection, subject: str, department: str) -> bool:
        """Whether the policy lets `subject` approve there, once they show their factor and are
        where, and ask when and under which ticket, its rules say.
        """
        now = self._clock.micros()
        context = AccessContext(now, second_factor_at=now)
        asked = AccessRequest(subject, department, "approvals", NO_FIELD, GIVE, context)
        return self._policy.could(asked, connection)

    def in_department(self, connection: Connection, department: str) -> tuple[str, ...]:
        """The subjects who can approve in a department now."""
        roles = roles_with(self._policy.rules, {GIVE})
        now = self._clock.micros()
        holders = {
            grant.subject
            for grant in list_grants(connection, valid_at=now)
            if grant.role in roles and grant.subject.startswith("user:")
        }
        known = self.active(connection, holders)
        return tuple(
            subject for subject in sorted(known) if self.may_give(connection, subject, department)
        )

    @staticmethod
    def active(connection: Connection, subjects: Iterable[str]) -> frozenset[str]:
        """Those of the subjects who are people that may sign in, and have."""
        ids = [subject.removeprefix("user:") for subject in subjects]
        rows = connection.execute(
            select(person.c.id).where(
                person.c.id.in_(ids),
                person.c.state == "active",
                person.c.last_sign_in_at.is_not(None),
            )
        )
        return frozenset(f"user:{row.id}" for row in rows)

    def needed(self, connection: Connection) -> bool:
        """Whether approvals are needed: there are, or once were, two people who can give them."""
        return self.latched(connection) or self.notice(connection)

    @staticmethod
    def latched(connection: Connection) -> bool:
        """Whether two were noticed before."""
        return connection.execute(select(approval_latch.c.id)).first() is not None

    def notice(self, connection: Connection) -> bool:
        """Look whether there are two by now, and keep that for ever. To be called when somebody
        signs in, is let back in or gets a role.
        """
        if self.latched(connection):
            return True
        if len(self.in_department(connection, HOME)) < ENOUGH:
            return False
        now = self._clock.micros()
        if connection.execute(_LATCH, {"at": now}).rowcount != 1:
            # Somebody else's transaction noticed at the same moment.
            return True
        event = Event(
            kind="approval.latched",
            outcome="ok",
            actor=Actor("system", "secvault"),
            resource="it/approvals",
            department="it",
        )
        self._audit.enqueue(connection, event)
        return True

    def too_few_without(self, connection: Connection, subject: str) -> bool:
        """Whether approvals would become impossible in `it` if this subject gave none any more."""
        present = self.in_department(connection, HOME)
        return subject in present and len(present) <= ENOUGH and self.needed(connection)

    def too_few_after(self, connection: Connection, ending: Grant, at: int) -> bool:
        """Whether fewer than two could approve in `it` from `at` on if this grant ended then.

        at: microseconds. Grants that end before by themselves are not counted on.
        """
        roles = roles_with(self._policy.rules, {GIVE})
        if ending.role not in roles or ending.department not in (HOME, ALL):
            return False
        if not self.needed(connection) or not self.active(connection, [ending.subject]):
            return False
        lasting = {
            grant.subject
            for grant in list_grants(connection, valid_at=at)
            if grant.id != ending.id and grant.role in roles and grant.department in (HOME, ALL)
        }
        return len(self.active(connection, lasting)) < ENOUGH

    def wanted(self, action: str, subjects: Iterable[str]) -> tuple[Slot, ...]:
        """The slots of an action, when these subjects ask for it and do it.

        Whoever holds a token or sits at the server's own command line may be one of the approvers:
        then one more person is needed, so that it takes two in any case.
        """
        slots = self.obligations.needed(action)
        if slots and not all(subject.startswith("user:") for subject in subjects):
            first = slots[0]
            return (Slot(first.people + 1, first.department), *slots[1:])
        return slots

    def missing(
        self,
        connection: Connection,
        slots: Sequence[Slot],
        department: str,
        subjects: Iterable[str],
    ) -> int:
        """How many more people it takes until each place is filled, by a person of its own."""
        places = [slot.where(department) for slot in slots for _ in range(slot.people)]
        able = {
            subject: {
                at for at, where in enumerate(places) if self.may_give(connection, subject, where)
            }
            for subject in sorted(self.active(connection, subjects))
        }
        return len(places) - matched(able)


def matched(able: Mapping[str, set[int]]) -> int:
    """How many places can be filled when nobody fills two (a largest bipartite matching)."""
    holder: dict[int, str] = {}

    def seat(subject: str, seen: set[int]) -> bool:
        for place in sorted(able[subject] - seen):
            seen.add(place)
            if place not in holder or seat(holder[place], seen):
                holder[place] = subject
                return True
        return False

    return sum(seat(subject, set()) for subject in able)
