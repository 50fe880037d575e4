"""Requests and approvals as rows: who asked for what, who agreed, and how it ended.

A request is open until it is used, refused or withdrawn, or its time is over; none of these can be
undone. The database itself refuses an approval by whoever asked, or of anything but the digest of
the request.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, literal, select, update

from secvault.access.grants import REQUEST
from secvault.clock import Clock
from secvault.crypto.canonical import JsonValue, canonical_json, parse_canonical
from secvault.errors import Conflict, Damaged, NotFound
from secvault.identity import names
from secvault.service.approval import Proposal
from secvault.store.tables import (
    approval,
    approval_request,
    reset_code,
    role_activation,
    role_grant,
)

OPEN, USED, REFUSED, WITHDRAWN, EXPIRED = "open", "used", "refused", "withdrawn", "expired"
LONGEST_REASON = 200
LARGEST_PAGE = 1000


@dataclass(frozen=True)
class Approval:
    """One person's yes. part: digest of the part of a code that they were shown, or None."""

    approver: str
    given_at: int
    part: bytes | None


@dataclass(frozen=True)
class Request:
    """What somebody asked for. Times in microseconds since the epoch, UTC.

    state: `open`, `used`, `refused`, `withdrawn`, or `expired`. ended_by: the subject who ended it.
    """

    id: str
    proposal: Proposal
    reason: str
    created_at: int
    expires_at: int
    state: str
    ended_at: int | None
    ended_by: str | None
    approvals: tuple[Approval, ...]

    @property
    def requester(self) -> str:
        """The subject who asked."""
        return self.proposal.subject


def make_request(
    connection: Connection, clock: Clock, proposal: Proposal, reason: str, seconds: int
) -> Request:
    """Ask for an approval; the open request of the same person for the same when there is one.

    reason: up to 200 characters. Raises InvalidInput.
    """
    shown = names.display_name(reason, "reason", LONGEST_REASON)
    now = clock.micros()
    column = approval_request.c
    same = (column.digest == proposal.digest, column.requester == proposal.subject)
    # One that ran out still holds the place in the index of open requests.
    connection.execute(
        update(approval_request)
        .where(*same, column.state == OPEN, column.expires_at <= now)
        .values(state=EXPIRED, ended_at=column.expires_at)
    )
    present = connection.execute(
        select(column.id).where(*same, column.state == OPEN)
    ).scalar_one_or_none()
    if present is not None:
        return read_request(connection, clock, present)
    request_id = names.new_id(clock)
    connection.execute(
        insert(approval_request).values(
            id=request_id,
            action=proposal.action,
            department=proposal.department,
            object=proposal.object,
            resource=proposal.resource,
            terms=canonical_json(dict(proposal.terms)).decode(),
            digest=proposal.digest,
            requester=proposal.subject,
            reason=shown,
            created_at=now,
            expires_at=now + seconds * 1_000_000,
            state=OPEN,
            ended_at=None,
            ended_by=None,
        )
    )
    return read_request(connection, clock, request_id)


def read_request(connection: Connection, clock: Clock, request_id: str) -> Request:
    """The request with this id. Raises NotFound, Damaged."""
    row = None
    if names.is_id(request_id):
        row = connection.execute(
            select(approval_request).where(approval_request.c.id == request_id)
        ).one_or_none()
    if row is None:
        raise NotFound(f"there is no request with the id {request_id[:64]!r}")
    return _requests(connection, clock, [row])[0]


def open_requests_for(connection: Connection, clock: Clock, digest: str) -> tuple[Request, ...]:
    """The requests that propose this and can still be used, the oldest first."""
    column = approval_request.c
    rows = connection.execute(
        select(approval_request)
        .where(column.digest == digest, column.state == OPEN, column.expires_at > clock.micros())
        .order_by(column.id)
    ).all()
    return _requests(connection, clock, rows)


def used_without_code(connection: Connection, clock: Clock, digest: str) -> Request | None:
    """The request that the present transaction has used up for a reset, which has no code yet."""
    column = approval_request.c
    rows = connection.execute(
        select(approval_request)
        .join_from(approval_request, reset_code, reset_code.c.request == column.id, isouter=True)
        .where(column.digest == digest, column.state == USED, reset_code.c.id.is_(None))
        .order_by(column.id.desc())
        .limit(1)
    ).all()
    found = _requests(connection, clock, rows)
    return found[0] if found else None


def open_requests_of(connection: Connection, clock: Clock, action: str) -> tuple[Request, ...]:
    """The requests for this action that can still be used, the oldest first."""
    column = approval_request.c
    rows = connection.execute(
        select(approval_request)
        .where(column.action == action, column.state == OPEN, column.expires_at > clock.micros())
        .order_by(column.id)
    ).all()
    return _requests(connection, clock, rows)


