"""A view of the log as its URL says it: filters and where in the pages one is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, get_args
from urllib.parse import urlencode

from babel.numbers import format_decimal
from fastapi import Depends, Query, Request
from starlette.responses import Response

from secvault.access.vocabulary import DEPARTMENTS
from secvault.audit.event import Outcome
from secvault.audit.question import Question
from secvault.console.audit_details import factor_word, reason_word
from secvault.console.audit_words import department_word, kind_word, outcome_word
from secvault.console.language import language_of
from secvault.console.menu import Entry, menu
from secvault.console.page import page
from secvault.console.visitor import Visitor
from secvault.console.zone import UNIVERSAL, in_field, in_link, link_typed, moment_typed, zone_of
from secvault.errors import InvalidInput
from secvault.service import audit_log, audit_names, detecting
from secvault.service.spine import Operation

PATH = "/audit"
ALERTS = f"{PATH}/alerts"
READ_ALERTS = Operation("alert.read", "it", "alerts", detecting.ALERTS)
OUTCOMES: tuple[str, ...] = get_args(Outcome)

PARTS = (
    Entry(PATH, "Events", (audit_log.LOG,)),
    Entry(f"{PATH}/questions", "Questions", (audit_log.LOG,)),
    Entry(f"{PATH}/exports", "Exports and reports", (audit_log.LOG,)),
    Entry(f"{PATH}/integrity", "Integrity", (audit_log.VERIFY,)),
    Entry(ALERTS, "Alerts", (READ_ALERTS,)),
)
"""The pages of this part of the console."""

Text = Annotated[str, Query(max_length=200)]
Number = Annotated[int | None, Query(ge=0, le=2**53 - 1)]


@dataclass(frozen=True)
class View:
    """Which events, as somebody typed it; what is empty does not restrict.

    who: a name, a subject, or all of a sort (`svc:`). what: a kind, or what it begins with. on: a
    path. since, until: moments as links say them: see `zone.link_typed`.
    """

    who: str = ""
    what: str = ""
    on: str = ""
    department: str = ""
    outcome: str = ""
    since: str = ""
    until: str = ""

    def url(self, path: str = PATH, /, **more: object) -> str:
        """A path of ours with this view in it. more: beside it, or in the place of a filter."""
        said = {**asdict(self), **more}
        query = urlencode({name: value for name, value in said.items() if value not in ("", None)})
        return f"{path}?{query}" if query else path

    def with_(self, **changed: str) -> View:
        """The same view but for this."""
        return replace(self, **changed)

    def question(self, at: Visitor) -> Question:
        """What it asks of the log. Raises InvalidInput."""
        if self.outcome and self.outcome not in OUTCOMES:
            raise InvalidInput.at("outcome", f"must be one of {', '.join(OUTCOMES)}")
        if self.department and self.department not in DEPARTMENTS:
            raise InvalidInput.at("department", f"must be one of {', '.join(DEPARTMENTS)}")
        since = moment_typed("since", self.since, UNIVERSAL)
        until = moment_typed("until", self.until, UNIVERSAL)
        if since is not None and until is not None and since >= until:
            raise InvalidInput.at("until", "must be after since")
        return Question(
            kind=self.what.strip(),
            outcome=self.outcome or None,  # type: ignore[arg-type]  # is one of them, see above
            actor=audit_names.subject_meant(at.service, at.caller, self.who.strip()),
            resource=self.on.strip(),
            department=self.department,
            since=since,
            until=until,
        )


def view(
    request: Request,
    *,
    who: Text = "",
    what: Text = "",
    on: Annotated[str, Query(max_length=1024)] = "",
    department: Text = "",
    outcome: Text = "",
    since: Text = "",
    until: Text = "",
) -> View:
    """The view that the URL says."""
    zone = zone_of(request)
    since, until = link_typed(since, zone), link_typed(until, zone)
    return View(who, what, on, department, outcome, since, until)


Viewed = Annotated[View, Depends(view)]


def audit_page(request: Request, at: Visitor, template: str, **values: Any) -> Response:
    """A page of this part, with its own menu and words. status: among the values."""
    language = language_of(request)
    code, zone = language.code, language.zone

    def number(value: int) -> str:
        return format_decimal(value, locale=code)

    return page(
        request,
        f"audit/{template}",
        values.pop("status", 200),
        visitor=at,
        parts=menu(at, PARTS),
        now=at.service.clock.micros(),
        number=number,
        kind_word=kind_word,
        outcome_word=outcome_word,
        factor_word=factor_word,
        reason_word=reason_word,
        department_word=department_word,
        departments=DEPARTMENTS,
        outcomes=OUTCOMES,
        typed=in_link,
        as_field=lambda text: in_field(text, zone),
        **values,
    )
