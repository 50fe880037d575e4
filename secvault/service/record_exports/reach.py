"""Which records somebody may take away, and how each is shown to them: by the access decision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial

from sqlalchemy import ColumnElement, Connection, func, select

from secvault.access import About, Access, Asker, Decision, FieldAccess
from secvault.errors import NotFound
from secvault.records import facts
from secvault.records import record as rows
from secvault.records.collection import Collection
from secvault.records.facts import Sort
from secvault.records.search import find_records
from secvault.records.search_terms import Place, Search
from secvault.service import standing
from secvault.service.asking import asker_of
from secvault.service.record_search import where_in_clear
from secvault.service.record_views import RecordView, Shown, about_of, approved_in
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation
from secvault.store import tables

BATCH = 500

Tell = Callable[[int, int], None]
"""Called with how many records have been looked at, out of how many."""


def nobody(_done: int, _of: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Reach:
    """The sorts of records that may be taken away, by these decisions. among: their rows; None for
    all of the collection.
    """

    sorts: tuple[Sort, ...]
    decisions: Mapping[About, Decision]
    among: ColumnElement[bool] | None

    @property
    def decision(self) -> Decision:
        """One that allows it."""
        return next(iter(self.decisions.values()))

    def count(self, connection: Connection, collection: Collection) -> int:
        """How many records these are."""
        table = tables.record
        question = select(func.count()).where(table.c.collection == collection.name)
        if self.among is not None:
            question = question.where(self.among)
        return connection.execute(question).scalar_one()


def collection_of(service: Service, name: str) -> Collection:
    """The collection. Raises NotFound."""
    found = service.collections.get(name)
    if found is None:
        raise NotFound(f"there is no collection {name[:64]}")
    return found


def operation_on(action: str, collection: Collection) -> Operation:
    """The operation on the whole of a collection."""
    place = f"{collection.department}/{collection.name}"
    return Operation(action, collection.department, collection.name, place)


def reach(
    service: Service,
    caller: Caller,
    collection: Collection,
    actions: Sequence[str],
    search: Search | None = None,
) -> Reach:
    """What the caller may do all of these actions to, the last of which is the export itself.

    search: leaves the records where the caller sees in clear what they search by; else they would
    learn values by trying. A refusal is put on record and raised as Refused.
    """
    every = facts.sorts_of(collection, asker_of(caller.principal))
    allowed: Mapping[About, Decision] = {}
    for number, action in enumerate(actions):
        operation = operation_on(action, collection)
        abouts = [sort.about for sort in every] if number == 0 else [*allowed]
        allowed = service.spine.some(caller, operation, abouts)
    if search is not None and search.fields:
        shown, listing = Shown(service, caller, collection), operation_on("record.list", collection)
        allowed = where_in_clear(service, caller, listing, search, shown, allowed)
    sorts = tuple(sort for sort in every if sort.about in allowed)
    among = facts.any_of(sorts) if len(sorts) < len(every) else None
    return Reach(sorts, allowed, among)


def shown_fields(
    service: Service, caller: Caller, collection: Collection, within: Reach
) -> tuple[frozenset[str], frozenset[str]]:
    """The fields that are shown in clear, and those shown masked, in some record within reach."""
    shown = Shown(service, caller, collection)
    clear: set[str] = set()
    masked: set[str] = set()
    for sort in within.sorts:
        access: Mapping[str, FieldAccess] = shown.access_to(sort.about)
        clear |= {name for name, one in access.items() if one.access is Access.CLEAR}
        masked |= {name for name, one in access.items() if one.access is Access.MASKED}
    return frozenset(clear), frozenset(masked)


def views(
    service: Service,
    caller: Caller,
    collection: Collection,
    actions: Sequence[str],
    search: Search,
    tell: Tell = nobody,
) -> Iterator[list[RecordView]]:
    """Everything within reach that is sought, in order, each as far as the caller may see it.

    Rights are asked for again with every batch: what was taken away meanwhile ends it, as Refused,
    and a credential that was ended as NotAuthenticated.
    """
    asker = asker_of(caller.principal)
    after: Place | None = None
    done = 0
    while True:
        now = reach(service, caller, collection, actions, search)
        allowed = {sort.about for sort in now.sorts}
        shown = Shown(service, caller, collection)
        with service.store.read() as connection:
            standing.require_shown(connection, service.clock, caller.principal)
            of = now.count(connection, collection)
            found = find_records(
                connection,
                service.keyring,
                collection,
                search,
                BATCH,
                after,
                among=now.among,
                # The columns that were asked by are not under the tag; what is there decides.
                admits=partial(_is_among, collection, asker, allowed),
            )
            approved = approved_in(connection, collection, found.records)
        yield [shown.view(record, approved) for record in found.records]
        done += len(found.records)
        after = found.ended
        tell(done, max(of, done) if after else done)
        if after is None:
            return


def _is_among(
    collection: Collection, asker: Asker, allowed: AbstractSet[About], record: rows.Record
) -> bool:
    return facts.sort_of(about_of(record, collection), asker) in allowed
