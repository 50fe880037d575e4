"""An import that changes records, and makes others of the same person, while one is erased."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import text

from secvault.records.data_key import hold_alone
from secvault.records.imports.spec import OnConflict
from secvault.records.record import read_to_change
from secvault.service import authentication
from secvault.service.spine import Caller
from secvault.store import Store
from tests.running_service import furnish
from tests.service.record_imports.files import PAYROLL, as_csv, imported, payroll_row

_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def _somebody_waits(store: Store) -> bool:
    # A transaction sees for its whole life what others were doing when it first asked.
    with store.read() as connection:
        return bool(connection.execute(_WAITING).scalar_one())


@pytest.mark.real
def test_neither_waits_for_the_other_in_a_circle(tmp_path: Path, postgresql_url: str) -> None:
    house = furnish(tmp_path / "house", more={"SECVAULT_STORE__URL": postgresql_url})
    with house.open() as service:
        head = Caller(authentication.authenticate(service, house.tokens["head"]))
        imported(service, head, as_csv([payroll_row(1)]))
        begun = Event()

        def erase() -> None:
            """Lock as whoever deletes or erases does: the record, then its data key."""
            with service.store.write() as connection:
                schema = service.collections[PAYROLL]
                found = read_to_change(connection, service.keyring, schema, "pr-00001")
                begun.set()
                end = time.monotonic() + 300
                while not _somebody_waits(service.store):
                    assert time.monotonic() < end, "the import waits for nobody"
                    time.sleep(0.1)
                assert hold_alone(connection, PAYROLL, found.subject)

        one, other = payroll_row(1, status="paid"), payroll_row(2)
        same = as_csv([one, {**other, "employee": one["employee"]}])
        with ThreadPoolExecutor(1) as pool:
            erasing = pool.submit(erase)
            assert begun.wait(300)
            done = imported(service, head, same, on_conflict=OnConflict.UPDATE)
            erasing.result()
        assert (done.state, done.created, done.updated) == ("done", 1, 1)
