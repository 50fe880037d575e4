"""Processes that store records side by side: ours, the bare limit, and a plain table, in turn.

The processes share each round. What is to be stored is made before the clock starts, so that only
storing is measured.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from benchmarks.records_vault import (
    BARE,
    FIELDS,
    OPEN,
    PLAIN_FIELDS,
    SEALED,
    SENSITIVE_FIELDS,
    TABLE,
    by_id,
    caller_of,
)
from secvault.service import Service, records
from secvault.service.spine import Caller
from secvault.store.straight import straight
from tests.acceptance.installation import Installation

BATCH = 1000
"""Records in one transaction, with one audit entry."""

_Batch = Mapping[str, Mapping[str, str]]
_Storing = Callable[[Service, Caller, _Batch], None]


@dataclass(frozen=True)
class Importers:
    """The processes, ready to store."""

    pipes: Sequence[Pipe]

    def store(self, where: str, numbers: range) -> float:
        """Store these records, and return how many a second."""
        share = -(-len(numbers) // len(self.pipes))
        for at, pipe in enumerate(self.pipes):
            pipe.send((where, numbers[at * share : (at + 1) * share]))
        for pipe in self.pipes:
            _told(pipe)
        began = time.perf_counter()
        for pipe in self.pipes:
            pipe.send(None)
        for pipe in self.pipes:
            _told(pipe)
        return len(numbers) / (time.perf_counter() - began)


@contextmanager
def importers(installation: Installation, token: str, count: int) -> Iterator[Importers]:
    """So many processes that have opened the vault; gone when the block ends."""
    # A forked process would share what this one has open.
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for _ in range(count):
        ours, theirs = context.Pipe()
        given = (theirs, installation.folder, installation.port, dict(installation.given), token)
        process = context.Process(target=_serve, args=given, daemon=True)
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    try:
        for pipe in pipes:
            _told(pipe)
        yield Importers(pipes)
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.join()


def _told(pipe: Pipe) -> None:
    """Wait until the process says that it is done."""
    try:
        pipe.recv()
    except EOFError:
        raise SystemExit("a process that stores records ended too early; see above") from None


def _serve(pipe: Pipe, folder: Path, port: int, given: Mapping[str, str], token: str) -> None:
    with Installation(folder, port, given).opened() as service:
        caller = caller_of(service, token)
        pipe.send("opened")
        while True:
            try:
                where, numbers = pipe.recv()
            except EOFError:
                return
            batches = [by_id(numbers[at : at + BATCH]) for at in range(0, len(numbers), BATCH)]
            pipe.send("ready")
            pipe.recv()
            for batch in batches:
                _STORING[where](service, caller, batch)
            pipe.send("done")


def _ours(collection: str) -> _Storing:
    def store(service: Service, caller: Caller, batch: _Batch) -> None:
        given = {record: dict(fields) for record, fields in batch.items()}
        records.create_records(service, caller, collection, given)

    return store


def _plain(service: Service, _caller: Caller, batch: _Batch) -> None:
    _insert(
        service,
        TABLE,
        FIELDS,
        [(record, *(fields[name] for name in FIELDS)) for record, fields in batch.items()],
    )


def _bare(service: Service, _caller: Caller, batch: _Batch) -> None:
    rows = []
    for record, fields in batch.items():
        # A key for each, as for ours: one erases a record by its key.
        cipher = AESGCM(os.urandom(32))
        sealed = []
        for name in SENSITIVE_FIELDS:
            nonce = os.urandom(12)
            sealed.append(nonce + cipher.encrypt(nonce, fields[name].encode(), None))
        rows.append((record, *(fields[name] for name in PLAIN_FIELDS), *sealed))
    _insert(service, BARE, (*PLAIN_FIELDS, *SENSITIVE_FIELDS), rows)


def _insert(
    service: Service, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]
) -> None:
    """As fast as the driver takes them, in one transaction."""
    names = f"{table} (id, {', '.join(columns)})"
    with service.store.write() as connection:
        if service.store.dialect == "sqlite":
            places = ", ".join("?" * (len(columns) + 1))
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.executemany(f"INSERT INTO {names} VALUES ({places})", rows)
            return
        kinds = ["bytea" if isinstance(value, bytes) else "text" for value in rows[0]]
        arrays = ", ".join(f"?::{kind}[]" for kind in kinds)
        straight(
            connection,
            f"INSERT INTO {names} SELECT * FROM unnest({arrays})",
            [list(column) for column in zip(*rows, strict=True)],
        )


_STORING: Mapping[str, _Storing] = {
    SEALED: _ours(SEALED),
    OPEN: _ours(OPEN),
    TABLE: _plain,
    BARE: _bare,
}
