"""Whether the history of policies is whole: each bundle against its digest and the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.access.publication import Version, list_versions, read_bundle
from secvault.audit.leaf import StoredEvent
from secvault.audit.query import Question, page
from secvault.errors import Damaged
from secvault.store import Store

_PAGE = 500


@dataclass(frozen=True)
class Verification:
    """versions: how many there are. problems: what is wrong, a sentence each."""

    versions: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether everything fits together."""
        return not self.problems


def verify_history(connection: Connection, store: Store) -> Verification:
    """Compare the publications with their digests, their numbers, and the entries of the log.

    Whether the log itself is whole, `audit.verify` says.
    """
    versions = list_versions(connection)
    logged = {number: event for event in _events(store) for number in [_number(event)]}
    problems = [
        *_gaps(versions),
        *(one for version in versions for one in _faults(connection, version, logged)),
        *(
            f"number {number} is in the audit log (event {event.seq}) but not in the store"
            for number, event in sorted(logged.items())
            if number not in {version.number for version in versions}
        ),
    ]
    return Verification(len(versions), tuple(problems))


def _gaps(versions: tuple[Version, ...]) -> Iterator[str]:
    present = {version.number for version in versions}
    for number in range(1, max(present, default=0) + 1):
        if number not in present:
            yield f"number {number} is gone"


def _faults(
    connection: Connection, version: Version, logged: dict[int, StoredEvent]
) -> Iterator[str]:
    at = f"number {version.number}"
    try:
        read_bundle(connection, version.number)
    except Damaged as error:
        yield f"{at}: {error.detail}"
    event = logged.get(version.number)
    if event is None:
        yield f"{at}: the audit log has no entry of its publication"
        return
    said = event.event
    if said.detail.get("policy") != version.digest:
        yield f"{at}: the audit log (event {event.seq}) has another digest"
    if said.actor.subject != version.published_by:
        yield f"{at}: the audit log (event {event.seq}) names another person"
    if version.proposal is not None and said.detail.get("digest") != version.proposal:
        yield f"{at}: the audit log (event {event.seq}) has another approval"


def _events(store: Store) -> Iterator[StoredEvent]:
    after: int | None = None
    while True:
        found = page(store, Question(kind="policy.apply", outcome="ok"), after=after, limit=_PAGE)
        yield from found.events
        if found.next is None:
            return
        after = found.next


def _number(event: StoredEvent) -> int:
    return int(event.event.detail.get("version", 0))
