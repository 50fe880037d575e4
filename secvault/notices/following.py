"""From the audit log to notices: each event is looked at once, by a cursor that lies in the store.

The cursor moves in the transaction that notes what the events tell, so that no kill loses one or
notes one twice. It starts at the end of the log: what happened before somebody could be told is
history, not news.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update

from secvault.access import list_grants
from secvault.audit.leaf import StoredEvent, decode
from secvault.clock import Clock
from secvault.errors import NotFound
from secvault.identity import names, people, service_accounts
from secvault.notices import outbox
from secvault.notices.outbox import Notice
from secvault.notices.rules import PRIVILEGED, RULES, WATCHING, telling_of
from secvault.notices.telling import Telling
from secvault.store import Store
from secvault.store.engine import row_held
from secvault.store.tables import audit_event, notice_cursor, person_contact

ADMINISTRATOR = "role:it.admin"
AUDITOR = "role:it.auditor"
AT_ONCE = 200
"""How many events are turned into notices in one transaction."""
FAR = 10_000
"""How far the cursor may lag behind a log without news, to save writes."""

_NAME = "audit"
_KINDS = tuple(sorted({kind for kind, _ in RULES}))
_HEAD = select(func.coalesce(func.max(audit_event.c.seq), -1))
_CURSOR = select(notice_cursor.c.seq).where(notice_cursor.c.name == _NAME)


def _nobody(_connection: Connection, _request: str) -> Iterable[str]:
    return ()


@dataclass(frozen=True)
class Reach:
    """Who can be told at all. channels: their names. people: whether there is mail to people.

    approvers: the subjects who may approve a request for approval.
    """

    channels: tuple[str, ...] = ()
    people: bool = False
    approvers: Callable[[Connection, str], Iterable[str]] = _nobody

    @property
    def anybody(self) -> bool:
        """Whether there is any."""
        return self.people or bool(self.channels)


def follow(store: Store, clock: Clock, reach: Reach) -> int:
    """Note what the events since the last look tell; how many notices were noted.

    Looks again and again until the end of the log is reached. While nobody can be told, nothing is
    noted, and the cursor is forgotten. Raises Unavailable, Damaged.
    """
    if not reach.anybody:
        _forget_cursor(store)
        return 0
    noted = 0
    more = True
    while more:
        with store.read() as connection:
            head = connection.execute(_HEAD).scalar_one()
            seen = connection.execute(_CURSOR).scalar_one_or_none()
            found = () if seen is None else _news(connection, seen)
        if seen is not None and not found and head - seen < FAR:
            break
        more = len(found) == AT_ONCE
        reached = found[-1].seq if more else head
        with store.write() as connection:
            noted += _note_all(connection, clock, reach, seen, reached, found)
    return noted


def _note_all(
    connection: Connection,
    clock: Clock,
    reach: Reach,
    seen: int | None,
    reached: int,
    found: tuple[StoredEvent, ...],
) -> int:
    fresh = {"name": _NAME, "seq": reached if seen is None else seen}
    held = row_held(connection, notice_cursor, fresh)
    if seen is not None and held.seq != seen:
        # Another node was faster; the next look begins where it is.
        return 0
    connection.execute(
        update(notice_cursor)
        .where(notice_cursor.c.name == _NAME)
        .values(seq=max(held.seq, reached))
    )
    if seen is None:
        return 0
    return sum(
        note(connection, clock, reach, telling, stored.t) for stored, telling in _told(found)
    )


def _told(found: tuple[StoredEvent, ...]) -> Iterator[tuple[StoredEvent, Telling]]:
    for stored in found:
        telling = telling_of(stored)
        if telling is not None:
            yield stored, telling


def _news(connection: Connection, after: int) -> tuple[StoredEvent, ...]:
    rows = connection.execute(
        select(audit_event.c.seq, audit_event.c.body)
        .where(audit_event.c.seq > after, audit_event.c.kind.in_(_KINDS))
        .order_by(audit_event.c.seq)
        .limit(AT_ONCE)
    )
    return tuple(decode(row.body, seq=row.seq) for row in rows)


def note(
    connection: Connection, clock: Clock, reach: Reach, telling: Telling, happened_at: int
) -> int:
    """Note one telling for each who is to know; how many notices are new."""
    facts = dict(telling.facts)
    concerned = telling.person
    if telling.kind == "owner_disabled":
        left = _left_behind(connection, str(facts["who"]).removeprefix("user:"))
        if not left:
            return 0
        facts["count"] = left
    if telling.kind == "privileged_grant" and "role" not in facts:
        roles = _privileged_roles(connection, str(facts["who"]), clock.micros())
        if not roles:
            return 0
        facts["role"] = ", ".join(roles)
    if telling.system:
        try:
            account = service_accounts.read_account(connection, telling.system)
        except NotFound:
            return 0
        concerned = account.owner
        facts.setdefault("who", account.subject)
        facts["system"] = account.id
    now = clock.micros()
    full = outbox.waiting(connection) >= outbox.MOST_WAITING
    noted = 0
    for recipient, voice in _recipients(connection, reach, telling, concerned, now):
        new = Notice(
            id=names.new_id(clock),
            cause=outbox.cause_of(telling.cause, recipient),
            kind=telling.kind,
            recipient=recipient,
            facts={**facts, "voice": voice},
            happened_at=happened_at,
            made_at=now,
            state="given_up" if full else "waiting",
            next_try_at=now,
            ended_at=now if full else None,
            reason="too_many" if full else None,
        )
        noted += outbox.add(connection, new)
    return noted


def _recipients(
    connection: Connection, reach: Reach, telling: Telling, concerned: str, now: int
) -> Iterator[tuple[str, str]]:
    """Recipients with the voice in which they are spoken to, each once."""
    if reach.people and concerned:
        yield f"person:{concerned}", "person"
        if telling.former and _has_former(connection, concerned):
            yield f"former:{concerned}", "person"
    told = {concerned}
    if reach.people and telling.approves:
        # Who asked knows it.
        told.add(str(telling.facts["who"]).removeprefix("user:"))
        able = {one.removeprefix("user:") for one in reach.approvers(connection, telling.approves)}
        yield from ((f"person:{each}", "person") for each in sorted(able - told))
        told |= able
    if not telling.administrators:
        return
    for channel in reach.channels:
        yield f"channel:{channel}", "admin"
    if reach.people:
        grants = list_grants(connection, role=ADMINISTRATOR, department="it", valid_at=now)
        if telling.alarm or telling.auditors:
            watching = list_grants(connection, valid_at=now)
            wanted = WATCHING if telling.alarm else {AUDITOR}
            grants += tuple(grant for grant in watching if grant.role in wanted)
        people_told = {grant.subject for grant in grants if grant.subject.startswith("user:")}
        ids = {subject.removeprefix("user:") for subject in people_told} - told
        for each in sorted(ids):
            if _is_active(connection, each):
                yield f"person:{each}", "admin"


def _has_former(connection: Connection, person: str) -> bool:
    kept = person_contact.c
    before = select(kept.person).where(kept.person == person, kept.sealed_former.is_not(None))
    return connection.execute(before).first() is not None


def _is_active(connection: Connection, person: str) -> bool:
    try:
        return people.read_person(connection, person).state == people.ACTIVE
    except NotFound:
        return False


def _left_behind(connection: Connection, person: str) -> int:
    """How many systems a disabled person answers for; 0 for one who is active."""
    if _is_active(connection, person):
        return 0
    return len(service_accounts.accounts_of(connection, person))


def _privileged_roles(connection: Connection, subject: str, now: int) -> list[str]:
    grants = list_grants(connection, subject=subject, valid_at=now)
    return sorted({grant.role for grant in grants} & PRIVILEGED)


def _forget_cursor(store: Store) -> None:
    with store.read() as connection:
        there = connection.execute(_CURSOR).first() is not None
    if there:
        with store.write() as connection:
            connection.execute(delete(notice_cursor).where(notice_cursor.c.name == _NAME))
