"""Legal holds over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Body, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.records.hold import Hold, HoldKind
from secvault.service import Service
from secvault.service.erasing import holds
from secvault.service.erasing.target import LONGEST_REASON
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["holds"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
HoldId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
Reason = Annotated[
    str, Field(max_length=1024, description=f"Why; 1 to {LONGEST_REASON} characters.")
]


class NewHold(BaseModel):
    """What must not be erased: a person in all collections, or something of one, or all of it.

    Or the audit log, whose entries from a moment on must stay in the store.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    kind: Literal["person", "subject", "record", "collection", "log"]
    collection: str = Field("", max_length=63, description="Empty for a person and for the log.")
    target: str = Field(
        "",
        max_length=200,
        description="A person's number, a data subject, a record's id, the moment from which on "
        "the log is held (RFC 3339); empty for a collection.",
    )
    reason: Reason


class Lifting(BaseModel):
    """Why a hold ends."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    reason: Reason


class HoldAnswer(BaseModel):
    """A hold; the last three null while it is in force."""

    id: str
    kind: str
    collection: str | None
    target: str | None
    reason: str
    placed_by: str
    placed_at: str
    lifted_by: str | None
    lifted_at: str | None
    lift_reason: str | None


class HoldList(BaseModel):
    """The holds, oldest first."""

    holds: list[HoldAnswer]


@router.get("/holds")
@operation("it/holds", "hold.read")
def hold_list(
    at: Authenticated,
    *,
    lifted: Annotated[bool, Query(description="With those that were lifted.")] = False,
) -> HoldList:
    """The legal holds."""
    service, who = at
    found = holds.list_holds(service, who, lifted=lifted)
    return HoldList(holds=[_hold(one) for one in found])


@router.post("/holds", status_code=201)
@operation("it/holds", "hold.place")
def hold_place(at: Authenticated, asked: Annotated[NewHold, Body()]) -> HoldAnswer:
    """Forbid that something be erased. Needs a second person's approval."""
    service, who = at
    kind = HoldKind(asked.kind)
    return _hold(holds.place(service, who, kind, asked.collection, asked.target, asked.reason))


@router.post("/holds/{hold}/lifting")
@operation("it/holds", "hold.lift")
def hold_lift(at: Authenticated, hold: HoldId, why: Annotated[Lifting, Body()]) -> HoldAnswer:
    """Lift a hold. Needs a second person's approval."""
    service, who = at
    return _hold(holds.lift(service, who, hold, why.reason))


def _hold(hold: Hold) -> HoldAnswer:
    return HoldAnswer(
        id=hold.id,
        kind=hold.kind,
        collection=hold.collection or None,
        target=hold.target or None,
        reason=hold.reason,
        placed_by=hold.placed_by,
        placed_at=timestamp(hold.placed_at),
        lifted_by=hold.lifted_by,
        lifted_at=_time(hold.lifted_at),
        lift_reason=hold.lift_reason,
    )


def _time(micros: int | None) -> str | None:
    return None if micros is None else timestamp(micros)
