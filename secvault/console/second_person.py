"""What is shown where a second person must approve: how to ask one, and what happens then.

Any form may have a field `approval_reason`; one without it gets a page that asks for the reason,
and sends the form again with it.
"""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from secvault.console.again import Stopped
from secvault.console.page import page
from secvault.console.visitor import Visitor
from secvault.errors import ApprovalRequired
from secvault.service.approvals.requests import LONGEST_REASON

REASON = "approval_reason"
"""The field of a form that `visitor.visitor` takes the reason from."""


def ask(request: Request, visitor: Visitor, error: ApprovalRequired, what: Stopped) -> Response:
    """The page that asks for a reason; or, once others were asked, says who does what next."""
    return page(
        request,
        "approvals/second_person.html",
        error.status,
        visitor=visitor,
        what=what.without(REASON),
        asked=error.request,
        digest=error.digest,
        reason_field=REASON,
        longest=LONGEST_REASON,
    )
