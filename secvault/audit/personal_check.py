"""Is what is personal in the log still what was recorded? Checked with the vault's own keys.

Who has the log's public key alone cannot look into it; the leaves that bind it are proven as all
are (`verify`). What was erased is no damage. What was changed, or is gone without an erasure, is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlalchemy import Connection, text

from secvault.audit import entries
from secvault.audit.archive_rows import boundary
from secvault.audit.leaf import StoredEvent, decode
from secvault.audit.personal import read_personal
from secvault.audit.personal_keys import SubjectKeys
from secvault.audit.verify import MAX_PROBLEMS, AuditReport, Problem
from secvault.crypto.tiles import WIDTH
from secvault.errors import Damaged
from secvault.store.engine import Store

_CHUNK = 2_000

# As text, so that a value of a wrong type arrives as it is. ";" follows ":" in ASCII.
_OF_PEOPLE = text(
    "SELECT seq, body FROM audit_event WHERE seq >= :from"
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

    An event that cannot be read is passed over, in the store and in archives: `verify` names it.
    Raises Unavailable when the place of archives cannot be reached.
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
    start = 0
    while True:
        with store.read() as connection:
            live = boundary(connection)
            if start < live:
                found, start = _archived(connection, start, live)
                more = True
            else:
                rows = connection.execute(_OF_PEOPLE, {"from": start, "limit": _CHUNK}).all()
                found = [event for row in rows for event in _decoded(row.body, row.seq)]
                more = len(rows) == _CHUNK
                start = rows[-1].seq + 1 if rows else start
        if found:
            yield found
        if not more:
            return


def _archived(connection: Connection, start: int, live: int) -> tuple[list[StoredEvent], int]:
    """Those of one bundle that have something personal, and where the next bundle begins."""
    if entries.archives_of(connection).place is None:
        return [], live
    try:
        bodies = list(entries.bodies(connection, start, start + WIDTH))
    except Damaged:
        bodies = []
    events = [event for seq, body in enumerate(bodies, start) for event in _decoded(body, seq)]
    return [event for event in events if event.commitments], start + WIDTH


def _decoded(body: object, seq: int) -> Iterator[StoredEvent]:
    try:
        yield decode(body if isinstance(body, bytes) else b"", seq=seq)
    except Damaged:
        return


def _place(problem: Problem) -> int:
    return -1 if problem.seq is None else problem.seq
