"""Dead man's switches hear of runs, also of those that nobody told them of at the time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from sqlalchemy import select, update

from secvault.backup import pings
from secvault.config.load import settings_with_origin
from secvault.service import Service, backup_pings
from secvault.store import tables
from tests.backup_rows import HOUR, add_job, add_run
from tests.notices.receivers import nobody_listens
from tests.running_service import House

CANARY = "7e57c0de-switch-canary"
URL = f"https://hc.example.com/{CANARY}"


class Switch:
    """Takes the pings, or answers each with the code of why not."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.answers: list[str] = []

    def __call__(self, url: str) -> str:
        self.heard.append(url.removeprefix(URL))
        return self.answers.pop(0) if self.answers else ""


@pytest.fixture
def switch() -> Switch:
    return Switch()


@pytest.fixture
def service(house: House) -> Iterator[Service]:
    pinging = replace(house, more={"SECVAULT_BACKUP__PLANS__NIGHTLY__PING_URL": URL})
    with pinging.open() as opened:
        yield opened


def states(service: Service) -> dict[str, tuple[str, str | None]]:
    with service.store.read() as connection:
        rows = connection.execute(select(tables.backup_ping)).all()
    return {f"{row.run} {row.event}": (row.state, row.reason) for row in rows}


def end(service: Service, run: str, **values: object) -> None:
    with service.store.write() as connection:
        connection.execute(
            update(tables.backup_run).where(tables.backup_run.c.id == run).values(**values)
        )


def test_a_run_is_told_to_begin_and_to_be_done_each_once(service: Service, switch: Switch) -> None:
    now = service.clock.micros()
    with service.store.write() as connection:
        add_run(connection, "run-1", now, state="running", finished_at=None)
    assert backup_pings.turn(service, switch) == 1
    assert backup_pings.turn(service, switch) == 0
    end(service, "run-1", state="done", finished_at=now)
    assert backup_pings.turn(service, switch) == 1
    assert backup_pings.turn(service, switch) == 0
    assert switch.heard == ["/start", ""]
    assert states(service) == {"run-1 start": ("sent", None), "run-1 done": ("sent", None)}


def test_a_failure_is_told_when_nothing_tries_it_again_and_an_end_on_request_is_none(
    service: Service, switch: Switch
) -> None:
    now = service.clock.micros() - HOUR
    with service.store.write() as connection:
        add_run(connection, "run-1", now, state="failed")
        add_job(connection, "run-1", now, "started")
    backup_pings.turn(service, switch)
    assert switch.heard == ["/start"]
    with service.store.write() as connection:
        connection.execute(update(tables.job).values(state="failed"))
    backup_pings.turn(service, switch)
    assert switch.heard == ["/start", "/fail"]
    with service.store.write() as connection:
        add_run(connection, "run-2", now + 1, state="cancelled")
    backup_pings.turn(service, switch)
    assert "/fail" not in switch.heard[2:]


def test_what_does_not_arrive_is_tried_again_later_and_late_pings_lie_to_nobody(
    house: House, service: Service, switch: Switch
) -> None:
    now = service.clock.micros() - HOUR
    with service.store.write() as connection:
        add_run(connection, "run-1", now)
    switch.answers = ["timeout", "status_503"]
    assert backup_pings.turn(service, switch) == 0
    assert states(service)["run-1 start"] == ("waiting", "timeout")
    assert backup_pings.turn(service, switch) == 0
    house.hands.seconds += 16
    assert backup_pings.turn(service, switch) == 2
    # The next is done before the one of yesterday could be told.
    with service.store.write() as connection:
        add_run(connection, "run-2", now + 1)
    switch.answers = ["unreachable"] * 2
    backup_pings.turn(service, switch)
    with service.store.write() as connection:
        add_run(connection, "run-3", now + 2, state="running", finished_at=None)
    house.hands.seconds += 60
    backup_pings.turn(service, switch)
    assert states(service)["run-2 done"] == ("dropped", "unreachable")
    assert switch.heard[-1] == "/start"
    switch.answers = ["unreachable"]
    end(service, "run-3", state="done", finished_at=service.clock.micros())
    backup_pings.turn(service, switch)
    house.hands.seconds += pings.LATEST / 1_000_000 + 1
    backup_pings.turn(service, switch)
    assert states(service)["run-3 done"][0] == "dropped"


