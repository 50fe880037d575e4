"""A company's vault for the console: plans with their history, people, keys, records, events.

Everything but records and events is written as rows, as the worker would have left it.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from benchmarks.audit_log import Told, fill
from benchmarks.records_import import importers
from benchmarks.records_vault import SEALED, token_of, vault
from secvault.access import last_use
from secvault.backup import plans
from secvault.config import PlanSettings
from secvault.crypto.secret import Secret
from secvault.identity import enrolment, people, totp
from secvault.identity.people import NewPerson
from secvault.jobs import calendar
from secvault.service import Service, authentication, recovery_kits
from secvault.service.spine import Caller
from secvault.store import tables
from secvault.store.scrub import scrub
from tests.acceptance.installation import Installation

HOUR = 3_600_000_000
DAY = 24 * HOUR
RUNS, SNAPSHOTS, DRILLS, CHECKS, MEASURES = 90, 40, 12, 12, 30
"""Of each plan: what a year of nights leaves."""
BEHIND, FAILING, UNPROVEN, DAMAGED = 25, 20, 50, 100
"""One plan in so many."""
REPOSITORY = "here"
_TAKEN = 60_000_000


@contextmanager
def company(folder: Path, postgresql: str | None) -> Iterator[Installation]:
    """A vault in which nothing is detected: the worker would follow all events meanwhile."""
    with vault(folder, postgresql) as made:
        yield made.with_(SECVAULT_AUDIT__DETECTION__ENABLED="false")


def store_records(installation: Installation, count: int, processes: int, told: Told) -> None:
    """Store so many records with five encrypted fields."""
    token = token_of(installation)
    with importers(installation, token, processes) as storing:
        for start in range(0, count, _PART):
            part = range(start, min(start + _PART, count))
            storing.store(SEALED, part)
            told(part.stop)


_PART = 20_000


def append_events(installation: Installation, count: int, told: Told) -> None:
    """Append so many events to the vault's own log."""
    with installation.opened() as service:
        fill(service.store, count, None, told)


def settle(installation: Installation) -> None:
    """Have done now what is done by itself in the hours after so many rows came.

    The worker reads on in the log, and the database keeps its house.
    """
    with installation.opened() as service:
        store = service.store
        last_use.follow(store, service.clock, service.policy)
        if store.dialect == "postgresql":
            with store.aside() as connection:
                connection.exec_driver_sql("VACUUM ANALYZE")
                connection.exec_driver_sql("CHECKPOINT")
        else:
            # All that the log beside the database holds is moved into it.
            scrub(store, service.clock, ())
    os.sync()


def furnish(installation: Installation, plan_count: int, people_count: int, keys: int) -> None:
    """Plans with their history, people with a device each, keys, and a recovery kit."""
    with installation.opened() as service:
        operator = Caller(authentication.local_operator(service))
        recovery_kits.issue_kit(service, operator)
        recovery_kits.take_kit(service, operator)
        _people(service, people_count)
        with service.store.write() as connection:
            for number in range(keys):
                service.keyring.create(connection, "transit", f"key-{number:03}")
        for number in range(plan_count):
            _plan(service, number)
        with service.store.aside() as connection:
            connection.exec_driver_sql("ANALYZE")


def _people(service: Service, count: int) -> None:
    hashed = service.entrance.hasher.hash(Secret.of(base64.b64encode(service.random(24)).decode()))
    with service.store.write() as connection:
        for number in range(count):
            new = NewPerson.of(f"person-{number}", f"Person {number}", "hr")
            made = people.create_person(connection, service.clock, new, hashed)
            seed = totp.base32(totp.new_seed())
            enrolment.adopt_device(
                connection, service.clock, service.entrance.keys, made, name="phone", seed=seed
            )


