"""Notices over HTTP: for administrators, and where a person wants to be told."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Body, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.identity.contacts import Contact
from secvault.notices.outbox import Notice, State
from secvault.service import Service, contacts, notifications
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["notifications"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
NoticeId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class NoticeAnswer(BaseModel):
    """A notice. It holds no address: `recipient` is a person's id or a channel's name."""

    id: str
    kind: str = Field(examples=["new_network"])
    recipient: str = Field(examples=["channel:security"])
    state: State
    attempts: int
    happened_at: str
    made_at: str
    next_try_at: str | None
    ended_at: str | None
    reason: str | None = Field(description="Why the last attempt failed.")


class NoticeList(BaseModel):
    """Notices, newest first, and how many there are in each state."""

    notices: list[NoticeAnswer]
    counts: dict[str, int]


class Tried(_Given):
    """The channel to try out."""

    channel: str = Field(min_length=1, max_length=63)


class ContactAnswer(BaseModel):
    """Where you are told of what happens to your account; empty for nowhere."""

    address: str
    language: str = Field(description="Empty for the installation's.")


class ContactChange(_Given):
    """What is to change; an empty text takes it away."""

    address: str | None = Field(None, max_length=300)
    language: Literal["", "en", "vi"] | None = None


@router.get("/notifications")
@operation("it/notifications", "notification.read")
def notification_list(
    at: Authenticated,
    state: Annotated[State | None, Query()] = None,
    after: Annotated[str, Query(max_length=36, description="Id that ended the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> NoticeList:
    """The notices, newest first."""
    service, who = at
    found = notifications.list_notices(service, who, state=state, after=after, limit=limit)
    return NoticeList(notices=[_answer(one) for one in found.notices], counts=dict(found.counts))


@router.get("/notifications/{notice}")
@operation("it/notifications/{notice}", "notification.read")
def notification_read(at: Authenticated, notice: NoticeId) -> NoticeAnswer:
    """One notice, and how far it is."""
    service, who = at
    return _answer(notifications.read_notice(service, who, notice))


@router.post("/notifications/test", status_code=202)
@operation("it/notifications", "notification.test")
def notification_test(at: Authenticated, tried: Annotated[Tried, Body()]) -> NoticeAnswer:
    """Send a test to a channel; the notice tells how it went."""
    service, who = at
    return _answer(notifications.ask_for_test(service, who, tried.channel))


@router.get("/contact")
@operation("it/people/self", "contact.read")
def contact_read(at: Authenticated) -> ContactAnswer:
    """Where you are told of what happens to your account."""
    service, who = at
    return _contact(contacts.own_contact(service, who))


@router.patch("/contact")
@operation("it/people/self", "contact.change")
def contact_change(at: Authenticated, change: Annotated[ContactChange, Body()]) -> ContactAnswer:
    """Change where you are told; the address before is told of it."""
    service, who = at
    changed = contacts.change_contact(
        service, who, address=change.address, language=change.language
    )
    return _contact(changed)


def _contact(found: Contact) -> ContactAnswer:
    return ContactAnswer(address=found.address, language=found.language)


def _answer(notice: Notice) -> NoticeAnswer:
    return NoticeAnswer(
        id=notice.id,
        kind=notice.kind,
        recipient=notice.recipient,
        state=notice.state,
        attempts=notice.attempts,
        happened_at=timestamp(notice.happened_at),
        made_at=timestamp(notice.made_at),
        next_try_at=timestamp(notice.next_try_at) if notice.state == "waiting" else None,
        ended_at=None if notice.ended_at is None else timestamp(notice.ended_at),
        reason=notice.reason,
    )