def test_a_switch_that_knows_no_such_ping_is_not_asked_again(
    service: Service, switch: Switch
) -> None:
    with service.store.write() as connection:
        add_run(connection, "run-1", service.clock.micros() - HOUR)
    switch.answers = ["status_404"]
    assert backup_pings.turn(service, switch) == 1
    assert states(service) == {
        "run-1 start": ("dropped", "status_404"),
        "run-1 done": ("sent", None),
    }


def test_a_ping_that_a_killed_process_took_is_sent_by_the_next(
    house: House, service: Service, switch: Switch
) -> None:
    now = service.clock.micros()
    with service.store.write() as connection:
        add_run(connection, "run-1", now, state="running", finished_at=None)
        pings.note_new(connection, {"nightly"}, now)
        assert len(pings.take(connection, now, 10)) == 1
        assert pings.take(connection, now, 10) == ()
    assert backup_pings.turn(service, switch) == 0
    house.hands.seconds += pings.LEASE / 1_000_000
    assert backup_pings.turn(service, switch) == 1


def test_runs_of_plans_without_a_switch_and_of_long_ago_are_nobodys_business(
    house: House, switch: Switch
) -> None:
    with house.open() as service:
        with service.store.write() as connection:
            add_run(connection, "run-1", service.clock.micros() - HOUR)
        assert backup_pings.turn(service, switch) == 0
    pinging = replace(house, more={"SECVAULT_BACKUP__PLANS__NIGHTLY__PING_URL": URL})
    house.hands.seconds += 3 * 24 * HOUR / 1_000_000
    with pinging.open() as service:
        assert backup_pings.turn(service, switch) == 0
        assert states(service) == {}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "https://hc.example.com/x",
            ["https://hc.example.com/x/start", "https://hc.example.com/x"],
        ),
        ("https://k/api/push/T?msg=OK", ["https://k/api/push/T/start?msg=OK"]),
        ("https://hc.example.com/x/", ["https://hc.example.com/x/start"]),
    ],
)
def test_what_happened_goes_behind_the_path(url: str, expected: list[str]) -> None:
    assert backup_pings.address(url, "start") == expected[0]
    assert [backup_pings.address(url, "done")] == expected[1:] or len(expected) == 1


class _Handler(BaseHTTPRequestHandler):
    status = 200
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(self.status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


def test_a_real_server_is_asked_once_without_redirects_and_a_fault_is_told_by_a_code() -> None:
    _Handler.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}/{CANARY}/start"
        told = []
        for status in (200, 302, 404, 500):
            _Handler.status = status
            told.append(backup_pings.ask(url))
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
    assert told == ["", "status_302", "status_404", "status_500"]
    assert _Handler.asked == [f"/{CANARY}/start"] * 4
    assert backup_pings.ask(f"http://127.0.0.1:{nobody_listens()}/{CANARY}") == "unreachable"
    assert backup_pings.ask("http://[no address/") == "unreachable"


def test_neither_rows_nor_logs_hold_the_address_and_a_silent_server_holds_up_no_stop(
    service: Service,
) -> None:
    logged: list[object] = []
    asked = threading.Event()
    with service.store.write() as connection:
        add_run(connection, "run-1", service.clock.micros())

    def log(*words: object, **more: object) -> None:
        logged.append((words, more))

    def never(_url: str) -> str:
        asked.set()
        time.sleep(60)
        return "timeout"

    pinging = backup_pings.Pinging(service, log, never, look_seconds=0.01)
    began = time.monotonic()
    with pinging:
        assert asked.wait(10)
    assert time.monotonic() - began < 10
    assert CANARY not in str(logged)
    with service.store.read() as connection:
        rows = connection.execute(select(tables.backup_ping)).all()
    assert rows
    assert CANARY not in str(rows)


def test_the_settings_do_not_show_the_address_of_a_switch(service: Service) -> None:
    assert service.backups.plan("nightly").ping_url == URL
    shown = [*settings_with_origin(service.settings, None, {})]
    assert ("backup.plans.nightly.ping_url", "***") in [each[:2] for each in shown]
    assert CANARY not in str(shown) + repr(service.settings) + repr(service.backups)
