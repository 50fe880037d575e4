"""Erasures over HTTP: what goes for good, and the proof of it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Body, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.records.erasure import Erasure
from secvault.service import Service
from secvault.service.erasing import erasures
from secvault.service.erasing.reach import Reach
from secvault.service.erasing.target import LONGEST_REASON, Kind, target_of
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["erasures"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
ErasureId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]


class NewErasure(BaseModel):
    """What is to be erased for good: a person in all collections and in the audit log, a subject or
    record of one, or what is personal of one who acts in the log.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    kind: Literal["person", "subject", "record", "log"]
    collection: str = Field("", max_length=63, description="Empty for a person and for the log.")
    target: str = Field(
        min_length=1,
        max_length=200,
        description="A person's number, a data subject, a record id; of the log, `user:<id>`.",
    )
    reason: str = Field(max_length=1024, description=f"Why; 1 to {LONGEST_REASON} characters.")


class ReachAnswer(BaseModel):
    """How far it has come in the backups.

    known: every plan knows of it, so that no restore brings it back. gone_after: with the first run
    of each plan after this its keys are in no backup any more; null while it is not known.
    """

    known: bool
    gone_after: str | None
    gone: bool


class ErasedAnswer(BaseModel):
    """What was erased. shared: records whose data key stays, because others share it. entries: of
    the audit log, of which what was personal is gone.
    """

    id: str
    records: int
    fields: int
    keys: int
    shared: int
    scrubbed: bool = Field(description="Whether nothing of it is left in the database's files.")
    backups: ReachAnswer
    entries: int


class ErasureAnswer(BaseModel):
    """An erasure."""

    id: str
    kind: str
    asked_by: str
    at: str
    records: int
    keys: int
    backups: ReachAnswer


class ErasureList(BaseModel):
    """The newest erasures, newest first."""

    erasures: list[ErasureAnswer]


class ErasureEvidence(BaseModel):
    """The signed evidence: its exact bytes as text, and the note over their SHA-256."""

    document: str
    note: str


@router.post("/erasures", status_code=201)
@operation("{department}/{collection}", "record.erase")
def erasure_make(at: Authenticated, asked: Annotated[NewErasure, Body()]) -> ErasedAnswer:
    """Erase for good. Needs a second person's approval; 409 while a legal hold is on it."""
    service, who = at
    target = target_of(service, Kind(asked.kind), asked.collection, asked.target)
    done = erasures.erase(service, who, target, asked.reason)
    return ErasedAnswer(
        id=done.id,
        records=done.records,
        fields=done.fields,
        keys=done.keys,
        shared=done.shared,
        scrubbed=done.scrubbed,
        backups=_reach(done.reach),
        entries=done.entries,
    )


@router.get("/erasures")
@operation("it/erasures", "erasure.read")
def erasure_list(
    at: Authenticated, limit: Annotated[int, Query(ge=1, le=erasures.LARGEST_PAGE)] = 50
) -> ErasureList:
    """The newest erasures, and whether they have reached the backups."""
    service, who = at
    found = erasures.list_erasures(service, who, limit)
    return ErasureList(erasures=[_erasure(one, reach) for one, reach in found])


@router.get("/erasures/{erasure}/evidence")
@operation("it/erasures", "erasure.read")
def erasure_evidence(at: Authenticated, erasure: ErasureId) -> ErasureEvidence:
    """The signed evidence of an erasure."""
    service, who = at
    _, document, note, _ = erasures.read_evidence(service, who, erasure)
    return ErasureEvidence(document=document.decode(), note=note.decode())


def _erasure(one: Erasure, reach: Reach) -> ErasureAnswer:
    return ErasureAnswer(
        id=one.id,
        kind=one.kind,
        asked_by=one.asked_by,
        at=timestamp(one.at),
        records=one.records,
        keys=one.keys,
        backups=_reach(reach),
    )


def _reach(reach: Reach) -> ReachAnswer:
    after = None if reach.gone_after is None else timestamp(reach.gone_after)
    return ReachAnswer(known=reach.known, gone_after=after, gone=reach.gone)
