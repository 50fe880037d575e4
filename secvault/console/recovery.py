"""The recovery kit: whether what people have in hand brings the company back; issued anew."""

from __future__ import annotations

from collections import Counter
from itertools import zip_longest
from typing import Annotated, Literal

from fastapi import Form, Request
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.console.forms import Reason, because
from secvault.console.language import language_of
from secvault.console.page import elsewhere, page
from secvault.console.visitor import Visiting
from secvault.recovery.pages import FORMATS
from secvault.service import recovery_kit_status, recovery_kits
from secvault.service.known_names import known_names

router = Routes(include_in_schema=False)

PATH = "/recovery"

_TYPES = {"json": "application/json", **FORMATS}


@router.get(PATH)
@operation("it/recovery/kit", "kit.read", "kit.renew", "kit.take")
def overview(request: Request, at: Visiting) -> Response:
    """How the kit stands, who holds how many shares, and what copies in hand lack by now."""
    found = recovery_kit_status.read_status(at.service, at.caller)
    told = [found.kit.issued_by] if found.kit else []
    told += [found.taken.taken_by or ""] if found.taken else []
    return page(
        request,
        "recovery/overview.html",
        visitor=at,
        found=found,
        names=known_names(at.service, told),
        holders=Counter(found.holders),
        may_issue=at.could(recovery_kits.operation("kit.issue")),
        may_renew=found.kit is not None and at.may(recovery_kits.operation("kit.renew")),
        may_take=found.kit is not None and at.may(recovery_kits.operation("kit.take")),
        now=at.service.clock.micros(),
    )


@router.post(PATH + "/issue")
@operation("it/recovery/kit", "kit.issue", "kit.renew")
def issue(request: Request, at: Visiting, reason: Reason = "") -> Response:
    """Issue the kit with new shares, which are shown on this page, once."""
    made = recovery_kits.issue_kit(at.service, because(at, reason), new_shares=True)
    holders = at.service.settings.recovery.holders
    words = [one.text() for one in made.words]
    return page(
        request,
        "recovery/shares.html",
        visitor=at,
        shares=list(zip_longest(words, holders[: len(words)], fillvalue="")),
        needed=made.head.shares.threshold,
    )


@router.post(PATH + "/renew")
@operation("it/recovery/kit", "kit.renew")
def renew(at: Visiting) -> Response:
    """Issue the kit anew for the shares that its holders have; nothing secret is shown by it."""
    recovery_kits.renew_kit(at.service, at.caller)
    return elsewhere(PATH)


@router.post(PATH + "/take")
@operation("it/recovery/kit", "kit.take")
def take(
    request: Request,
    at: Visiting,
    form: Annotated[Literal["pdf", "html", "json"], Form(alias="format")] = "pdf",
) -> Response:
    """The newest kit, to be printed or kept; that it was taken is on record."""
    taken = recovery_kits.take_kit(at.service, at.caller)
    return Response(
        recovery_kits.in_form(taken, form, language_of(request).code),
        media_type=_TYPES[form],
        headers={"Content-Disposition": f'attachment; filename="kit.{form}"'},
    )
