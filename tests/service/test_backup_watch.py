"""The worker's watch asks repositories no more than it must, and every one of them."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from secvault.errors import SecvaultError
from secvault.service import Service, authentication, backup_watch, backups
from secvault.service.spine import Caller
from secvault.store import tables
from tests.backup_rows import HOUR, add_run
from tests.running_service import House

NEVER = threading.Event()


def unseen(_progress: object) -> None:
    """Nobody watches."""


def test_a_catalogue_is_asked_for_after_a_run_once_and_then_once_a_day(
    house: House, service: Service
) -> None:
    # Without any backup there may be no repository.
    assert backup_watch.ask_for_catalogues(service) == ()
    with service.store.write() as connection:
        add_run(connection, "run-1", service.clock.micros() - HOUR)
    (job,) = backup_watch.ask_for_catalogues(service)
    assert backup_watch.ask_for_catalogues(service) == ()
    with service.store.write() as connection:
        # It failed; a quarter of an hour later it is tried again.
        connection.execute(tables.job.update().values(state="failed"))
    backup_watch.ask_for_catalogues(service)
    with service.store.read() as connection:
        assert connection.execute(select(tables.job.c.id)).scalars().all() == [job]
    house.hands.seconds += 15 * 60
    (again,) = backup_watch.ask_for_catalogues(service)
    assert again != job
    with service.store.write() as connection:
        connection.execute(tables.job.update().values(state="done"))
        row = {"plan": "nightly", "repository": "local"}
        asked = tables.backup_catalogue.insert()
        connection.execute(asked.values(refreshed_at=service.clock.micros(), **row))
    house.hands.seconds += 23 * 3600
    assert backup_watch.ask_for_catalogues(service) == ()
    house.hands.seconds += 2 * 3600
    assert len(backup_watch.ask_for_catalogues(service)) == 1


@pytest.mark.real
@pytest.mark.usefixtures("quick_repositories")
def test_every_repository_of_a_plan_has_its_turn_also_where_one_fails(
    house: House, tmp_path: Path
) -> None:
    more = {
        "SECVAULT_BACKUP__REPOSITORIES__SECOND__LOCATION": str(tmp_path / "second"),
        "SECVAULT_BACKUP__PLANS__NIGHTLY__COPIES": '["second"]',
    }
    with replace(house, more=more).open() as service:
        operator = Caller(authentication.local_operator(service))
        done, _ = backups.run_backup(service, operator, "nightly", unseen, NEVER)
        known = select(tables.backup_snapshot.c.repository, tables.backup_snapshot.c.run)
        assert backup_watch.follow_repositories(service, "nightly", NEVER) == 2
        with service.store.read() as connection:
            rows = {tuple(row) for row in connection.execute(known)}
            assert rows == {("local", done.id), ("second", done.id)}
            measured = connection.execute(select(tables.backup_measure)).all()
        assert len(measured) == 2
        first = service.backups.repository("local").location
        Path(first).rename(tmp_path / "away")
        with service.store.write() as connection:
            connection.execute(tables.backup_snapshot.delete())
        with pytest.raises(SecvaultError):
            backup_watch.follow_repositories(service, "nightly", NEVER)
        with service.store.read() as connection:
            assert [row.repository for row in connection.execute(known)] == ["second"]
