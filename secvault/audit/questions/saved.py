"""What a saved question is, what it is asked with, and what an answer looks like."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from secvault.audit.leaf import StoredEvent
from secvault.audit.question import AfterHours, Question
from secvault.errors import InvalidInput
from secvault.store.engine import Store

Value: TypeAlias = str | int | bool | None
Row: TypeAlias = Mapping[str, Value]
Networks: TypeAlias = Callable[[Sequence[StoredEvent]], Mapping[str, str]]
"""Where events came from, by their ids, as far as that is known and may be seen."""

WHO, ON, DEPARTMENT, PERIOD, DAYS = "who", "on", "department", "period", "days"


def nowhere(_events: Sequence[StoredEvent]) -> Mapping[str, str]:
    """Networks of an asker who may not see them."""
    return {}


@dataclass(frozen=True)
class Asked:
    """What a question is asked with; what is empty does not restrict.

    who: subject, such as `user:01920c3e`. on: slash path of a resource. since, until: microseconds
    UTC, `until` not included. days: for what lies idle. hours: when the company does not work.
    """

    who: str = ""
    on: str = ""
    department: str = ""
    since: int | None = None
    until: int | None = None
    days: int | None = None
    hours: AfterHours | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Answer:
    """A table. columns: the titles, by the keys of the rows. asked: what the rows rest on.

    next: the `after` that continues it; None at the end.
    """

    name: str
    title: str
    columns: Mapping[str, str]
    rows: tuple[Row, ...]
    asked: Question
    next: int | None = None


@dataclass(frozen=True)
class Page:
    """Which part of an answer. after: `next` of the one before. limit: 1 to 1,000 rows."""

    after: int | None = None
    limit: int = 100


@dataclass(frozen=True)
class SavedQuestion:
    """A question with a name.

    told: in a sentence. takes, needs: what of `Asked` it goes by, and what it cannot do without.
    asks: the events that it rests on. columns: as in `Answer`. rows: an answer that is not one row
    for each event; None for one that is.
    """

    name: str
    title: str
    told: str
    asks: Callable[[Asked], Question]
    columns: Mapping[str, str]
    takes: tuple[str, ...] = (WHO, DEPARTMENT, PERIOD)
    needs: tuple[str, ...] = ()
    rows: Callable[[Store, Question, Networks], Sequence[Row]] | None = None

    def question(self, asked: Asked) -> Question:
        """The events that the answer rests on. Raises InvalidInput for what is missing."""
        for name in self.needs:
            if not getattr(asked, name):
                raise InvalidInput.at(name, f"the question {self.name} cannot do without it")
        for name, given in ((WHO, asked.who), (ON, asked.on)):
            if given and name not in self.takes:
                raise InvalidInput.at(name, f"the question {self.name} does not go by it")
        return self.asks(asked)