def _plan(service: Service, number: int) -> None:
    now = service.clock.micros()
    name = f"plan-{number:03}"
    # Its next night is half a day away, so that nothing begins meanwhile.
    hour = (service.clock.now().hour + 12) % 24
    settings = PlanSettings(
        repository=REPOSITORY,
        keep_last=SNAPSHOTS,
        schedule=f"{number % 60} {hour} * * *",
        check_schedule=f"{number % 60} {hour} * * 0",
        drill_schedule=f"{number % 60} {hour} 1 * *",
        time_zone="UTC",
    )
    late = 3 * DAY if number % BEHIND == 0 else HOUR
    nights = [now - late - night * DAY for night in range(RUNS)]
    fails = number % FAILING == 1
    rows: dict[str, list[dict[str, Any]]] = {
        "backup_run": [_run(name, at, fails and at == nights[0]) for at in nights],
        "backup_snapshot": [_snapshot(name, at) for at in nights[:SNAPSHOTS]],
        "backup_measure": [_measure(name, at) for at in nights[:MEASURES]],
        "drill": [] if number % UNPROVEN == 2 else [
            _drill(name, now - DAY - month * 30 * DAY) for month in range(DRILLS)
        ],
        "job": [_job(name, now - DAY - month * 30 * DAY) for month in range(DRILLS)],
        "backup_catalogue": [{"plan": name, "repository": REPOSITORY, "refreshed_at": now}],
        "backup_watch": [{"plan": name, "first_seen_at": nights[-1]}],
    }  # fmt: skip
    with service.store.write() as connection:
        plans.add(connection, name, settings, by="local:operator", now=now)
        for table, made in rows.items():
            if made:
                connection.execute(insert(getattr(tables, table)), made)
        for week in range(CHECKS):
            _check(connection, name, now - DAY - week * 7 * DAY, number % DAMAGED == 3 and not week)


def _run(plan: str, at: int, failed: bool) -> dict[str, Any]:  # noqa: FBT001
    return {
        "id": f"backup:{plan}:{at}",
        "plan": plan,
        "repository": REPOSITORY,
        "state": "failed" if failed else "done",
        "phase": "saving" if failed else "done",
        "requested_by": calendar.REQUESTED_BY,
        "started_at": at,
        "finished_at": at + _TAKEN,
        "data_at": at,
        "snapshot": None if failed else _id_of(plan, at),
        "files": 10_000,
        "bytes": 1 << 30,
        "bytes_added": 1 << 24,
        "error": "the disk is full" if failed else None,
        "node": "bench:1",
        "beat_at": at,
    }


def _snapshot(plan: str, at: int) -> dict[str, Any]:
    return {
        "repository": REPOSITORY,
        "id": _id_of(plan, at),
        "plan": plan,
        "run": f"backup:{plan}:{at}",
        "taken_at": at,
        "host": "bench",
        "paths": '["/srv/data"]',
        "tags": f'["secvault","plan={plan}"]',
    }


def _measure(plan: str, at: int) -> dict[str, Any]:
    return {
        "plan": plan,
        "repository": REPOSITORY,
        "measured_at": at,
        "snapshots": SNAPSHOTS,
        "stored_bytes": 1 << 30,
        "plain_bytes": 1 << 31,
    }


def _drill(plan: str, at: int) -> dict[str, Any]:
    return {
        "id": f"drill:{plan}:{at}",
        "plan": plan,
        "state": "done",
        "phase": "done",
        "requested_by": calendar.REQUESTED_BY,
        "started_at": at,
        "finished_at": at + _TAKEN,
        "repository": REPOSITORY,
        "passed": True,
        "complete": True,
        "rpo_seconds": 3600,
        "rto_seconds": 60,
        "levels": '{"files":"passed","repository":"passed"}',
        "faults": "[]",
        "phases": '{"compare":20000,"fetch":40000}',
        "figures": '{"rpo_target_seconds":86400,"rto_target_seconds":14400}',
        "node": "bench:1",
        "beat_at": at,
    }


def _job(plan: str, at: int) -> dict[str, Any]:
    return {
        "id": f"drill:{plan}:{at}",
        "kind": "drill",
        "plan": plan,
        "requested_by": calendar.REQUESTED_BY,
        "requested_at": at,
        "due_at": at,
        "state": "done",
        "finished_at": at + _TAKEN,
    }


def _check(connection: Any, plan: str, at: int, damaged: bool) -> None:  # noqa: FBT001
    check = f"check:{plan}:{at}"
    row = {
        "id": check,
        "plan": plan,
        "state": "failed" if damaged else "done",
        "phase": "done",
        "requested_by": calendar.REQUESTED_BY,
        "started_at": at,
        "finished_at": at + _TAKEN,
        "passed": not damaged,
        "node": "bench:1",
        "beat_at": at,
    }
    connection.execute(insert(tables.backup_check).values(row))
    part = {
        "check_id": check,
        "repository": REPOSITORY,
        "checked_at": at,
        "passed": not damaged,
        "read": "structure",
    }
    connection.execute(insert(tables.backup_checked).values(part))


def _id_of(plan: str, at: int) -> str:
    return f"{plan.encode().hex()}{at:x}".ljust(64, "0")[:64]
