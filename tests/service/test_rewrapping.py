"""After a rotation all data keys come under the new version, whatever happens meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from sqlalchemy import delete, insert, select, update

from secvault.audit.query import Question, page
from secvault.crypto import datakey
from secvault.crypto.secret import Secret
from secvault.errors import NotFound
from secvault.service import Service, authentication, rewrapping
from secvault.service.rewrapping import rewrap_collection, rotate_collection_key
from secvault.service.spine import Caller
from secvault.store.tables import data_key
from tests.running_service import House

PAYROLL = "payroll"
KEY = Secret(b"k" * 32)


@pytest.fixture
def operator(service: Service) -> Caller:
    """Whoever has the machine."""
    return Caller(authentication.local_operator(service))


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a run has many transactions."""
    monkeypatch.setattr(rewrapping, "BATCH", 7)


def _fill(service: Service, count: int) -> None:
    """Data keys of so many subjects, all with the same key, under version 1."""
    with service.store.write() as connection:
        wrapping = service.keyring.material(connection, "records", PAYROLL, 1)
        rows = [
            {
                "collection": PAYROLL,
                "subject": f"s-{number:07d}",
                "wrapped": datakey.wrap_data_key(KEY, wrapping, 1, PAYROLL, f"s-{number:07d}"),
                "created_at": 1,
            }
            for number in range(count)
        ]
        connection.execute(insert(data_key), rows)


def _wrapped(service: Service) -> dict[str, bytes]:
    with service.store.read() as connection:
        rows = connection.execute(
            select(data_key.c.subject, data_key.c.wrapped).where(data_key.c.collection == PAYROLL)
        )
        return {row.subject: row.wrapped for row in rows}


def _versions(service: Service) -> set[int]:
    return {datakey.wrapping_version(wrapped) for wrapped in _wrapped(service).values()}


def _open(service: Service, subject: str) -> Secret:
    wrapped = _wrapped(service)[subject]
    with service.store.read() as connection:
        number = datakey.wrapping_version(wrapped)
        wrapping = service.keyring.material(connection, "records", PAYROLL, number)
    return datakey.unwrap_data_key(wrapped, wrapping, PAYROLL, subject)


def test_all_data_keys_come_under_the_new_version_and_stay_what_they_were(
    service: Service, operator: Caller
) -> None:
    _fill(service, 50)
    before = len(_wrapped(service))
    assert rotate_collection_key(service, operator, PAYROLL).latest_version == 2
    told: list[tuple[int, int]] = []
    done = rewrap_collection(service, operator, PAYROLL, lambda *so_far: told.append(so_far))
    assert (done.rewrapped, done.version, done.left, done.damaged) == (before, 2, 0, ())
    assert _versions(service) == {2}
    assert all(_open(service, f"s-{number:07d}") == KEY for number in range(50))
    assert told[0] == (0, before)
    assert told[-1] == (before, before)
    assert rewrap_collection(service, operator, PAYROLL).rewrapped == 0


def test_other_collections_are_left_alone(service: Service, operator: Caller) -> None:
    with service.store.write() as connection:
        connection.execute(
            insert(data_key).values(
                collection="contracts", subject="s", wrapped=b"\1" + bytes(64), created_at=1
            )
        )
    rotate_collection_key(service, operator, PAYROLL)
    assert rewrap_collection(service, operator, PAYROLL).damaged == ()


def test_a_key_rotated_during_the_run_is_followed(service: Service, operator: Caller) -> None:
    _fill(service, 40)
    rotate_collection_key(service, operator, PAYROLL)
    rotations = iter([None, None, "now"])

    def tell(_done: int, _of: int) -> None:
        if next(rotations, None) == "now":
            rotate_collection_key(service, operator, PAYROLL)

    done = rewrap_collection(service, operator, PAYROLL, tell)
    assert done.version == 3
    assert _versions(service) == {3}


