"""After a schema has changed: every record of a collection as the present schema stores it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.errors import NotFound
from secvault.records import index_state, schema_migration
from secvault.records.collection import Collection
from secvault.records.schema_migration import Batch
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

BATCH = 100

Tell = Callable[[int, int], None]
Note = Callable[[Connection, int, Batch, int], None]
"""Called in a batch's transaction, with the schema's version, the batch, and how many are left.

What it raises ends the run, and undoes the batch.
"""


@dataclass(frozen=True)
class Migration:
    """How a run ended. version: of the schema. left: records that are stored otherwise, none but
    the damaged ones. damaged: ids, in order.
    """

    collection: str
    version: int
    migrated: int
    left: int
    damaged: tuple[str, ...]


def migrate_collection(
    service: Service, caller: Caller, collection: str, tell: Tell = lambda _done, _of: None
) -> Migration:
    """Store the records of a collection as its present schema says, while others read and write.

    Nothing that a record says changes, nor its version or approval. In short transactions: what is
    done stays done, and a run that was killed is taken up by the next one where it ended. When the
    schema changes meanwhile, the run goes on until all are of the newest. tell: called with how
    many are done, out of how many. Raises NotFound, Damaged.
    """
    operation = operation_on_schema(service, "schema.migrate", collection)
    decision = service.spine.announce(caller, operation)
    with service.spine.concerning(caller, operation, decision):
        done = migrate_all_of(service, collection, tell)
    detail = {"version": done.version, "problems": len(done.damaged)}
    outcome = Outcome(done, count=done.migrated, detail=detail)
    service.spine.conclude(caller, operation, decision, outcome)
    return done


def migrate_all_of(
    service: Service, collection: str, tell: Tell, note: Note = lambda *_: None
) -> Migration:
    """The work of `migrate_collection`, without decision and record."""
    migrated = 0
    while True:
        version, left = _state(service, collection)
        damaged: list[str] = []
        after: str | None = ""
        while after is not None:
            tell(migrated, migrated + left)
            with service.store.write() as connection:
                schema = _schema(service, connection, collection)
                batch = schema_migration.migrate_batch(
                    connection,
                    service.keyring,
                    schema,
                    after,
                    BATCH,
                    service.clock.micros(),
                    service.random,
                )
                left = max(0, left - batch.migrated)
                note(connection, schema.version, batch, left)
            migrated += batch.migrated
            damaged += batch.damaged
            after = batch.last
        now, left = _state(service, collection)
        # Another schema may have come, or a record been written under the one before it.
        if left <= len(damaged) and now == version:
            tell(migrated, migrated)
            if not damaged:
                _conclude_indexes(service, collection, version)
            return Migration(collection, now, migrated, left, tuple(damaged))


def _conclude_indexes(service: Service, collection: str, version: int) -> None:
    """Note that the indexes hold every record, as each was indexed when it was stored anew."""
    with service.store.write() as connection:
        schema = _schema(service, connection, collection)
        if schema.version == version and not schema_migration.count_left(connection, schema):
            index_state.conclude(connection, schema, service.clock.micros())


def operation_on_schema(service: Service, action: str, collection: str) -> Operation:
    """The operation on the schema of a collection. Raises NotFound."""
    known = service.collections.get(collection)
    if known is None:
        raise NotFound(f"there is no collection {collection[:64]!r}")
    return Operation(action, known.department, collection, f"{known.department}/{collection}")


def _state(service: Service, collection: str) -> tuple[int, int]:
    with service.store.read() as connection:
        schema = _schema(service, connection, collection)
        return schema.version, schema_migration.count_left(connection, schema)


def _schema(service: Service, connection: Connection, collection: str) -> Collection:
    """As it is in this transaction, not as it was when the run began."""
    found: Collection | None = service.policy.in_force(connection).collections.get(collection)
    if found is None:
        raise NotFound(f"there is no collection {collection[:64]!r} any more")
    return found
