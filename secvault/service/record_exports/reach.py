"""Which records somebody may take away, and how each is shown to them: by the access decision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, select

from secvault.access import About, Access, Decision, FieldAccess
from secvault.errors import InvalidInput, NotFound
from secvault.records import facts
from secvault.records import record as rows
from secvault.records.collection import Collection
from secvault.records.facts import Sort
from secvault.records.search import Search
from secvault.service.asking import asker_of
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


def reach(service: Service, caller: Caller, collection: Collection, *actions: str) -> Reach:
    """What the caller may do all of these actions to, the last of which is the export itself.

    A refusal is put on record and raised as Refused.
    """
    every = facts.sorts_of(collection, asker_of(caller.principal))
    abouts = [sort.about for sort in every]
    found = [
        service.spine.some(caller, operation_on(action, collection), abouts) for action in actions
    ]
    sorts = tuple(sort for sort in every if all(sort.about in one for one in found))
    among = facts.any_of(sorts) if len(sorts) < len(every) else None
    return Reach(sorts, found[-1], among)


def shown_fields(
    service: Service, caller: Caller, collection: Collection, within: Reach
) -> tuple[frozenset[str], frozenset[str]]:
    """The fields that are shown in clear, and those shown masked, in some record within reach."""
    shown = Shown(service, caller, collection)
    clear: set[str] = set()
    masked: set[str] = set()
    for sort in within.sorts:
        access: Mapping[str, FieldAccess] = shown.access(sort.about)
        clear |= {name for name, one in access.items() if one.access is Access.CLEAR}
        masked |= {name for name, one in access.items() if one.access is Access.MASKED}
    return frozenset(clear), frozenset(masked)


def require_clear(search: Search, clear: frozenset[str]) -> None:
    """Return when the caller sees in clear what is filtered by. Raises InvalidInput.

    Else they would learn values by trying.
    """
    for name in search.fields:
        if name not in clear:
            raise InvalidInput.at(name, "is not shown to you in clear, so you cannot filter by it")


def views(
    service: Service,
    caller: Caller,
    collection: Collection,
    actions: Sequence[str],
    search: Search,
    tell: Tell = nobody,
) -> Iterator[list[RecordView]]:
    """Everything within reach that fits, in the order of ids, each as far as the caller may see it.

    Rights are asked for again with every batch: what was taken away meanwhile ends it, as Refused.
    A record fits by what the caller sees of it in clear.
    """
    asker = asker_of(caller.principal)
    after, done = "", 0
    of = _total(service, caller, collection, actions)
    while True:
        now = reach(service, caller, collection, *actions)
        allowed = {sort.about for sort in now.sorts}
        shown = Shown(service, caller, collection)
        with service.store.read() as connection:
            ids = rows.record_ids(connection, collection, after, BATCH, now.among)
            found = rows.read_records(connection, service.keyring, collection, ids)
            approved = approved_in(connection, collection, found)
        seen = (
            shown.view(record, approved)
            for record in found
            # The columns that were asked by are not under the tag; what is there decides.
            if facts.sort_of(about_of(record, collection), asker) in allowed
        )
        yield [view for view in seen if _fits(search, view)]
        done += len(ids)
        tell(done, max(of, done))
        if len(ids) < BATCH:
            return
        after = ids[-1]


def _total(service: Service, caller: Caller, collection: Collection, actions: Sequence[str]) -> int:
    within = reach(service, caller, collection, *actions)
    with service.store.read() as connection:
        return within.count(connection, collection)


def _fits(search: Search, view: RecordView) -> bool:
    return all(one.holds(view.fields.get(one.field.name)) for one in search.conditions)
