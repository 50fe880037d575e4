"""What the indexes of a collection give away, whether they are right, and making them anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.errors import NotFound
from secvault.records import index_check, index_state, leakage, reindex
from secvault.records.collection import Collection
from secvault.records.index_check import Fault
from secvault.records.leakage import Leakage
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

BATCH = 500

Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Checked:
    """What was found. records: how many were read. damaged: ids of those that do not open."""

    collection: str
    records: int
    faults: tuple[Fault, ...]
    damaged: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.faults and not self.damaged


@dataclass(frozen=True)
class Reindexed:
    """How a run ended. records: how many it read. changed: of how many the tokens were others.

    damaged: ids of the records that do not open; they keep what tokens they have.
    """

    collection: str
    records: int
    changed: int
    damaged: tuple[str, ...]


def read_leakage(
    service: Service, caller: Caller, collection_name: str, field: str | None = None
) -> tuple[Leakage, ...]:
    """What the indexes give away for the records at hand. field: of one field only.

    Raises NotFound, also for a field without an index.
    """
    collection = _collection(service, collection_name)
    operation = _operation("index.read", collection)
    service.spine.decide(caller, operation)
    if field is not None and field not in index_state.indexes_of(collection):
        raise NotFound(f"{collection.name} has no index over {field[:64]}")

    def act(connection: Connection) -> Outcome[tuple[Leakage, ...]]:
        found = leakage.leakages(connection, collection, field)
        return Outcome(found, fields=tuple({one.field: None for one in found}), count=len(found))

    return service.spine.read(caller, operation, act)


def check_indexes(
    service: Service, caller: Caller, collection_name: str, tell: Tell = lambda _done, _of: None
) -> Checked:
    """Read every record of a collection, and make its tokens anew to compare them with the stored.

    tell: called with how many are done, out of how many. Raises NotFound.
    """
    collection = _collection(service, collection_name)

    def act() -> Outcome[Checked]:
        found = _check(service, collection, tell)
        problems = len(found.faults) + len(found.damaged)
        return Outcome(found, count=found.records, detail={"problems": problems})

    return service.spine.work(caller, _operation("index.verify", collection), act)


def reindex_collection(
    service: Service, caller: Caller, collection_name: str, tell: Tell = lambda _done, _of: None
) -> Reindexed:
    """Give each record the tokens that the present schema asks for, while others read and write.

    In short transactions; a run that was killed is taken up by the next one where it ended. Where
    nothing is pending every record is looked at all the same, so that tokens which were lost are
    made again. tell: as for `check_indexes`. Raises NotFound.
    """
    collection = _collection(service, collection_name)

    def act() -> Outcome[Reindexed]:
        done = _reindex(service, collection.name, tell)
        detail: dict[str, str | int | bool] = {"problems": len(done.damaged)}
        return Outcome(done, count=done.changed, detail=detail)

    return service.spine.work(caller, _operation("index.rebuild", collection), act)


def _check(service: Service, collection: Collection, tell: Tell) -> Checked:
    with service.store.read() as connection:
        total = reindex.count_records(connection, collection)
        faults = list(index_check.tokens_of_nobody(connection, collection))
    damaged: list[str] = []
    done, after = 0, ""
    tell(done, total)
    while True:
        with service.store.read() as connection:
            batch = index_check.check_batch(connection, service.keyring, collection, after, BATCH)
        if not batch.count:
            return Checked(collection.name, done, tuple(faults), tuple(damaged))
        done, after = done + batch.count, batch.last
        faults += batch.faults
        damaged += batch.damaged
        tell(done, max(done, total))


def _reindex(service: Service, name: str, tell: Tell) -> Reindexed:
    changed, damaged = 0, set[str]()
    while True:
        # As the policy in force has it: it may change meanwhile, and the run begins again then.
        collection = _collection(service, name)
        with service.store.read() as connection:
            after = index_state.pending(connection, collection) or ""
            total = reindex.count_records(connection, collection)
            done = reindex.count_records(connection, collection, after)
        read = 0
        tell(done, total)
        while True:
            with service.store.write() as connection:
                batch = reindex.reindex_batch(connection, service.keyring, collection, after, BATCH)
            if not batch.count:
                break
            after, read, changed = batch.last, read + batch.count, changed + batch.changed
            damaged.update(batch.damaged)
            tell(done + read, max(done + read, total))
        late = _conclude(service, collection, damaged)
        if late is not None:
            return Reindexed(name, read, changed + late, tuple(sorted(damaged)))


def _conclude(service: Service, collection: Collection, damaged: set[str]) -> int | None:
    """Index what others wrote by the schema before; of how many. None when the schema changed."""
    changed = 0
    while True:
        with service.store.write() as connection:
            now = service.policy.in_force(connection).collections[collection.name]
            if index_state.indexes_of(now) != index_state.indexes_of(collection):
                return None
            known = frozenset(damaged)
            batch = reindex.reindex_late(connection, service.keyring, collection, known, BATCH)
            if not batch.count:
                index_state.conclude(connection, collection, service.clock.micros())
                return changed
        changed += batch.changed
        damaged.update(batch.damaged)


def _collection(service: Service, name: str) -> Collection:
    found = service.collections.get(name)
    if found is None:
        raise NotFound(f"there is no collection {name[:64]}")
    return found


def _operation(action: str, collection: Collection) -> Operation:
    return Operation(
        action,
        collection.department,
        collection.name,
        f"{collection.department}/{collection.name}",
    )
