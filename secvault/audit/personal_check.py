"""Is what is personal in the log still what was recorded? Checked with the vault's own keys.

Who has the log's public key alone cannot look into it; the leaves that bind it are proven as all
are (`verify`). What was erased is no damage. What was changed, or is gone without an erasure, is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, text

from secvault.audit.leaf import StoredEvent, decode
from secvault.audit.personal import read_personal
from secvault.audit.personal_keys import SubjectKeys
from secvault.audit.verify import MAX_PROBLEMS, AuditReport, Problem
from secvault.audit.windows import windows
from secvault.errors import Damaged
from secvault.store.engine import Store

_CHUNK = 2_000

# As text, so that a value of a wrong type arrives as it is. ";" follows ":" in ASCII.
_OF_PEOPLE = text(
    "SELECT seq, body FROM audit_event WHERE seq > :after"
    " AND (actor >= 'user:' AND actor < 'user;' OR actor >= 'local:' AND actor < 'local;')"
    " ORDER BY seq LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class PersonalReport:
    """What was found. here, erased, altered: how many events. problems: of the altered ones."""

    here: int
    erased: int
    altered: int
    problems: tuple[Problem, ...]

    def added_to(self, report: AuditReport) -> AuditReport:
        """The report of the log with these problems among the others."""
        if not self.altered:
            return report
        every = sorted((*report.problems, *self.problems), key=_place)
        return replace(
            report,
            problems=tuple(every[:MAX_PROBLEMS]),
            problem_count=report.problem_count + self.altered,
            intact=False,
        )


def check_personal(store: Store, keys: SubjectKeys) -> PersonalReport:
    """Compare every part that is there with the commitment in its leaf. Memory is flat.

    An event that cannot be read is passed over: `verify` names it.
    """
    counts: Counter[str] = Counter()
    problems: list[Problem] = []
    for events in _chunks(store):
        found = read_personal(store, keys, events)
        for stored in events:
            kept = found.get(stored.id)
            if kept is None:
                continue
            counts[kept.state] += 1
            if kept.state == "altered" and len(problems) < MAX_PROBLEMS:
                what = "the personal text beside the event is not what was recorded, or was removed"
                problems.append(Problem(stored.seq, what))
    return PersonalReport(counts["here"], counts["erased"], counts["altered"], tuple(problems))


def _chunks(store: Store) -> Iterator[list[StoredEvent]]:
    """The events of people, in order: no others have anything personal."""
    after = -1
    while True:
        with store.read() as connection:
            parts = windows(connection, newest_first=False, after=after)
            with closing(parts):
                part = next(parts)
                since = {"after": max(after, part.start - 1), "limit": _CHUNK}
                # An archived part is short enough to be read as a whole.
                asked = since if not part.stop else {**since, "limit": part.stop - part.start}
                rows = part.connection.execute(_OF_PEOPLE, asked).all()
        yield [event for row in rows for event in _decoded(row)]
        if part.stop:
            after = part.stop - 1
        elif len(rows) < _CHUNK:
            return
        else:
            after = rows[-1].seq


def _decoded(row: Row[Any]) -> Iterator[StoredEvent]:
    try:
        yield decode(row.body if isinstance(row.body, bytes) else b"", seq=row.seq)
    except Damaged:
        return


def _place(problem: Problem) -> int:
    return -1 if problem.seq is None else problem.seq
