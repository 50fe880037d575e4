"""After a rotation: every data key of a collection under the latest version of its key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.crypto.secret import Secret
from secvault.errors import NotFound
from secvault.keyring.keyring import RECORDS
from secvault.keyring.named_key import NamedKey, read_key
from secvault.records import rewrap
from secvault.records.rewrap import Batch
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

BATCH = 500

Tell = Callable[[int, int], None]
Note = Callable[[Connection, int, Batch, int], None]
"""Called in the transaction of a batch, with the key's version, the batch, and how many are left.

What it raises ends the run, and undoes the batch.
"""


@dataclass(frozen=True)
class Rewrapping:
    """How a run ended. version: the latest of the collection's key. left: data keys under older
    versions, none but the damaged ones. damaged: subjects, in order.
    """

    collection: str
    version: int
    rewrapped: int
    left: int
    damaged: tuple[str, ...]


def rotate_collection_key(service: Service, caller: Caller, collection: str) -> NamedKey:
    """Add a version to the collection's key; records written from now on use it.

    Raises NotFound.
    """
    operation = operation_on_key(service, "key.rotate", collection)

    def act(connection: Connection) -> Outcome[NamedKey]:
        made = service.keyring.rotate(connection, RECORDS, collection)
        detail = {"version": made.latest_version, "from_version": made.latest_version - 1}
        return Outcome(made, detail=detail)

    return service.spine.change(caller, operation, act)


def rewrap_collection(
    service: Service, caller: Caller, collection: str, tell: Tell = lambda _done, _of: None
) -> Rewrapping:
    """Re-wrap the data keys of a collection, in short transactions, while others read and write.

    What is done stays done: a run that was killed is taken up by the next one where it ended.
    When the key is rotated meanwhile, the run goes on until all are under the newest version.
    tell: called with how many are done, out of how many. Raises NotFound, Damaged.
    """
    operation = operation_on_key(service, "key.rewrap", collection)
    decision = service.spine.announce(caller, operation)
    with service.spine.concerning(caller, operation, decision):
        done = rewrap_all_of(service, collection, tell)
    detail = {"version": done.version, "problems": len(done.damaged)}
    outcome = Outcome(done, count=done.rewrapped, detail=detail)
    service.spine.conclude(caller, operation, decision, outcome)
    return done


def rewrap_all_of(
    service: Service, collection: str, tell: Tell, note: Note = lambda *_: None
) -> Rewrapping:
    """The work of `rewrap_collection`, without decision and record."""
    versions: dict[int, Secret] = {}
    rewrapped = 0
    while True:
        key, left = _state(service, collection)
        damaged: list[str] = []
        after: str | None = ""
        while after is not None:
            tell(rewrapped, rewrapped + left)
            with service.store.write() as connection:
                batch = rewrap.rewrap_batch(
                    connection, service.keyring, key, after, BATCH, versions, service.random
                )
                left = max(0, left - batch.rewrapped)
                note(connection, key.latest_version, batch, left)
            rewrapped += batch.rewrapped
            damaged += batch.damaged
            after = batch.last
        now, left = _state(service, collection)
        # Another version may have come, or a record been written under the one before it.
        if left <= len(damaged) and now.latest_version == key.latest_version:
            tell(rewrapped, rewrapped)
            return Rewrapping(collection, key.latest_version, rewrapped, left, tuple(damaged))


def _state(service: Service, collection: str) -> tuple[NamedKey, int]:
    with service.store.read() as connection:
        key = read_key(connection, RECORDS, collection)
        return key, rewrap.count_left(connection, key)


def operation_on_key(service: Service, action: str, collection: str) -> Operation:
    """The operation on the key of a collection. Raises NotFound."""
    known = service.collections.get(collection)
    if known is None:
        raise NotFound(f"there is no collection {collection[:64]!r}")
    return Operation(
        action,
        known.department,
        f"{RECORDS}/{collection}",
        f"{known.department}/{RECORDS}/{collection}",
    )
