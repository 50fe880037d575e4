"""Whose clocks the pages go by for this visitor: chosen here, kept by the browser alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Annotated

from fastapi import Form, Request
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.console.audit_kinds import say
from secvault.console.forms import Fault, fault_of
from secvault.console.page import elsewhere, keep_choice, own_path, page
from secvault.console.visitor import Visiting, Visitor
from secvault.console.zone import COOKIE, company_zone, known_zones, local, offset_of, require_known
from secvault.errors import InvalidInput

router = Routes(include_in_schema=False)

PATH = "/account/time-zone"
REGIONS = {
    "Africa": say("Africa"),
    "America": say("America"),
    "Antarctica": say("Antarctica"),
    "Arctic": say("The Arctic"),
    "Asia": say("Asia"),
    "Atlantic": say("The Atlantic"),
    "Australia": say("Australia"),
    "Europe": say("Europe"),
    "Indian": say("The Indian Ocean"),
    "Pacific": say("The Pacific"),
    "UTC": say("Everywhere"),
}
"""What the first parts of the zones' names are called, by messages."""

Next = Annotated[str, Form(alias="next", max_length=500)]


@router.get(PATH)
@operation("it/people/self", "session.self")
def zone_form(request: Request, at: Visiting, next: str = "/account") -> Response:  # noqa: A002 - the field's word
    """The zones to choose from, each with how far its clocks are from UTC now."""
    return _form(request, at, own_path(next))


@router.post(PATH)
@operation("it/people/self", "session.self")
def choose_zone(
    request: Request,
    at: Visiting,
    time_zone: Annotated[str, Form(max_length=64)] = "",
    to: Next = "/account",
) -> Response:
    """Have the pages go by the clocks of a zone from now on; by the company's for none."""
    answer = elsewhere(own_path(to))
    try:
        keep_choice(answer, COOKIE, require_known(time_zone) if time_zone else "")
    except InvalidInput as error:
        return _form(request, at, own_path(to), fault_of(error))
    return answer


def _form(request: Request, at: Visitor, to: str, fault: Fault | None = None) -> Response:
    now = at.service.clock.micros()
    return page(
        request,
        "account/time_zone.html",
        422 if fault else 200,
        visitor=at,
        fault=fault,
        to=to,
        now=now,
        chosen=request.cookies.get(COOKIE, ""),
        company=company_zone(request),
        regions=[(REGIONS[name], tuple(zones)) for name, zones in _by_region(now)],
    )


def _by_region(now: int) -> Iterator[tuple[str, Iterator[tuple[str, str, str]]]]:
    """The regions, each with the zones in it as (name, place, offset now)."""
    for region, names in groupby(known_zones(), key=lambda name: name.partition("/")[0]):
        yield region, ((name, _place(name), offset_of(local(now, name))) for name in names)


def _place(zone: str) -> str:
    return zone.partition("/")[2].replace("_", " ").replace("/", ", ") or zone
