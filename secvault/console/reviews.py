"""Access reviews: what the visitor is asked to review, and how each review stands."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Form, Path, Query, Request
from starlette.responses import Response

from secvault.access import DEPARTMENTS
from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.console.forms import MENDABLE, Fault, Reason, Text, Word, because, fault_of
from secvault.console.page import elsewhere, page
from secvault.console.visitor import Visiting, Visitor
from secvault.errors import InvalidInput, NotFound
from secvault.service.reviews import campaigns, decisions, operations, starting, views
from secvault.service.reviews.decisions import Verdict
from secvault.service.reviews.facts import Scope
from secvault.service.reviews.starting import Plan
from secvault.service.reviews.views import ItemView

router = Routes(include_in_schema=False)

PATH = "/reviews"
START = "/new-review"
PAGE = 50
STATES = (
    *campaigns.UNDECIDED,
    campaigns.KEPT,
    campaigns.SHORTENED,
    campaigns.REVOKED,
    campaigns.LAPSED,
    campaigns.VOID,
)
OWN = ("review.own", "review.read", "review.start")
USUAL_DAYS = "30"

Id = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
After = Annotated[str, Query(max_length=64)]


@router.get(PATH)
@operation("it/reviews", *OWN)
def review_list(request: Request, at: Visiting, after: After = "") -> Response:
    """What the visitor is asked to review, and all reviews for who may read them."""
    return _list(request, at, after)


@router.post(f"{PATH}/items/{{item}}")
@operation("it/reviews/{item}", "review.decide", *OWN)
def decide(
    request: Request,
    at: Visiting,
    item: Id,
    verdict: Word = "",
    comment: Text = "",
    days: Word = "",
    reason: Reason = "",
) -> Response:
    """Keep, shorten or revoke what the visitor reviews."""
    try:
        said = Verdict(verdict, comment, _days(days) if verdict == "shorten" else None)
        decisions.decide(at.service, because(at, reason), item, said)
    except MENDABLE as error:
        typed = {"item": item, "verdict": verdict, "comment": comment, "days": days}
        return _list(request, at, "", typed, fault_of(error), error.status)
    return elsewhere(PATH)


@router.get(START)
@operation("it/reviews", "review.start")
def start_form(request: Request, at: Visiting) -> Response:
    """The form that begins a review."""
    at.service.spine.decide(at.caller, views.operation("review.start"))
    return _start_form(request, at, {"name": "", "fallback": "", "days": USUAL_DAYS}, ())


@router.post(START)
@operation("it/reviews", "review.start")
def start(
    request: Request,
    at: Visiting,
    name: Text = "",
    department: Annotated[list[str] | None, Form(max_length=32)] = None,
    fallback: Word = "",
    days: Word = "",
    privileged_only: Word = "",
) -> Response:
    """Freeze who has what in these departments, and hand it out to be reviewed."""
    chosen = tuple(department or ())
    try:
        plan = Plan(
            name=name,
            scope=Scope(chosen, (), bool(privileged_only), systems=True),
            fallback=fallback,
            days=_days(days) or int(USUAL_DAYS),
        )
        made = starting.start(at.service, at.caller, plan)
    except MENDABLE as error:
        typed = {"name": name, "fallback": fallback, "days": days}
        return _start_form(request, at, typed, chosen, fault_of(error), error.status)
    return elsewhere(f"{PATH}/{made.campaign.id}")


@router.get(f"{PATH}/{{review}}")
@operation("it/reviews/{review}", "review.read", "review.finish", "review.reassign")
def review_page(
    request: Request,
    at: Visiting,
    review: Id,
    state: Annotated[str, Query(max_length=20)] = "",
    after: After = "",
) -> Response:
    """One review: how far it is, and its items."""
    return _review(request, at, review, state, after)


@router.post(f"{PATH}/{{review}}/items/{{item}}/reviewer")
@operation("it/reviews/{item}", "review.reassign", "review.read", "review.finish")
def reassign(
    request: Request, at: Visiting, review: Id, item: Id, reviewer: Word = "", state: Word = ""
) -> Response:
    """Have somebody else review an item. state: what the list was narrowed to."""
    try:
        operations.reassign(at.service, at.caller, item, reviewer.strip())
    except (*MENDABLE, NotFound) as error:
        fault = Fault(error.detail) if isinstance(error, NotFound) else fault_of(error)
        return _review(request, at, review, state, "", fault, error.status)
    narrowed = f"?{urlencode({'state': state})}" if state else ""
    return elsewhere(f"{PATH}/{review}{narrowed}")


@router.post(f"{PATH}/{{review}}/end")
@operation("it/reviews/{review}", "review.finish")
def finish(at: Visiting, review: Id) -> Response:
    """End a review in which everything is decided, and sign its evidence."""
    operations.finish(at.service, at.caller, review)
    return elsewhere(f"{PATH}/{review}")


def _list(
    request: Request,
    at: Visitor,
    after: str,
    typed: dict[str, str] | None = None,
    fault: Fault | None = None,
    status: int = 200,
) -> Response:
    own = operations.own_items(at.service, at.caller, after=after, limit=PAGE)
    may_read = at.may(views.operation("review.read"))
    return page(
        request,
        "reviews/list.html",
        status,
        visitor=at,
        own=own,
        first=PATH if after else "",
        following=_following(PATH, own, {}),
        campaigns=operations.list_campaigns(at.service, at.caller) if may_read else None,
        may_start=at.could(views.operation("review.start")),
        typed=typed or {"item": ""},
        fault=fault,
        now=at.service.clock.micros(),
    )


def _review(
    request: Request,
    at: Visitor,
    review: str,
    state: str,
    after: str,
    fault: Fault | None = None,
    status: int = 200,
) -> Response:
    if state and state not in STATES:
        raise InvalidInput.at("state", f"use one of {', '.join(STATES)}")
    found = operations.read_campaign(at.service, at.caller, review)
    items = operations.list_items(
        at.service,
        at.caller,
        review,
        states=(state,) if state else None,
        after=after,
        limit=PAGE,
    )
    view = {"state": state} if state else {}
    path = f"{PATH}/{review}"
    return page(
        request,
        "reviews/review.html",
        status,
        visitor=at,
        view=found,
        items=items,
        state=state,
        states=STATES,
        first=f"{path}?{urlencode(view)}" if after else "",
        following=_following(path, items, view),
        may_reassign=found.campaign.state != campaigns.FINISHED
        and at.could(views.operation("review.reassign", review)),
        undecided=campaigns.UNDECIDED,
        fault=fault,
        may_finish=at.could(views.operation("review.finish", review)),
        now=at.service.clock.micros(),
    )


def _start_form(
    request: Request,
    at: Visitor,
    typed: dict[str, str],
    chosen: tuple[str, ...],
    fault: Fault | None = None,
    status: int = 200,
) -> Response:
    return page(
        request,
        "reviews/new.html",
        status,
        visitor=at,
        typed=typed,
        chosen=chosen,
        fault=fault,
        departments=DEPARTMENTS,
    )


def _following(path: str, items: tuple[ItemView, ...], view: dict[str, str]) -> str:
    if len(items) < PAGE:
        return ""
    return f"{path}?{urlencode({**view, 'after': items[-1].item.id})}"


def _days(typed: str) -> int | None:
    if not typed.strip():
        return None
    try:
        return int(typed)
    except ValueError:
        raise InvalidInput.at("days", "write a number of days") from None
