"""Operations that ask the log a saved question, and that save one.

Asking is reading the log: allowed to the same people, and an event like it, with the question's
name and the digest of what was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256

from sqlalchemy import Connection

from secvault.audit import query
from secvault.audit.formats.moments import MomentTexts
from secvault.audit.question import Question
from secvault.audit.questions import own
from secvault.audit.questions.cells import rows_of
from secvault.audit.questions.own import OwnQuestion
from secvault.audit.questions.saved import (
    Answer,
    Asked,
    Page,
    Row,
    SavedQuestion,
)
from secvault.audit.questions.shipped import DORMANT, SHIPPED
from secvault.crypto.canonical import canonical_json
from secvault.errors import InvalidInput, NotFound
from secvault.identity import names
from secvault.service.audit_idle import idle_rows
from secvault.service.audit_log import LOG
from secvault.service.audit_personal import networks_for
from secvault.service.circumstances import after_hours
from secvault.service.grants import subject_of
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

KEEP = Operation("audit.keep_question", "it", "log", "it/audit")
DROP = Operation("audit.drop_question", "it", "log", "it/audit")


@dataclass(frozen=True)
class Questions:
    """All that can be asked. shipped: with the product. own: saved here."""

    shipped: tuple[SavedQuestion, ...]
    own: tuple[OwnQuestion, ...]


def list_questions(service: Service, caller: Caller) -> Questions:
    """The questions that ship with the product, and those that were saved here."""

    def act(connection: Connection) -> Outcome[Questions]:
        return Outcome(Questions(tuple(SHIPPED.values()), own.own_questions(connection)))

    return service.spine.read(caller, LOG, act)


def ask(
    service: Service,
    caller: Caller,
    name: str,
    asked: Asked,
    page: Page = Page(),  # noqa: B008
) -> Answer:
    """A page of the answer; of events the newest first. asked.who: with a name or an id.

    Raises NotFound for a question that there is none of, InvalidInput for one that lacks something.
    """
    if not 1 <= page.limit <= query.MAX_PAGE:
        raise InvalidInput.at("limit", f"must be from 1 to {query.MAX_PAGE}")

    def act(connection: Connection) -> Outcome[Answer]:
        if page.after is None:
            service.audit.drain()
        known = _completed(service, connection, asked)
        saved = _found(connection, name)
        wanted = saved.question(known)
        networks = partial(networks_for, service, caller)
        if name == DORMANT:
            answer = _slice(saved, wanted, idle_rows(service, connection, known.days), page)
        elif saved.rows is not None:
            answer = _slice(saved, wanted, saved.rows(service.store, wanted, networks), page)
        else:
            answer = _events(service, saved, wanted, page)
        detail = {"question": name, "digest": sha256(canonical_json(wanted.told())).hexdigest()}
        return Outcome(answer, count=len(answer.rows), detail=detail)

    return service.spine.read(caller, LOG, act)


def keep_question(service: Service, caller: Caller, wanted: OwnQuestion) -> OwnQuestion:
    """Save a question, or change the one of its name. Raises InvalidInput, Conflict."""
    made = own.checked(
        replace(wanted, kept_by=caller.principal.subject, kept_at=service.clock.micros()), SHIPPED
    )

    def act(connection: Connection) -> Outcome[OwnQuestion]:
        kept = own.keep(connection, made)
        return Outcome(kept, detail={"question": made.name, "digest": own.digest(kept)})

    return service.spine.change(caller, KEEP, act)


def drop_question(service: Service, caller: Caller, name: str) -> None:
    """Forget a saved question. Raises NotFound, InvalidInput for one that ships."""
    if name in SHIPPED:
        raise InvalidInput.at("name", "is a question that ships with the product; it stays")

    def act(connection: Connection) -> Outcome[None]:
        own.drop(connection, name)
        return Outcome(None, detail={"question": name})

    return service.spine.change(caller, DROP, act)


def _found(connection: Connection, name: str) -> SavedQuestion:
    shipped = SHIPPED.get(name)
    if shipped is not None:
        return shipped
    for kept in own.own_questions(connection):
        if kept.name == name:
            return kept.saved()
    raise NotFound("there is no question of this name; `secvault audit questions` lists them")


def _completed(service: Service, connection: Connection, asked: Asked) -> Asked:
    return replace(asked, who=_subject(connection, asked.who), hours=after_hours(service.settings))


def _subject(connection: Connection, text: str) -> str:
    """The subject with its id. Somebody who is gone is known by the id alone."""
    kind, separator, name = text.partition(":")
    if not text or kind in ("local", "system") or (separator and not name):
        return text
    try:
        return subject_of(connection, text)
    except InvalidInput:
        if names.is_id(name) and kind in ("user", "svc"):
            return text
        raise InvalidInput.at(
            "who", "write user:<name or id> or svc:<name or id>, or all of a sort as svc:"
        ) from None


def _events(service: Service, saved: SavedQuestion, wanted: Question, page: Page) -> Answer:
    found = query.page(service.store, wanted, after=page.after, limit=page.limit)
    rows: tuple[Row, ...] = rows_of(found.events, saved.columns)
    if "local_time" in saved.columns:
        texts = MomentTexts(after_hours(service.settings).zone)
        rows = tuple(
            {**row, "local_time": texts.both(stored.t)[1]}
            for row, stored in zip(rows, found.events, strict=True)
        )
    return Answer(saved.name, saved.title, saved.columns, rows, wanted, found.next)


def _slice(saved: SavedQuestion, wanted: Question, rows: Sequence[Row], page: Page) -> Answer:
    """Part of an answer whose rows stand for many events: `after` counts rows."""
    start = page.after or 0
    shown = tuple(rows[start : start + page.limit])
    more = len(rows) > start + page.limit
    following = start + page.limit if more else None
    return Answer(saved.name, saved.title, saved.columns, shown, wanted, following)
