"""Access reviews over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Body, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.idle import EligibleAnswer
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.service import Service
from secvault.service.reviews import campaigns, decisions, evidence, operations, starting
from secvault.service.reviews.decisions import Verdict
from secvault.service.reviews.facts import Scope
from secvault.service.reviews.starting import Plan
from secvault.service.reviews.views import ItemView, View
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["reviews"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
Id = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
After = Annotated[str, Query(max_length=64, description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=campaigns.LARGEST_PAGE)]
State = Literal["", "open", "escalated", "kept", "shortened", "revoked", "lapsed", "void"]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class NewReview(_Given):
    """What is to be reviewed, and by whom."""

    name: str = Field(max_length=200)
    departments: tuple[str, ...] = Field((), max_length=32, description="Empty for all.")
    roles: tuple[str, ...] = Field((), max_length=100, description="Empty for all.")
    privileged_only: bool = False
    systems: bool = True
    heads: bool = Field(default=True, description="Whether heads review their departments.")
    reviewers: tuple[str, ...] = Field((), max_length=100, description="Sign-in names or ids.")
    fallback: str = Field("", max_length=64, description="Who reviews what nobody else can.")
    owner: str = Field("", max_length=64, description="Empty: you.")
    days: int = Field(30, ge=starting.SHORTEST_DAYS, le=starting.LONGEST_DAYS)
    overdue: Literal["revoke", "shorten"] = "revoke"
    overdue_days: int = Field(7, ge=1, le=365)


class NewDecision(_Given):
    """What a reviewer says of an item."""

    verdict: Literal["keep", "shorten", "revoke"]
    comment: str = Field(max_length=1024, description="Why; 1 to 500 characters.")
    days: int | None = Field(
        None, ge=1, le=decisions.MOST_DAYS, description="Until it ends; of `shorten` only."
    )


class NewReviewer(_Given):
    """Who reviews an item from now on."""

    reviewer: str = Field(max_length=64, description="Sign-in name or id.")


class PaceAnswer(BaseModel):
    """How fast a reviewer decided."""

    reviewer: str
    decided: int
    kept: int
    most_in_a_minute: int
    median_seconds: int | None


class ReviewAnswer(BaseModel):
    """A campaign. counts: its items by state. unassigned: those that nobody can review yet."""

    id: str
    name: str
    state: str
    owner: str
    owner_name: str
    started_by: str
    departments: list[str]
    roles: list[str]
    privileged_only: bool
    systems: bool
    overdue: str
    overdue_days: int
    started_at: str
    deadline: str
    finished_at: str | None
    counts: dict[str, int]
    unassigned: int
    systems_without_owner: list[str]
    eligible: list[EligibleAnswer]
    pace: list[PaceAnswer]


class ReviewList(BaseModel):
    """Campaigns, the newest first."""

    reviews: list[ReviewAnswer]


class ReviewItem(BaseModel):
    """A grant to be reviewed, as it was when the campaign began.

    ended: whether the grant has ended by itself since. last_used: a day; null for never, as far as
    is known.
    """

    id: str
    review: str
    grant: str
    subject: str
    name: str
    display_name: str
    role: str
    department: str
    source: str
    inherits: list[str]
    sensitive: list[str]
    privileged: bool
    granted_by: str
    granted_by_name: str
    created_at: str
    expires_at: str | None
    last_used: str | None
    last_seen: str | None
    orphan: str
    reviewer: str | None
    reviewer_name: str
    pair: bool
    state: str
    ended: bool
    decided_at: str | None
    comment: str | None
    new_end: str | None


class ReviewItems(BaseModel):
    """A page of items; `next` continues, null at the end."""

    items: list[ReviewItem]
    next: str | None


class ReviewEvidence(BaseModel):
    """The signed end of a campaign: its exact bytes as text, and the note over their SHA-256."""

    document: str
    note: str


@router.get("/reviews")
@operation("it/reviews", "review.read")
def review_list(at: Authenticated) -> ReviewList:
    """All access reviews."""
    service, who = at
    return ReviewList(reviews=[_review(one) for one in operations.list_campaigns(service, who)])


@router.post("/reviews", status_code=201)
@operation("it/reviews", "review.start")
def review_start(at: Authenticated, new: Annotated[NewReview, Body()]) -> ReviewAnswer:
    """Begin an access review: freeze who has what, and hand it out."""
    service, who = at
    plan = Plan(
        name=new.name,
        scope=Scope(new.departments, new.roles, new.privileged_only, new.systems),
        heads=new.heads,
        reviewers=new.reviewers,
        fallback=new.fallback,
        owner=new.owner,
        days=new.days,
        overdue=new.overdue,
        overdue_days=new.overdue_days,
    )
    return _review(starting.start(service, who, plan))


@router.get("/reviews/own")
@operation("it/reviews", "review.own")
def review_own(
    at: Authenticated, after: After = "", limit: Limit = 100, *, everything: bool = False
) -> ReviewItems:
    """What you are asked to review. everything: what is decided, too."""
    service, who = at
    found = operations.own_items(service, who, everything=everything, after=after, limit=limit)
    return _items(found, limit)


@router.get("/reviews/{review}")
@operation("it/reviews/{review}", "review.read")
def review_read(at: Authenticated, review: Id) -> ReviewAnswer:
    """One access review, with how fast its reviewers decided."""
    service, who = at
    return _review(operations.read_campaign(service, who, review))


@router.get("/reviews/{review}/items")
@operation("it/reviews/{review}", "review.read")
def review_items(
    at: Authenticated, review: Id, after: After = "", limit: Limit = 100, state: State = ""
) -> ReviewItems:
    """A page of the items of a review. state: only these."""
    service, who = at
    states = (state,) if state else None
    found = operations.list_items(service, who, review, states=states, after=after, limit=limit)
    return _items(found, limit)


@router.post("/reviews/items/{item}/decision", status_code=201)
@operation("it/reviews/{item}", "review.decide")
def review_decide(at: Authenticated, item: Id, new: Annotated[NewDecision, Body()]) -> ReviewItem:
    """Keep, shorten or revoke what you review; needs a second factor of the last five minutes."""
    service, who = at
    verdict = Verdict(new.verdict, new.comment, new.days)
    return _item(decisions.decide(service, who, item, verdict))


@router.post("/reviews/items/{item}/reviewer")
@operation("it/reviews/{item}", "review.reassign")
def review_reassign(at: Authenticated, item: Id, new: Annotated[NewReviewer, Body()]) -> ReviewItem:
    """Have somebody else review an item, never its holder."""
    service, who = at
    return _item(operations.reassign(service, who, item, new.reviewer))


@router.post("/reviews/{review}/end")
@operation("it/reviews/{review}", "review.finish")
def review_finish(at: Authenticated, review: Id) -> ReviewAnswer:
    """End a review in which everything is decided, and sign its evidence."""
    service, who = at
    return _review(operations.finish(service, who, review))


@router.get("/reviews/{review}/evidence")
@operation("it/reviews/{review}", "review.read")
def review_evidence(at: Authenticated, review: Id) -> ReviewEvidence:
    """The signed evidence of a finished review."""
    service, who = at
    _, document, note = evidence.read_evidence(service, who, review)
    return ReviewEvidence(document=document.decode(), note=note.decode())


@router.get(
    "/reviews/{review}/evidence.csv",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}, "description": "The items."}},
)
@operation("it/reviews/{review}", "review.read")
def review_csv(at: Authenticated, review: Id) -> Response:
    """The items of a finished review as CSV that no spreadsheet takes for formulas."""
    service, who = at
    document, _, _ = evidence.read_evidence(service, who, review)
    return Response(evidence.as_csv(document), media_type="text/csv")


def _review(view: View) -> ReviewAnswer:
    one = view.campaign
    return ReviewAnswer(
        id=one.id,
        name=one.name,
        state=one.state,
        owner=one.owner,
        owner_name=view.names[one.owner],
        started_by=one.started_by,
        departments=list(one.scope.departments),
        roles=list(one.scope.roles),
        privileged_only=one.scope.privileged_only,
        systems=one.scope.systems,
        overdue=one.overdue,
        overdue_days=one.overdue_days,
        started_at=timestamp(one.started_at),
        deadline=timestamp(one.deadline),
        finished_at=_time(one.finished_at),
        counts=dict(view.counts),
        unassigned=view.unassigned,
        systems_without_owner=list(one.frozen.ownerless),
        eligible=[
            EligibleAnswer.model_validate(evidence.as_row(each)) for each in one.frozen.eligible
        ],
        pace=[PaceAnswer(**vars(pace)) for pace in view.paces],
    )


def _items(found: tuple[ItemView, ...], limit: int) -> ReviewItems:
    following = found[-1].item.id if len(found) == limit else None
    return ReviewItems(items=[_item(view) for view in found], next=following)


def _item(view: ItemView) -> ReviewItem:
    item, facts = view.item, view.item.facts
    return ReviewItem(
        id=item.id,
        review=item.campaign,
        grant=item.grant_id,
        subject=item.subject,
        name=facts.name,
        display_name=facts.display_name,
        role=facts.role,
        department=facts.department,
        source=facts.source,
        inherits=list(facts.inherits),
        sensitive=list(facts.sensitive),
        privileged=facts.privileged,
        granted_by=facts.granted_by,
        granted_by_name=facts.granted_by_name,
        created_at=timestamp(facts.created_at),
        expires_at=_time(facts.expires_at),
        last_used=evidence.day(facts.last_used),
        last_seen=_time(facts.last_seen),
        orphan=facts.orphan,
        reviewer=item.reviewer,
        reviewer_name=view.reviewer_name,
        pair=facts.pair,
        state=item.state,
        ended=view.ended,
        decided_at=_time(item.decided_at),
        comment=item.comment,
        new_end=_time(item.new_end),
    )


def _time(micros: int | None) -> str | None:
    return None if micros is None else timestamp(micros)
