"""An import is killed at moments of chance; each row of its file is stored once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from select import select as select_ready

import pytest
from sqlalchemy import func, select

from secvault.audit.query import Question, page
from secvault.records.imports import import_row
from secvault.records.imports.import_row import Import
from secvault.service import Service, authentication, records
from secvault.service.record_imports import requests
from secvault.service.spine import Caller
from secvault.store.tables import data_key, object_actor, record, record_field, record_import_part
from tests.running_service import House, copied, furnish
from tests.service.policy_house import heads_read_accounts
from tests.service.record_imports.files import PAYROLL, as_csv, payroll_row, sent

KILLS = int(os.environ.get("SVTEST_KILLS", "8"))
ROWS = 30 * KILLS
PATIENCE = 300.0
BATCH = {"SECVAULT_IMPORTS__BATCH_ROWS": "5"}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def guarded(
    request: pytest.FixtureRequest, furnished: House, tmp_path: Path
) -> Iterator[tuple[House, Service]]:
    """A vault on each engine, open here too."""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")
        house = furnish(tmp_path / "house", more={"SECVAULT_STORE__URL": url, **BATCH})
    else:
        made = copied(furnished, tmp_path / "house")
        house = House(made.folder, made.hands, made.tokens, made.seeds, BATCH)
    with house.open() as service:
        yield house, service


class Nursery:
    """Forks workers of one import, and kills them."""

    def __init__(self, house: House, import_id: str) -> None:
        given = {
            "SECVAULT_DATA": str(house.folder / "vault"),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            **house.more,
        }
        command = [sys.executable, "-m", "tests.service.record_imports.nursery", import_id]
        self._process = subprocess.Popen(
            command,
            env=given,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            # Its workers end with it, also when a test fails.
            start_new_session=True,
        )

    def begin(self) -> int:
        """The process id of a new worker."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        return int(self._line())

    def ended(self) -> None:
        """Return when the worker has ended."""
        assert self._line() == "ended"

    def close(self) -> None:
        """End the program and its worker."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE)

    def _line(self) -> str:
        assert self._process.stdout is not None
        told, _, _ = select_ready([self._process.stdout], [], [], PATIENCE)
        assert told, "the nursery says nothing"
        line = self._process.stdout.readline().decode().strip()
        assert line, "the nursery has ended"
        return line


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_import_that_is_killed_at_random_moments_stores_each_row_once(
    guarded: tuple[House, Service],
) -> None:
    house, service = guarded
    heads_read_accounts(service)
    head = Caller(authentication.authenticate(service, house.tokens["head"]))
    content = as_csv(payroll_row(number) for number in range(ROWS))
    import_id = sent(service, head, content, part_bytes=50_000)
    requests.start_import(service, head, import_id, by_worker=False)
    seed = random.randrange(2**32)
    chance = random.Random(seed)

    def seen() -> Import:
        with service.store.read() as connection:
            return import_row.read_import(connection, import_id)

    nursery = Nursery(house, import_id)
    kills, stored_at = 0, []
    try:
        # Some before anything is stored, the others while it is, at any place of a batch.
        while kills < KILLS:
            worker = nursery.begin()
            if kills < KILLS // 4:
                time.sleep(chance.random() * 0.5)
            else:
                goal = seen().created + chance.randrange(1, 2 * ROWS // KILLS)
                _eventually(lambda: seen().created >= goal or seen().ended, worker)  # noqa: B023
                time.sleep(chance.random() * 0.02)
            if seen().ended:
                break
            os.kill(worker, signal.SIGKILL)
            nursery.ended()
            kills += 1
            stored_at.append(seen().created)
        if not seen().ended:
            nursery.begin()
        nursery.ended()
    finally:
        nursery.close()
    done = seen()
    told = f"seed {seed}, killed after {stored_at}"
    assert kills >= KILLS * 3 // 4, told
    assert (done.state, done.created, done.total) == ("done", ROWS, ROWS), told
    assert _stored(service) == Counter({f"pr-{number:05d}": 1 for number in range(ROWS)}), told
    assert _makers(service) == Counter({f"payroll/pr-{number:05d}": 1 for number in range(ROWS)})
    # Every record opens, with what stands in its row.
    for number in chance.sample(range(ROWS), 25):
        found = records.read_record(service, head, PAYROLL, f"pr-{number:05d}")
        assert found.fields["bank_account"] == f"00710{number:08d}"
    assert _counted_by_the_log(service, import_id) == ROWS
    with service.store.read() as connection:
        fields = connection.scalar(select(func.count()).where(record_field.c.record.like("pr-%")))
        keys = connection.execute(select(data_key.c.subject)).scalars().all()
        assert not connection.execute(select(record_import_part.c.number)).all()
    assert fields == ROWS * 6
    assert f"IMPORT/{import_id}" not in keys
    assert len([key for key in keys if key.startswith("nv-0")]) == ROWS + 1


def _stored(service: Service) -> Counter[str]:
    with service.store.read() as connection:
        question = select(record.c.id).where(record.c.collection == PAYROLL)
        found = Counter(connection.execute(question).scalars())
    return Counter({name: count for name, count in found.items() if name.startswith("pr-")})


def _makers(service: Service) -> Counter[str]:
    with service.store.read() as connection:
        question = select(object_actor.c.object).where(object_actor.c.object.like("payroll/pr-%"))
        return Counter(connection.execute(question).scalars())


def _counted_by_the_log(service: Service, import_id: str) -> int:
    service.audit.drain()
    found = page(service.store, Question(kind="record.import"), limit=1_000)
    assert found.next is None
    return sum(
        one.event.count or 0
        for one in found.events
        # Those of the batches; others tell of the states between.
        if one.event.detail.get("run") == import_id and one.event.decision and one.event.fields
    )


def _eventually(holds: Callable[[], bool], _worker: int) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.002)