def list_requests(
    connection: Connection,
    clock: Clock,
    *,
    requester: str | None = None,
    pending: bool = False,
    limit: int = LARGEST_PAGE,
) -> tuple[Request, ...]:
    """Requests, the newest first. requester: whose; None for everybody's. pending: open ones."""
    column = approval_request.c
    question = select(approval_request).order_by(column.id.desc()).limit(limit)
    if requester is not None:
        question = question.where(column.requester == requester)
    if pending:
        question = question.where(column.state == OPEN, column.expires_at > clock.micros())
    return _requests(connection, clock, connection.execute(question).all())


def add_approval(
    connection: Connection, clock: Clock, request: Request, approver: str, part: bytes | None
) -> None:
    """Say yes, once more in place of one's earlier yes. Raises Conflict when it is not open."""
    hold_open(connection, clock, request.id)
    column = approval.c
    connection.execute(
        delete(approval).where(column.request == request.id, column.approver == approver)
    )
    connection.execute(
        insert(approval).values(
            request=request.id,
            approver=approver,
            requester=request.requester,
            digest=request.proposal.digest,
            given_at=clock.micros(),
            part=part,
        )
    )


def set_expiry(connection: Connection, request_id: str, expires_at: int) -> None:
    """Let an open request wait until then."""
    connection.execute(
        update(approval_request)
        .where(approval_request.c.id == request_id, approval_request.c.state == OPEN)
        .values(expires_at=expires_at)
    )


def used_now(connection: Connection, digest: str, subject: str) -> str | None:
    """The id of the request that the present transaction has used up for this deed of `subject`.

    Each request gives one grant, which names it; it is the one that has given none yet.
    """
    column = approval_request.c
    source = literal(REQUEST) + column.id
    given = select(role_grant.c.id).where(role_grant.c.source == source).exists()
    noted = select(role_activation.c.grant_id).where(role_activation.c.request == column.id)
    return connection.execute(
        select(column.id)
        .where(
            column.digest == digest,
            column.state == USED,
            column.ended_by == subject,
            ~given,
            ~noted.exists(),
        )
        .order_by(column.id.desc())
        .limit(1)
    ).scalar_one_or_none()


def end_request(
    connection: Connection, clock: Clock, request_id: str, state: str, subject: str
) -> None:
    """End an open request, once. Raises Conflict when it was ended or ran out meanwhile."""
    column = approval_request.c
    ended = connection.execute(
        update(approval_request)
        .where(column.id == request_id, column.state == OPEN, column.expires_at > clock.micros())
        .values(state=state, ended_at=clock.micros(), ended_by=subject)
    )
    if ended.rowcount != 1:
        raise _over()


def hold_open(connection: Connection, clock: Clock, request_id: str) -> None:
    """Have whoever uses or ends the request wait for the caller. Raises Conflict if it is over."""
    column = approval_request.c
    held = connection.execute(
        select(column.id)
        .where(column.id == request_id, column.state == OPEN, column.expires_at > clock.micros())
        .with_for_update()
    ).one_or_none()
    if held is None:
        raise _over()


def _over() -> Conflict:
    return Conflict("this request is over; ask again")


def _requests(
    connection: Connection, clock: Clock, rows: Iterable[Row[Any]]
) -> tuple[Request, ...]:
    found = list(rows)
    column = approval.c
    given: dict[str, list[Approval]] = {row.id: [] for row in found}
    for one in connection.execute(
        select(approval)
        .where(column.request.in_(given), column.digest == approval_request.c.digest)
        .join_from(approval, approval_request, approval_request.c.id == column.request)
        .order_by(column.given_at, column.approver)
    ):
        given[one.request].append(Approval(one.approver, one.given_at, one.part))
    return tuple(_request(row, tuple(given[row.id]), clock.micros()) for row in found)


def _request(row: Row[Any], given: tuple[Approval, ...], now: int) -> Request:
    terms: JsonValue = parse_canonical(row.terms.encode(), "A stored request")
    if not isinstance(terms, dict):
        raise Damaged("A stored request is damaged")
    proposal = Proposal(row.requester, row.action, row.department, row.object, row.resource, terms)
    if proposal.digest != row.digest:
        raise Damaged("a stored request for approval is not what was asked for; restore it")
    over = row.state == OPEN and row.expires_at <= now
    return Request(
        row.id,
        proposal,
        row.reason,
        row.created_at,
        row.expires_at,
        EXPIRED if over else row.state,
        row.ended_at,
        row.ended_by,
        given,
    )
