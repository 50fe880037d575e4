"""When an erasure is said to have reached the backups: never before it has."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert

from secvault.service import Service
from secvault.service.erasing.reach import DAY, Reach, reach_of
from secvault.store.tables import backup_run

HOUR = 3_600 * 1_000_000
ERASED = 1_793_700_000_000_000
DAYS = 7


@pytest.fixture
def vault(service: Service) -> Service:
    assert service.settings.backup.keys_days == DAYS
    assert set(service.settings.backup.plans) == {"nightly"}
    return service


def ran(service: Service, started_at: int, finished_at: int | None, **more: Any) -> None:
    """A run that copied the database as soon as it began."""
    with service.store.write() as connection:
        connection.execute(
            insert(backup_run).values(
                {
                    "id": f"run-{started_at}",
                    "plan": "nightly",
                    "repository": "here",
                    "state": "done" if finished_at else "running",
                    "phase": "done",
                    "requested_by": "user:x",
                    "started_at": started_at,
                    "data_at": started_at,
                    "finished_at": finished_at,
                    "node": "here",
                    "beat_at": finished_at or started_at,
                    **more,
                }
            )
        )


def reached(service: Service) -> Reach:
    with service.store.read() as connection:
        return reach_of(service, connection, ERASED)


def test_data_keys_that_were_saved_after_the_erasure_but_copied_before_it_count_from_then(
    vault: Service,
) -> None:
    """Their snapshot is as young as the end of the run, and is kept for so many days more."""
    ran(vault, ERASED - HOUR, ERASED + 5 * HOUR)
    ran(vault, ERASED + DAYS * DAY + HOUR, ERASED + DAYS * DAY + 2 * HOUR)
    late = ERASED + 5 * HOUR + DAYS * DAY
    assert reached(vault) == Reach(known=True, gone_after=late, gone=False)
    ran(vault, late + HOUR, late + 2 * HOUR)
    assert reached(vault) == Reach(known=True, gone_after=late, gone=True)


def test_a_run_that_failed_after_it_saved_the_data_keys_counts_too(vault: Service) -> None:
    ran(vault, ERASED - HOUR, ERASED + 5 * HOUR, state="failed")
    ran(vault, ERASED + DAYS * DAY + HOUR, ERASED + DAYS * DAY + 2 * HOUR)
    assert not reached(vault).gone


def test_while_a_run_from_before_goes_on_nothing_is_gone(vault: Service) -> None:
    ran(vault, ERASED - HOUR, None)
    ran(vault, ERASED + DAYS * DAY + HOUR, ERASED + DAYS * DAY + 2 * HOUR)
    assert not reached(vault).gone


def test_without_a_run_since_nothing_is_known(vault: Service) -> None:
    ran(vault, ERASED - 2 * HOUR, ERASED - HOUR)
    assert reached(vault) == Reach(known=False, gone_after=None, gone=False)
