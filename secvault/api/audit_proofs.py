"""Proofs about the audit log over HTTP, and the log as tiles (c2sp.org/tlog-tiles)."""

from __future__ import annotations

import base64
from typing import Annotated

from fastapi import Depends, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.crypto.tiles import CHECKPOINT
from secvault.service import Service, audit_proofs
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1/audit", tags=["audit"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
Position = Annotated[int, Query(ge=0, le=2**53 - 1)]
Size = Annotated[int, Query(ge=1, le=2**53 - 1)]


class InclusionAnswer(BaseModel):
    """That the log has an event.

    entry: its exact leaf bytes, JSON. hashes: the proof of RFC 6962, base64, from the leaf up.
    checkpoint: the C2SP signed note that it leads to. proof: both as text
    (c2sp.org/tlog-proof).
    """

    seq: int
    entry: str
    hashes: list[str]
    checkpoint: str
    proof: str


class ConsistencyAnswer(BaseModel):
    """That one checkpoint only appended to another. hashes: the proof of RFC 6962, base64."""

    old: str
    new: str
    hashes: list[str]


class RangeAnswer(BaseModel):
    """That these are all events from `start` to below `end`.

    leaves: their hashes, base64, in order. hashes: those of the largest subtrees on either side,
    left to right. checkpoint: the C2SP signed note whose root they all fold to.
    """

    start: int
    end: int
    leaves: list[str]
    hashes: list[str]
    checkpoint: str


@router.get("/events/{seq}/proof")
@operation("it/audit", "audit.read")
def event_proof(
    at: Authenticated, seq: Annotated[int, Path(ge=0, le=2**53 - 1)]
) -> InclusionAnswer:
    """The inclusion proof of one event against the newest signed checkpoint."""
    service, who = at
    found = audit_proofs.prove_event(service, who, seq)
    return InclusionAnswer(
        seq=found.seq,
        entry=found.entry.decode(),
        hashes=[base64.b64encode(each).decode() for each in found.hashes],
        checkpoint=found.note.decode(),
        proof=found.format(),
    )


@router.get("/consistency")
@operation("it/audit", "audit.read")
def audit_consistency(at: Authenticated, old: Size, new: Size | None = None) -> ConsistencyAnswer:
    """The proof that the checkpoint of size `new`, else the newest, continues that of `old`."""
    service, who = at
    found = audit_proofs.prove_growth(service, who, old, new)
    return ConsistencyAnswer(
        old=found.old.decode(),
        new=found.new.decode(),
        hashes=[base64.b64encode(each).decode() for each in found.hashes],
    )


@router.get("/range")
@operation("it/audit", "audit.read")
def audit_range(at: Authenticated, start: Position, end: Size) -> RangeAnswer:
    """The proof that the log has these events from `start` to below `end`, and no others there.

    At most 10,000; `/audit/exports` proves longer periods, and shows what happened in them.
    """
    service, who = at
    found = audit_proofs.prove_range(service, who, start, end)
    return RangeAnswer(
        start=found.start,
        end=found.end,
        leaves=[base64.b64encode(each).decode() for each in found.leaves],
        hashes=[base64.b64encode(each).decode() for each in found.hashes],
        checkpoint=found.note.decode(),
    )


@router.get(
    "/log/{path:path}",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}, "text/plain": {}}}},
)
@operation("it/audit", "audit.read")
def log_tile(at: Authenticated, path: Annotated[str, Path(max_length=128)]) -> Response:
    """The log in the layout of tlog-tiles: `checkpoint`, `tile/<L>/<N>`, `tile/entries/<N>`."""
    service, who = at
    content = audit_proofs.read_tile(service, who, path)
    if path == CHECKPOINT:
        return Response(content, media_type="text/plain; charset=utf-8")
    return Response(content, media_type="application/octet-stream")
