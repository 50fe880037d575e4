"""The seal: of which kind, whether it is open, and since when. Nothing secret is on this page."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from secvault.api.caller import node_of
from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.audit.query import Question
from secvault.console.page import page
from secvault.console.visitor import Visiting, Visitor
from secvault.service import audit_log, seals
from secvault.service.audit_log import LOG

router = Routes(include_in_schema=False)


@router.get("/seal")
@operation("it/vault/seal", "session.self", "audit.read")
def seal(request: Request, at: Visiting) -> Response:
    """How the vault is, as everybody may know; since when, for who may read the audit log."""
    return page(
        request,
        "keys/seal.html",
        visitor=at,
        seal=seals.state(at.service, node_of(request)),
        since=_since(at),
        now=at.service.clock.micros(),
    )


def _since(at: Visitor) -> int | None:
    """When people last unsealed it. What opens by itself puts nothing on record."""
    if not at.may(LOG):
        return None
    found = audit_log.read_events(
        at.service, at.caller, Question(kind="vault.unseal", outcome="ok"), None, 1
    )
    return found.events[0].t if found.events else None
