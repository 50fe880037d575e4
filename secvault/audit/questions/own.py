"""Questions that an installation saves by name, for everybody who may read the log."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, update

from secvault.audit.catalogue import KINDS
from secvault.audit.event import OUTCOMES, Outcome
from secvault.audit.facts import FACTS
from secvault.audit.question import MOST_LISTED, Question, kinds_named
from secvault.audit.questions.cells import TITLES
from secvault.audit.questions.saved import DEPARTMENT, ON, PERIOD, WHO, Asked, SavedQuestion
from secvault.errors import Conflict, Damaged, InvalidInput, NotFound
from secvault.store.tables import audit_question

MOST = 200
"""Questions that one installation keeps."""
LONGEST_TITLE, MOST_COLUMNS, LONGEST = 120, 20, 1_024
USUAL_COLUMNS = ("seq", "time", "who", "what", "outcome", "on", "department")

_NAME = re.compile(r"[a-z][a-z0-9-]{0,47}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is stored of a question; see `OwnQuestion`."""

    title: str
    kinds: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    actor: str
    resource: str
    department: str
    facts: tuple[tuple[str, str], ...]
    after_hours: bool
    columns: tuple[str, ...]


_ENCODER = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True)
class OwnQuestion:
    """One saved question. What is empty does not restrict.

    name: 1 to 48 of a-z, 0-9 and `-`, no shipped question's. kinds: kinds of events, or what they
    begin with (`record.`). actor: subject, or a sort of them (`svc:`). facts: as in `Question`.
    after_hours: only when the company does not work. columns: of the answer, see `cells.TITLES`.
    """

    name: str
    title: str
    kinds: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    actor: str = ""
    resource: str = ""
    department: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    after_hours: bool = False
    columns: tuple[str, ...] = USUAL_COLUMNS
    kept_by: str = ""
    kept_at: int = 0

    def saved(self) -> SavedQuestion:
        """The question, to be asked like those that are shipped."""
        columns = {name: TITLES.get(name, name.replace("_", " ")) for name in self.columns}
        return SavedQuestion(
            self.name, self.title, "", self._asks, columns, (WHO, ON, DEPARTMENT, PERIOD)
        )

    def _asks(self, asked: Asked) -> Question:
        return Question(
            kinds=self.kinds,
            outcomes=self.outcomes,
            actor=asked.who or self.actor,
            resource=asked.on or self.resource,
            department=asked.department or self.department,
            facts=self.facts,
            since=asked.since,
            until=asked.until,
            after_hours=asked.hours if self.after_hours else None,
        )


def checked(own: OwnQuestion, taken: Mapping[str, object]) -> OwnQuestion:
    """The question, in order. taken: names that it cannot have. Raises InvalidInput."""
    if not _NAME.fullmatch(own.name):
        raise InvalidInput.at("name", "must be 1 to 48 of a-z, 0-9 and -, a letter first")
    if own.name in taken:
        raise InvalidInput.at("name", "is a question that ships with the product; take another")
    if not own.title.strip() or not _is_line(own.title, LONGEST_TITLE):
        raise InvalidInput.at("title", f"must be one line of 1 to {LONGEST_TITLE} characters")
    _check_events(own)
    if not 1 <= len(own.columns) <= MOST_COLUMNS or len(set(own.columns)) != len(own.columns):
        raise InvalidInput.at("columns", f"must be 1 to {MOST_COLUMNS} different ones")
    if not set(own.columns) <= {*TITLES, *FACTS}:
        raise InvalidInput.at("columns", f"must be of {', '.join(TITLES)}, or facts of events")
    return own


def _check_events(own: OwnQuestion) -> None:
    if len(own.facts) > MOST_LISTED or len(own.kinds) > MOST_LISTED:
        raise InvalidInput.at("kinds", f"must be {MOST_LISTED} at most")
    for name in own.kinds:
        if not set(kinds_named(name)) & set(KINDS):
            raise InvalidInput.at("kinds", "names a kind of event that there is none of")
    if not set(own.outcomes) <= set(OUTCOMES):
        raise InvalidInput.at("outcomes", f"must be of {', '.join(OUTCOMES)}")
    for name in ("actor", "resource", "department"):
        if not _is_line(getattr(own, name), LONGEST):
            raise InvalidInput.at(name, f"must be at most {LONGEST} characters of one line")
    for name, value in own.facts:
        if name not in FACTS or not value or not _is_line(value, LONGEST):
            raise InvalidInput.at("facts", f"must be of {', '.join(sorted(FACTS))}, with a value")


def _is_line(text: str, longest: int) -> bool:
    return len(text) <= longest and not _CONTROL.search(text)


def keep(connection: Connection, own: OwnQuestion) -> OwnQuestion:
    """Save the question under its name, instead of one that had it. Raises Conflict."""
    row = {"document": _document(own), "kept_by": own.kept_by, "kept_at": own.kept_at}
    this = audit_question.c.name == own.name
    if not connection.execute(update(audit_question).where(this).values(**row)).rowcount:
        if len(own_questions(connection)) >= MOST:
            raise Conflict(f"there are {MOST} saved questions already; drop one first")
        connection.execute(insert(audit_question).values(name=own.name, **row))
    return own


def drop(connection: Connection, name: str) -> None:
    """Forget the question of this name. Raises NotFound."""
    dropped = connection.execute(delete(audit_question).where(audit_question.c.name == name))
    if not dropped.rowcount:
        raise NotFound("there is no saved question of this name")


def own_questions(connection: Connection) -> tuple[OwnQuestion, ...]:
    """All of them, by name. Raises Damaged."""
    rows = connection.execute(select(audit_question).order_by(audit_question.c.name)).all()
    return tuple(_read(row) for row in rows)


def digest(own: OwnQuestion) -> str:
    """SHA-256 of what is stored of the question, hexadecimal."""
    return sha256(_document(own)).hexdigest()


def _document(own: OwnQuestion) -> bytes:
    return _ENCODER.encode(_Document(*(getattr(own, name) for name in _Document.__struct_fields__)))


def _read(row: Row[tuple[str, bytes, str, int]]) -> OwnQuestion:
    try:
        said = msgspec.json.decode(row.document, type=_Document)
    except msgspec.MsgspecError:
        raise Damaged("a saved question cannot be read; save it anew") from None
    return OwnQuestion(
        row.name, **msgspec.structs.asdict(said), kept_by=row.kept_by, kept_at=row.kept_at
    )
