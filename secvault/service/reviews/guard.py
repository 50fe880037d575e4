"""What no review may do: leave nobody who administers, or fewer than two who can approve."""

from __future__ import annotations

from sqlalchemy import Connection

from secvault.access import Grant, list_grants
from secvault.service.approvals.approvers import Approvers
from secvault.service.service import Service

_ROLE, _DEPARTMENT = "role:it.admin", "it"


def no_administrator_after(connection: Connection, ending: Grant, at: int) -> bool:
    """Whether nobody active would administer from `at` on (microseconds) if this grant ended then.

    Grants that end before by themselves are not counted on.
    """
    if (ending.role, ending.department) != (_ROLE, _DEPARTMENT):
        return False
    if not Approvers.active(connection, [ending.subject]):
        return False
    left = {
        grant.subject
        for grant in list_grants(connection, role=_ROLE, department=_DEPARTMENT, valid_at=at)
        if grant.id != ending.id
    }
    return not Approvers.active(connection, left)


def too_few_after(service: Service, connection: Connection, ending: Grant, at: int) -> bool:
    """Whether that, or that fewer than two could approve: then no job takes it away."""
    return no_administrator_after(connection, ending, at) or service.approvers.too_few_after(
        connection, ending, at
    )
