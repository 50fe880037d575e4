"""What came back, counted; and a sample of it opened with the keys of now."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, FromClause, func, select

from secvault.backup.drills.exercise import BroughtBack
from secvault.records.record import read_records
from secvault.service.service import Service
from secvault.store import tables


@dataclass(frozen=True)
class Sample:
    """What was opened. fields: how many values were decrypted, of so many records."""

    records: int
    fields: int


def brought_back(service: Service, settings: int) -> tuple[BroughtBack, ...]:
    """How much of each thing is here. settings: how many values were set in the saved ones."""
    with service.store.read() as connection:
        counts = {
            "people": _rows(connection, tables.person),
            "systems": _rows(connection, tables.service_account),
            "policies": _rows(connection, tables.policy_version),
            "keys": _rows(connection, tables.named_key),
            "data-keys": _rows(connection, tables.data_key),
            "records": _rows(connection, tables.record),
            "attachments": _rows(connection, tables.attachment),
            "audit-entries": connection.execute(
                select(func.coalesce(func.max(tables.audit_head.c.size), 0))
            ).scalar_one(),
        }
    counts["plans"] = len(service.backups.plan_names())
    counts["settings"] = settings
    return tuple(BroughtBack(name, int(count)) for name, count in counts.items())


def sample(service: Service, wanted: int) -> Sample:
    """Decrypt about so many records, of every collection, with the keys of the recovered vault.

    Raises Damaged where one does not open.
    """
    opened = records = 0
    collections = service.collections
    share = max(1, wanted // max(1, len(collections)))
    table = tables.record
    with service.store.read() as connection:
        for collection in collections.values():
            ids = connection.execute(
                select(table.c.id)
                .where(table.c.collection == collection.name)
                .order_by(func.random())
                .limit(share)
            ).scalars()
            for record in read_records(connection, service.keyring, collection, ids):
                records += 1
                for field in record.sealed:
                    record.value(field)
                    opened += 1
    return Sample(records, opened)


def _rows(connection: Connection, table: FromClause) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
