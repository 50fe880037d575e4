"""The recovery kit over HTTP: how it stands, issued, taken out, and a file of it checked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Body, Depends, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.recovery.contents import Change
from secvault.recovery.pages import FORMATS
from secvault.recovery.stored import Place
from secvault.service import Service, recovery_kit_status, recovery_kits
from secvault.service.recovery_kits import Issued
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1/recovery/kit", tags=["recovery"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
State = Literal["missing", "behind", "stale", "outdated", "unwritten", "good"]
_TYPES = {"json": "application/json", **FORMATS}


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class NewKit(_Given):
    """new_shares: make new ones in place of those in force. They are made the first time anyway."""

    new_shares: bool = False


class GivenKit(_Given):
    """The text of a kit's file."""

    kit: str = Field(max_length=1_048_576)


class ChangeAnswer(BaseModel):
    """What is not as the kit has it. grave: the kit opens less than it should by that."""

    what: str
    subject: str
    how: Literal["added", "removed", "changed"]
    grave: bool


class PlaceAnswer(BaseModel):
    """Where kits are written. kit: the last one there; fault: why not the newest."""

    place: str
    kit: str | None
    written_at: str | None
    fault: str | None


class KitAnswer(BaseModel):
    """How the kit stands; see docs/how-to/recovery-kit.md for the states.

    taken_kit: the newest that somebody took out; lacking: what that one lacks by now. holders: who
    has the shares, one for each, as far as the settings name them.
    """

    state: State
    kit: str | None
    digest: str | None
    issued_at: str | None
    issued_by: str | None
    changes: list[ChangeAnswer]
    taken_kit: str | None
    taken_at: str | None
    taken_by: str | None
    lacking: list[ChangeAnswer]
    too_old: bool
    stale_because: str | None
    shares: int | None
    threshold: int | None
    shares_set: int | None
    shares_made_at: str | None
    holders: list[str]
    other_numbers: bool
    root_rotated_since_shares: bool
    places: list[PlaceAnswer]
    unwritten: list[str]


class IssuedAnswer(BaseModel):
    """A kit that was issued. shares: the words of each, shown this once; none where they stay."""

    kit: str
    digest: str
    issued_at: str
    threshold: int
    shares_set: int
    shares: list[str]
    places: list[PlaceAnswer]


class CheckedAnswer(BaseModel):
    """What is to be said of a kit's file. known: whether this vault knows that it issued it."""

    kit: str
    issued_at: str
    newest: bool
    known: bool
    changes: list[ChangeAnswer]


_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The kit: its file, or its pages.",
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}}
            for media_type in _TYPES.values()
        },
    }
}


@router.get("")
@operation("it/recovery/kit", "kit.read")
def kit_status(at: Authenticated) -> KitAnswer:
    """Whether there is a kit, whether it is right, and what copies in hand lack by now."""
    service, who = at
    found = recovery_kit_status.read_status(service, who)
    kit, taken, shares = found.kit, found.taken, found.shares
    return KitAnswer(
        state=found.state,
        kit=kit.id if kit else None,
        digest=kit.digest if kit else None,
        issued_at=_moment(kit.issued_at if kit else None),
        issued_by=kit.issued_by if kit else None,
        changes=[_change(one) for one in found.changes],
        taken_kit=taken.id if taken else None,
        taken_at=_moment(taken.taken_at if taken else None),
        taken_by=taken.taken_by if taken else None,
        lacking=[_change(one) for one in found.lacking],
        too_old=found.too_old,
        stale_because=found.stale_because or None,
        shares=shares.shares if shares else None,
        threshold=shares.threshold if shares else None,
        shares_set=shares.identifier if shares else None,
        shares_made_at=_moment(shares.made_at if shares else None),
        holders=[*found.holders],
        other_numbers=found.other_numbers,
        root_rotated_since_shares=found.root_since,
        places=[_place(one) for one in found.places],
        unwritten=[*found.unwritten],
    )


@router.post("", status_code=201)
@operation("it/recovery/kit", "kit.issue", "kit.renew")
def kit_issue(
    at: Authenticated, given: Annotated[NewKit, Body()], response: Response
) -> IssuedAnswer:
    """Issue the kit; with new shares, which are in this answer and nowhere else, where asked."""
    service, who = at
    made = recovery_kits.issue_kit(service, who, new_shares=given.new_shares)
    response.headers["Cache-Control"] = "no-store"
    return _issued(made)


@router.get("/file", response_class=Response, responses=_FILE)
@operation("it/recovery/kit", "kit.take")
def kit_file(
    at: Authenticated,
    form: Annotated[Literal["json", "pdf", "html"], Query(alias="format")] = "json",
    language: Literal["en", "vi"] = "en",
) -> Response:
    """Take the newest kit out: its file, or its pages to print. That it was taken is on record."""
    service, who = at
    taken = recovery_kits.take_kit(service, who)
    return Response(
        recovery_kits.in_form(taken, form, language),
        media_type=_TYPES[form],
        headers={
            "Content-Disposition": f'attachment; filename="kit.{form}"',
            "Cache-Control": "no-store",
        },
    )


@router.post("/verification")
@operation("it/recovery/kit", "kit.read")
def kit_verify(at: Authenticated, given: Annotated[GivenKit, Body()]) -> CheckedAnswer:
    """Whether a kit's file is this vault's own and unchanged, and what it lacks by now."""
    service, who = at
    found = recovery_kit_status.verify_kit(service, who, given.kit.encode())
    return CheckedAnswer(
        kit=found.kit,
        issued_at=timestamp(found.issued_at),
        newest=found.newest,
        known=found.known,
        changes=[_change(one) for one in found.changes],
    )


def _issued(made: Issued) -> IssuedAnswer:
    return IssuedAnswer(
        kit=made.head.kit,
        digest=made.head.digest,
        issued_at=timestamp(made.head.issued_at),
        threshold=made.head.shares.threshold,
        shares_set=made.head.shares.set_id,
        shares=[words.text() for words in made.words],
        places=[_place(one) for one in made.places],
    )


def _change(one: Change) -> ChangeAnswer:
    return ChangeAnswer(what=one.what, subject=one.subject, how=one.how, grave=one.grave)


def _place(one: Place) -> PlaceAnswer:
    return PlaceAnswer(
        place=one.place,
        kit=one.kit,
        written_at=_moment(one.written_at),
        fault=one.fault or None,
    )


def _moment(at: int | None) -> str | None:
    return None if at is None else timestamp(at)
