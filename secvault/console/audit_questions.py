"""What auditors ask the log by name: the questions with their forms, and the answers as tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Annotated

from fastapi import Form, Path, Query, Request
from starlette.responses import Response, StreamingResponse

from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.audit.questions.own import OwnQuestion
from secvault.audit.questions.saved import Answer, Asked, Page, Row, SavedQuestion, Value
from secvault.clock import micros_of
from secvault.console.audit_view import PATH, Number, View, Viewed, audit_page
from secvault.console.audit_words import column_word, question_words
from secvault.console.page import elsewhere
from secvault.console.visitor import Visiting, Visitor
from secvault.console.zone import UNIVERSAL, moment_typed
from secvault.errors import InvalidInput, NotFound
from secvault.service import audit_names, audit_questions
from secvault.tabular.csv_file import CsvFile

router = Routes(include_in_schema=False)

QUESTIONS = f"{PATH}/questions"
PER_PAGE, PER_TURN = 50, 1_000

_NUMBERS = frozenset({"seq", "success_seq"})
_WORDS = {"what": "what", "operation": "what", "outcome": "outcome", "department": "department"}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_SUBJECT = re.compile(r"(?:user|svc):\S+")

Name = Annotated[str, Path(max_length=48)]
Days = Annotated[str, Query(max_length=5)]
Typed = Annotated[str, Form(max_length=200)]


@dataclass(frozen=True)
class Cell:
    """A cell of an answer. kind: how it is shown: `seq`, `moment` (value in micros), `what`,
    `outcome`, `department`, `flag`, `person` (named, with the id as title), or `text`.
    """

    kind: str
    value: Value
    title: str = ""


@router.get(QUESTIONS)
@operation("it/audit", "audit.read", "audit.drop_question")
def questions(request: Request, at: Visiting) -> Response:
    """The questions that can be asked."""
    found = audit_questions.list_questions(at.service, at.caller)
    shipped = [(one.name, *question_words(one)) for one in found.shipped]
    return audit_page(
        request,
        at,
        "questions.html",
        shipped=shipped,
        own=found.own,
        may_drop=at.may(audit_questions.DROP),
    )


@router.get(f"{QUESTIONS}/{{name}}")
@operation("it/audit", "audit.read", "audit.personal", "person.read")
def question(
    request: Request,
    at: Visiting,
    viewed: Viewed,
    name: Name,
    *,
    days: Days = "",
    asked: bool = False,
    after: Number = None,
) -> Response:
    """One question with its form; with `asked`, the answer."""
    saved = _found(at, name)
    problem, answer = "", None
    if asked:
        try:
            answer = audit_questions.ask(
                at.service, at.caller, name, _asked(viewed, days), Page(after, PER_PAGE)
            )
        except InvalidInput as error:
            problem = error.detail
    columns = _filled(answer) if answer else {}
    said = {"asked": "1", "days": days}
    return audit_page(
        request,
        at,
        "question.html",
        status=422 if problem else 200,
        question=saved,
        words=question_words(saved),
        view=viewed,
        days=days,
        problem=problem,
        answer=answer,
        columns=[column_word(title) for title in columns.values()],
        rows=_cells(at, answer, columns) if answer else (),
        csv=viewed.url(f"{QUESTIONS}/{name}/csv", days=days),
        first=viewed.url(f"{QUESTIONS}/{name}", **said) if after is not None else None,
        more=viewed.url(f"{QUESTIONS}/{name}", **said, after=answer.next)
        if answer and answer.next is not None
        else None,
    )


@router.get(f"{QUESTIONS}/{{name}}/csv")
@operation("it/audit", "audit.read", "audit.personal")
def question_csv(at: Visiting, viewed: Viewed, name: Name, days: Days = "") -> Response:
    """The whole answer as CSV, from which no spreadsheet takes formulas."""
    parts = _csv(at, name, _asked(viewed, days))
    # What goes wrong before anything has left is a page of its own.
    first = next(parts)
    return StreamingResponse(
        chain((first,), parts),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


@router.get(f"{PATH}/save")
@operation("it/audit", "audit.keep_question")
def save_form(request: Request, at: Visiting, viewed: Viewed) -> Response:
    """The form by which a view is kept as a question."""
    return _save_form(request, at, viewed)


@router.post(f"{PATH}/save")
@operation("it/audit", "audit.read", "audit.keep_question")
def save(
    request: Request,
    at: Visiting,
    *,
    name: Typed = "",
    title: Typed = "",
    who: Typed = "",
    what: Typed = "",
    on: Annotated[str, Form(max_length=1024)] = "",
    department: Typed = "",
    outcome: Typed = "",
) -> Response:
    """Keep a view as a question, for everybody who may read the log."""
    viewed = View(who, what, on, department, outcome)
    try:
        asks = viewed.question(at)
        wanted = OwnQuestion(
            name=name.strip(),
            title=title.strip(),
            kinds=(asks.kind,) if asks.kind else (),
            outcomes=(asks.outcome,) if asks.outcome else (),
            actor=asks.actor,
            resource=asks.resource,
            department=asks.department,
        )
        kept = audit_questions.keep_question(at.service, at.caller, wanted)
    except InvalidInput as error:
        return _save_form(request, at, viewed, name, title, error.detail)
    return elsewhere(f"{QUESTIONS}/{kept.name}?asked=1")


@router.post(f"{QUESTIONS}/{{name}}/forget")
@operation("it/audit", "audit.drop_question")
def forget(at: Visiting, name: Name) -> Response:
    """Forget a question that was saved here."""
    audit_questions.drop_question(at.service, at.caller, name)
    return elsewhere(QUESTIONS)


def _save_form(
    request: Request,
    at: Visitor,
    viewed: View,
    name: str = "",
    title: str = "",
    problem: str = "",
) -> Response:
    # Decided here, as the operation decides it: who may not is told so before they type.
    at.service.spine.decide(at.caller, audit_questions.KEEP)
    return audit_page(
        request,
        at,
        "save.html",
        place=viewed.url(f"{PATH}/save"),
        status=422 if problem else 200,
        view=viewed,
        name=name,
        title=title,
        problem=problem,
    )


def _found(at: Visitor, name: str) -> SavedQuestion:
    found = audit_questions.list_questions(at.service, at.caller)
    for one in (*found.shipped, *(own.saved() for own in found.own)):
        if one.name == name:
            return one
    raise NotFound("there is no question of this name")


def _asked(viewed: View, days: str) -> Asked:
    if days and not (days.isascii() and days.isdecimal() and 1 <= int(days) <= 3650):
        raise InvalidInput.at("days", "must be a number from 1 to 3650")
    return Asked(
        who=viewed.who.strip(),
        on=viewed.on.strip(),
        department=viewed.department,
        since=moment_typed("since", viewed.since, UNIVERSAL),
        until=moment_typed("until", viewed.until, UNIVERSAL),
        days=int(days) if days else None,
    )


def _filled(answer: Answer) -> Mapping[str, str]:
    """The columns that some row has something in: a screen is narrow; the CSV has all."""
    return {
        key: title
        for key, title in answer.columns.items()
        if any(row.get(key) not in (None, "") for row in answer.rows)
    }


def _cells(at: Visitor, answer: Answer, columns: Mapping[str, str]) -> Sequence[Sequence[Cell]]:
    texts = {
        part
        for row in answer.rows
        for key in columns
        if isinstance(value := row.get(key), str)
        for part in value.split(", ")
        if _SUBJECT.fullmatch(part)
    }
    names = audit_names.names_for(at.service, at.caller, texts)
    return [[_cell(key, row.get(key), names) for key in columns] for row in answer.rows]


def _cell(key: str, value: Value, names: Mapping[str, str]) -> Cell:
    if isinstance(value, bool):
        return Cell("flag", value)
    if not isinstance(value, str):
        return Cell("seq" if key in _NUMBERS and value is not None else "text", value)
    if _MOMENT.fullmatch(value):
        return Cell("moment", micros_of(datetime.fromisoformat(value)))
    if key in _WORDS:
        return Cell(_WORDS[key], value)
    subjects = value.split(", ")
    if any(one in names for one in subjects):
        return Cell("person", ", ".join(names.get(one, one) for one in subjects), value)
    return Cell("text", value)


def _csv(at: Visitor, name: str, asked: Asked) -> Iterator[bytes]:
    answer = audit_questions.ask(at.service, at.caller, name, asked, Page(None, PER_TURN))
    keys = tuple(answer.columns)
    file = CsvFile(tuple(answer.columns.values()), mark=True)
    yield file.add(_plain(answer.rows, keys))
    while answer.next is not None:
        answer = audit_questions.ask(
            at.service, at.caller, name, asked, Page(answer.next, PER_TURN)
        )
        yield file.add(_plain(answer.rows, keys))
    yield from file.end()


def _plain(rows: Sequence[Row], keys: Sequence[str]) -> list[list[Value]]:
    return [[row.get(key) for key in keys] for row in rows]