def test_what_is_erased_during_the_run_stays_erased(service: Service, operator: Caller) -> None:
    _fill(service, 40)
    rotate_collection_key(service, operator, PAYROLL)
    erased = [f"s-{number:07d}" for number in range(3, 40, 5)]
    waiting = iter(erased)

    def tell(_done: int, _of: int) -> None:
        subject = next(waiting, None)
        if subject is not None:
            with service.store.write() as connection:
                connection.execute(delete(data_key).where(data_key.c.subject == subject))

    rewrap_collection(service, operator, PAYROLL, tell)
    assert not set(erased[:3]) & set(_wrapped(service))
    assert _versions(service) == {2}


def test_a_damaged_data_key_is_named_and_the_others_are_done(
    service: Service, operator: Caller
) -> None:
    _fill(service, 30)
    with service.store.write() as connection:
        for subject, broken in (("s-0000004", b"\1\0\0\0\1" + bytes(60)), ("s-0000021", b"x")):
            connection.execute(
                update(data_key).where(data_key.c.subject == subject).values(wrapped=broken)
            )
    rotate_collection_key(service, operator, PAYROLL)
    done = rewrap_collection(service, operator, PAYROLL)
    assert done.damaged == ("s-0000004", "s-0000021")
    assert done.left == 2
    assert _open(service, "s-0000029") == KEY


def test_a_run_leaves_its_intent_and_its_outcome_in_the_log(
    service: Service, operator: Caller
) -> None:
    _fill(service, 10)
    rotate_collection_key(service, operator, PAYROLL)
    done = rewrap_collection(service, operator, PAYROLL)
    service.audit.drain()
    newest, before = page(service.store, Question(), limit=2).events
    assert (before.event.kind, before.event.outcome) == ("key.rewrap", "intent")
    assert (newest.event.kind, newest.event.outcome) == ("key.rewrap", "ok")
    assert newest.event.count == done.rewrapped
    assert newest.event.detail == {"version": 2, "problems": 0}


def test_a_collection_that_is_not_there_is_not_found(service: Service, operator: Caller) -> None:
    for do in (rotate_collection_key, rewrap_collection):
        with pytest.raises(NotFound):
            do(service, operator, "nowhere")


# Re-wraps for ever smaller steps of the work; the kill comes in the middle.
RUN = """
import sys
from pathlib import Path
from secvault.clock import system_clock
from secvault.config import load
from secvault.service import authentication, opening, rewrapping
from secvault.service.spine import Caller
settings = load(None, {"SECVAULT_DATA": sys.argv[1]})
rewrapping.BATCH = 100
with opening.opened(settings, system_clock(), program="rewrap", environment={}) as service:
    caller = Caller(authentication.local_operator(service))
    def tell(done, of):
        print(done, of, flush=True)
    done = rewrapping.rewrap_collection(service, caller, "payroll", tell)
    print("end", done.rewrapped, done.left, flush=True)
"""


def _lines(process: subprocess.Popen[str]) -> Iterator[list[str]]:
    assert process.stdout is not None
    for line in process.stdout:
        yield line.split()


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_with_all_on_the_new_version(
    service: Service, operator: Caller, house: House
) -> None:
    count = 4_000
    _fill(service, count)
    all_of_them = len(_wrapped(service))
    rotate_collection_key(service, operator, PAYROLL)
    rewrapped = 0
    for _ in range(40):
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(house.folder / "vault")],
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"]},
        )
        ended = False
        for said in _lines(process):
            if said[0] == "end":
                rewrapped += int(said[1])
                ended = True
            elif int(said[0]) >= 1_000:
                process.send_signal(signal.SIGKILL)
                break
        process.wait(300)
        if ended:
            break
    assert ended
    assert _versions(service) == {2}
    assert len(_wrapped(service)) == all_of_them
    assert rewrapped < 2_000
    assert _open(service, f"s-{count - 1:07d}") == KEY
