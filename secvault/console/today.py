"""Today: whether the company is safe now, and what to do where it is not. The worst comes first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog
from fastapi import Request
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.console import today_access, today_backups, today_vault
from secvault.console.audit_integrity import INTEGRITY
from secvault.console.audit_view import ALERTS, READ_ALERTS
from secvault.console.first_steps import Guide, guide_for
from secvault.console.language import Language, language_of
from secvault.console.page import page
from secvault.console.today_concerns import Concern, lines_of
from secvault.console.visitor import Visiting, Visitor
from secvault.errors import SecvaultError
from secvault.service import audit_log, key_usage
from secvault.service.approvals import operations as approvals
from secvault.service.backup_status import Status

router = Routes(include_in_schema=False)

SHOWN_PLANS = 10
"""The worst of them; the page of backups has all."""

_ASKED = (
    today_backups.READ_BACKUPS,
    today_backups.READ_DRILLS,
    today_backups.READ_KIT,
    audit_log.VERIFY,
    READ_ALERTS,
    today_access.READ_PEOPLE,
    today_access.READ_TOKENS,
    today_access.READ_GRANTS,
)

Look = Callable[[], Iterable[Concern]]


@dataclass(frozen=True)
class Area:
    """What was looked at. name: a word of `today/words.html`. path: its page, if the visitor has
    one. concerns: how many there are.
    """

    name: str
    path: str
    concerns: int


@router.get("/")
@operation(
    "it",
    "session.self",
    "backup.read",
    "drill.read",
    "kit.read",
    "key.list",
    "alert.read",
    "audit.verify",
    "audit.read",
    "stream.read",
    "approval.read",
    "approval.read_role",
    "review.own",
    "review.read",
    "person.read",
    "token.read",
    "grant.read",
)
def today(request: Request, at: Visiting) -> Response:
    """What wants a person now, as far as this person may know."""
    # It looks some eighty times, and nothing that it says is to contradict the rest.
    with at.service.store.one_moment():
        return _today(request, at)


def _today(request: Request, at: Visitor) -> Response:
    plans: list[Status] = []

    def backups() -> Iterable[Concern]:
        plans.extend(today_backups.plans_of(at))
        return today_backups.backups(plans)

    looks = [
        (name, path, look)
        for name, path, allowed, look in _looks(at, language_of(request), backups, plans)
        if allowed
    ]
    seen = {name: _seen(name, look) for name, _, look in looks}
    areas = [Area(name, path, len(seen[name])) for name, path, _ in looks]
    concerns = [one for name, _, _ in looks for one in seen[name]]
    return page(
        request,
        "today.html",
        visitor=at,
        lines=lines_of(concerns),
        areas=areas,
        plans=plans[:SHOWN_PLANS],
        all_plans=len(plans),
        now=at.service.clock.micros(),
        guide=_guide(at),
    )


def _looks(
    at: Visitor, language: Language, backups: Look, plans: list[Status]
) -> tuple[tuple[str, str, bool, Look], ...]:
    """Name, page, whether the visitor may know, and the look; in the order of their weight."""
    allowed = at.may_each(_ASKED)
    sees_plans = today_backups.READ_BACKUPS in allowed
    sees_drills = sees_plans or today_backups.READ_DRILLS in allowed
    log = INTEGRITY if audit_log.VERIFY in allowed else ""
    service, who = at.service, at.caller
    return (
        ("log", log, True, lambda: today_vault.health(at)),
        ("backups", today_backups.BACKUPS, sees_plans, backups),
        ("drills", today_backups.DRILLS, sees_drills, lambda: today_backups.drills(at, plans)),
        (
            "kit",
            today_backups.KIT,
            today_backups.READ_KIT in allowed,
            lambda: today_backups.kit(at),
        ),
        ("alerts", ALERTS, READ_ALERTS in allowed, lambda: today_vault.alerts(at)),
        (
            "keys",
            today_vault.KEYS,
            key_usage.may_list(service, who),
            lambda: today_vault.keys(at),
        ),
        (
            "people",
            today_access.PEOPLE,
            today_access.READ_PEOPLE in allowed,
            lambda: today_access.factors(at),
        ),
        (
            "requests",
            today_access.APPROVALS,
            approvals.may_list(service, who),
            lambda: today_access.requests(at, language),
        ),
        ("reviews", today_access.REVIEWS, True, lambda: today_access.reviews(at)),
        (
            "tokens",
            today_access.SYSTEMS,
            today_access.READ_TOKENS in allowed,
            lambda: today_access.tokens(at),
        ),
        ("roles", "/access", today_access.READ_GRANTS in allowed, lambda: today_access.roles(at)),
    )


def _guide(at: Visitor) -> Guide:
    """The first steps; none where it cannot be known what is done."""
    try:
        return guide_for(at)
    except SecvaultError:
        # What is wrong stands among the concerns.
        return Guide((), 0, 0)


def _seen(name: str, look: Look) -> list[Concern]:
    """What the look found. One that fails keeps nobody from the others, and is a concern itself."""
    try:
        return list(look())
    except SecvaultError as error:
        structlog.get_logger().warning("today_not_seen", area=name, code=error.code)
        return [Concern("bad", "not-seen", name)]
