"""The rule itself: whether what is proposed has its approvals, asked in the deed's transaction."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from secvault.access import list_grants
from secvault.access.obligations import GIVE_ROLE, SELF_SERVICE, Slot
from secvault.access.vocabulary import BROKEN_GLASS, EMERGENCY_ROLE
from secvault.audit.event import Event
from secvault.audit.log import AuditLog
from secvault.clock import Clock
from secvault.errors import ApprovalRequired, Conflict
from secvault.service.approval import NOT_REQUIRED, Asked, Proposal
from secvault.service.approvals import requests
from secvault.service.approvals.approvers import Approvers
from secvault.service.approvals.requests import Request
from secvault.service.approvals.subjects import actor_named

NOBODY_YET = "no-second-person-yet"
APPROVED = "approved"
BROKEN = "break-glass"


class ByPolicy:
    """Grants what the obligations ask nobody about, and what was approved; each approval once.

    seconds: how long a request may wait.
    """

    def __init__(
        self, approvers: Approvers, clock: Clock, audit: AuditLog, *, seconds: int
    ) -> None:
        self._approvers = approvers
        self._clock = clock
        self._audit = audit
        self._seconds = seconds

    def grant(self, connection: Connection, proposal: Proposal) -> str:
        """Use up the approvals of this proposal. Raises ApprovalRequired when they do not do.

        They are looked at as they are now: whoever was disabled or lost the role has given none.
        """
        if not self._approvers.slots_of(proposal):
            return NOT_REQUIRED
        # What anybody may ask for is never had without approvals, also in the very beginning.
        if proposal.action not in SELF_SERVICE and not self._approvers.needed(connection):
            return NOBODY_YET
        if self._broke_the_glass(connection, proposal):
            return BROKEN
        waiting: tuple[Request, int] | None = None
        for request in requests.open_requests_for(connection, self._clock, proposal.digest):
            missing = self.missing(connection, request, proposal)
            if missing == 0 and self._use(connection, request, proposal):
                return APPROVED
            if missing and request.requester == proposal.subject:
                waiting = request, missing
        raise self._required(connection, proposal, waiting)

    def ask(self, connection: Connection, proposal: Proposal, reason: str) -> Asked:
        """Make a request of the proposal, or find the one that waits.

        Raises Conflict for a role that nobody could approve.
        """
        if proposal.action in SELF_SERVICE and self._approvers.short(connection, proposal):
            raise Conflict(self._required(connection, proposal, None).detail)
        made = requests.make_request(connection, self._clock, proposal, reason, self._seconds)
        return Asked(made.id, made.expires_at)

    def missing(self, connection: Connection, request: Request, proposal: Proposal) -> int:
        """How many more must approve before this proposal can be done by this request."""
        concerned = {request.requester, proposal.subject, proposal.beneficiary}
        given = {one.approver for one in request.approvals} - concerned
        slots = self._approvers.wanted(proposal, request.requester)
        return self._approvers.missing(connection, slots, proposal.department, given)

    def _broke_the_glass(self, connection: Connection, proposal: Proposal) -> bool:
        """Whether an emergency lifts the obligation: somebody must be left who can approve, and
        who is neither the one who acts nor the one affected.
        """
        if proposal.action not in self._approvers.obligations.break_glass:
            return False
        held = list_grants(
            connection,
            subject=proposal.subject,
            role=EMERGENCY_ROLE,
            valid_at=self._clock.micros(),
        )
        if not any(grant.source.startswith(BROKEN_GLASS) for grant in held):
            return False
        able = self._approvers.in_department(connection, proposal.department)
        return bool(set(able) - {proposal.subject, proposal.beneficiary})

    def _use(self, connection: Connection, request: Request, proposal: Proposal) -> bool:
        """Whether this deed, and no other at the same moment, uses the request up."""
        try:
            requests.end_request(
                connection, self._clock, request.id, requests.USED, proposal.subject
            )
        except Conflict:
            return False
        detail: dict[str, str | int | bool] = {
            "request": request.id,
            "operation": proposal.action,
            "digest": proposal.digest,
        }
        if proposal.beneficiary:
            detail["subject"] = proposal.beneficiary
        event = Event(
            kind="approval.use",
            outcome="ok",
            actor=actor_named(proposal.subject),
            resource=f"it/approvals/{request.id}",
            department=proposal.department,
            detail=detail,
        )
        self._audit.enqueue(connection, event)
        return True

    def _required(
        self, connection: Connection, proposal: Proposal, waiting: tuple[Request, int] | None
    ) -> ApprovalRequired:
        if waiting is not None:
            request, missing = waiting
            return ApprovalRequired(
                f"the request {request.id} waits for {_people(missing)}; see "
                f"`secvault approvals show {request.id}`",
                digest=proposal.digest,
                request=request.id,
            )
        slots = self._approvers.wanted(proposal)
        short = self._approvers.short(connection, proposal)
        if short:
            return ApprovalRequired(
                f"nobody could approve this: {_people(short)} too few may do so in "
                f"{', '.join(_wheres(slots, proposal.department))} besides those concerned; have "
                "role:it.approver given there first"
                + (", or the head's role" if any(s.action == GIVE_ROLE for s in slots) else ""),
                digest=proposal.digest,
            )
        return ApprovalRequired(
            f"{_people(sum(slot.people for slot in slots))} must approve it; to ask for that, do "
            "the same with a reason: `secvault --ask REASON ...`, or the header X-Approval-Reason",
            digest=proposal.digest,
        )


def _wheres(slots: Iterable[Slot], department: str) -> list[str]:
    return sorted({slot.where(department) for slot in slots})


def _people(count: int) -> str:
    return "one other person" if count == 1 else f"{count} other people"
