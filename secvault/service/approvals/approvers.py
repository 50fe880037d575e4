"""Who can approve, whether anybody must, and who would be left.

Somebody counts who is active, has signed in at least once, and holds `approval.give` in the
department, as if they showed their factor now. Once there were two in `it`, approvals are needed
for ever: a row says so that nothing takes away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, select, text

from secvault.access import ALL, NO_FIELD, AccessContext, AccessRequest, Grant, Policy
from secvault.access.grants import list_grants
from secvault.access.obligations import GIVE, SELF_SERVICE, Obligations, Slot, roles_with
from secvault.audit.event import Actor, Event
from secvault.audit.log import AuditLog
from secvault.clock import Clock
from secvault.errors import Refused
from secvault.service.approval import Proposal
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

    def may_give(
        self, connection: Connection, subject: str, department: str, action: str = GIVE
    ) -> bool:
        """Whether the policy lets `subject` approve there, once they show their factor and are
        where, and ask when and under which ticket, its rules say.
        """
        now = self._clock.micros()
        context = AccessContext(now, second_factor_at=now)
        asked = AccessRequest(subject, department, "approvals", NO_FIELD, action, context)
        return self._policy.could(asked, connection)

    def in_department(
        self, connection: Connection, department: str, action: str = GIVE, *, lasting: bool = False
    ) -> tuple[str, ...]:
        """The subjects who can approve in a department now.

        lasting: without those who can only for the moment, by an activation or in an emergency.
        """
        roles = roles_with(self._policy.rules, {action})
        now = self._clock.micros()
        holders = {
            grant.subject
            for grant in list_grants(connection, valid_at=now)
            if grant.role in roles
            and grant.subject.startswith("user:")
            and not (lasting and grant.passing)
        }
        known = self.active(connection, holders)
        return tuple(
            subject
            for subject in sorted(known)
            if self.may_give(connection, subject, department, action)
        )

    def able(
        self, connection: Connection, slots: Iterable[Slot], department: str
    ) -> frozenset[str]:
        """The subjects who could fill one of the slots of an operation in the department."""
        return frozenset(
            subject
            for slot in slots
            for subject in self.in_department(connection, slot.where(department), slot.action)
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

    def notice(self, connection: Connection, newcomer: str | None = None) -> bool:
        """Look whether there are two by now, and keep that for ever. To be called when somebody
        signs in, is let back in or gets a role.

        newcomer: the only subject of whom that may be new; whoever cannot approve is no second.
        """
        if self.latched(connection):
            return True
        if newcomer is not None and not self.may_give(connection, newcomer, HOME):
            return False
        # Not by what passes within hours: approvals would stay needed when nobody can give them.
        if len(self.in_department(connection, HOME, lasting=True)) < ENOUGH:
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
        present = self.in_department(connection, HOME, lasting=True)
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

    def slots_of(self, proposal: Proposal) -> tuple[Slot, ...]:
        """The slots of what is proposed, by the policy; empty when it needs nobody.

        Raises Refused for a role that cannot be asked for.
        """
        if proposal.action not in SELF_SERVICE:
            return self.obligations.needed(proposal.action)
        role, department = str(proposal.terms.get("role", "")), proposal.department
        found = self.obligations.needed_for_role(self._policy.rules, role, department)
        if not found:
            raise Refused(f"{role} in {department} is not to be had by asking for it")
        return found

    def wanted(self, proposal: Proposal, *also: str) -> tuple[Slot, ...]:
        """The slots of what is proposed. also: who has asked for it, beside who does it.

        Whoever holds a token or sits at the server's own command line may be one of the approvers:
        then one more person is needed, so that it takes two in any case.
        """
        return _with_one_more(self.slots_of(proposal), (proposal.subject, *also))

    def usual(self, action: str, subject: str) -> tuple[Slot, ...]:
        """The slots of an action, whatever it is about, when this subject does it.

        Empty for roles that are asked for: what these need depends on the role.
        """
        return _with_one_more(self.obligations.needed(action), (subject,))

    def short(self, connection: Connection, proposal: Proposal) -> int:
        """How many too few there are who could approve it, besides those concerned."""
        slots = self.wanted(proposal)
        concerned = {proposal.subject, proposal.beneficiary}
        able = self.able(connection, slots, proposal.department) - concerned
        return self.missing(connection, slots, proposal.department, able)

    def missing(
        self,
        connection: Connection,
        slots: Sequence[Slot],
        department: str,
        subjects: Iterable[str],
    ) -> int:
        """How many more people it takes until each place is filled, by a person of its own."""
        places = [
            (slot.where(department), slot.action) for slot in slots for _ in range(slot.people)
        ]
        able = {
            subject: {
                at
                for at, (where, action) in enumerate(places)
                if self.may_give(connection, subject, where, action)
            }
            for subject in sorted(self.active(connection, subjects))
        }
        return len(places) - matched(able)


def _with_one_more(slots: tuple[Slot, ...], subjects: Iterable[str]) -> tuple[Slot, ...]:
    if slots and not all(subject.startswith("user:") for subject in subjects):
        first = slots[0]
        return (replace(first, people=first.people + 1), *slots[1:])
    return slots


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
