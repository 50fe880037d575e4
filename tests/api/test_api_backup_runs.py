"""Backup runs over HTTP: one run, its events until it ends, its end; checks and retention."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Any

import pytest

from secvault.api import following
from secvault.backup import run
from secvault.service import Service, authentication
from secvault.service.spine import Caller
from secvault.store import tables
from tests.running_service import Api, Front, House

RUN = "backup:nightly:2026-11-26T18:30:00Z"
EVENTS = f"/api/v1/backups/runs/{RUN}/events"


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks that come soon after each other."""
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.05)


@contextmanager
def under_way(front: Front, house: House) -> Iterator[tuple[Api, Service]]:
    """A run of which two megabytes of four are saved, the application over it, its service."""
    inside: list[Service] = []

    def keep(service: Service) -> Service:
        inside.append(service)
        return service

    with front.serving(house, keep) as api:
        (service,) = inside
        run.begin(service.backups, "nightly", RUN, "schedule")
        service.backups.mark(tables.backup_run, RUN, phase="saving")
        service.backups.mark(
            tables.backup_run, RUN, bytes_done=2_000_000, bytes_expected=4_000_000, rate=1000
        )
        yield api, service


def events(text: str) -> list[tuple[str, Any]]:
    """The events of a stream, and its comments as `:`."""
    found = []
    for block in filter(None, text.split("\n\n")):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line[0] != ":")
        if fields:
            found.append((fields["event"], json.loads(fields["data"])))
        else:
            found.append((":", block))
    return found


def end_soon(service: Service, seconds: float = 1.5) -> Timer:
    def end() -> None:
        with service.store.write() as connection:
            run.finish(service.backups, connection, RUN)

    timer = Timer(seconds, end)
    timer.start()
    return timer


def test_the_events_of_a_run_come_as_it_goes_on_and_end_with_it(front: Front, house: House) -> None:
    with under_way(front, house) as (api, service):
        timer = end_soon(service)
        answer = api("GET", EVENTS, "auditor")
        timer.join()

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    told = events(answer.text)
    assert [name for name, _ in told if name != ":"] == ["progress", "end"]
    # Something each time, so that no proxy takes the line for dead.
    assert len(told) > 2
    first, last = told[0][1], told[-1][1]
    assert (first["state"], first["phase"], first["bytes_done"]) == ("running", "saving", 2_000_000)
    assert (first["bytes_expected"], first["rate"]) == (4_000_000, 1000)
    assert (last["state"], last["bytes_done"]) == ("done", None)


def test_of_a_run_that_has_ended_comes_one_event(front: Front, house: House) -> None:
    with under_way(front, house) as (api, service):
        end_soon(service, 0).join()
        told = events(api("GET", EVENTS, "auditor").text)
    assert [name for name, _ in told] == ["end"]


def test_whoever_may_not_look_gets_an_answer_and_no_stream(front: Front, house: House) -> None:
    with under_way(front, house) as (api, _):
        assert api("GET", EVENTS, "clerk").status_code == 403
        assert api("GET", EVENTS).status_code == 401
        nothing = "/api/v1/backups/runs/nothing"
        for path in (nothing, f"{nothing}/events"):
            missing = api("GET", path, "auditor")
            assert missing.status_code == 404
            assert missing.headers["content-type"] == "application/problem+json"


def test_a_stream_ends_when_the_session_does(
    front: Front, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secvault.service.watching.RIGHTS_SECONDS", 0.0)
    with under_way(front, house) as (api, service):
        who = Caller(authentication.authenticate(service, house.tokens["auditor"]))
        timer = Timer(0.4, lambda: authentication.sign_out(service, who))
        timer.start()
        told = events(api("GET", EVENTS, "auditor").text)
        timer.join()
    assert told[-1][0] == "refused"


def test_one_run_is_read_with_its_steps(front: Front, house: House) -> None:
    with under_way(front, house) as (api, _):
        found = api.ok("GET", f"/api/v1/backups/runs/{RUN}", "auditor")
    assert (found["id"], found["state"], found["requested_by"]) == (RUN, "running", "schedule")
    assert (found["bytes_done"], found["steps"], found["finished_at"]) == (2_000_000, [], None)


def test_a_run_is_cancelled_by_those_who_may(front: Front, house: House) -> None:
    path = f"/api/v1/backups/runs/{RUN}/cancel"
    with under_way(front, house) as (api, service):
        assert api("POST", path, "auditor").status_code == 403
        answer = api("POST", path, "admin")
        assert (answer.status_code, answer.json()) == (202, {"id": RUN, "state": "running"})
        assert run.read_run(service.backups, RUN).cancel_by is not None
        end_soon(service, 0).join()
        assert api("POST", path, "admin").status_code == 409

        asked = api.ok("POST", "/api/v1/backups/plans/nightly/runs", "admin")["id"]
        stopped = api.ok("POST", f"/api/v1/backups/runs/{asked}/cancel", "admin")
        assert stopped == {"id": asked, "state": "missed"}


def test_checks_and_retention_are_asked_for_and_not_waited_for(api: Api) -> None:
    for work in ("checks", "retention"):
        path = f"/api/v1/backups/plans/nightly/{work}"
        assert api("POST", path, "admin").status_code == 202
        assert api("POST", path, "auditor").status_code == 403
        assert api("POST", f"/api/v1/backups/plans/other/{work}", "admin").status_code == 404
    assert api.ok("GET", "/api/v1/backups/checks", "auditor") == {"checks": []}
    assert api.ok("GET", "/api/v1/backups/checks?plan=nightly&limit=5", "auditor")["checks"] == []
    assert api("GET", "/api/v1/backups/checks?limit=0", "auditor").status_code == 422


def test_the_days_of_plans_are_told_to_who_may_read_backups(front: Front, house: House) -> None:
    calendar = "/api/v1/backups/calendar"
    with under_way(front, house) as (api, _):
        (plan,) = api.ok("GET", f"{calendar}?plan=nightly&days=3", "auditor")["plans"]
        words = [day["word"] for day in plan["days"]]
        assert (plan["plan"], words) == ("nightly", ["before", "before", "running"])
        assert plan["days"][-1]["counts"] == {"running": 1}
        assert api("GET", f"{calendar}?plan=other", "auditor").status_code == 404
        for wrong in ("", "?plan=nightly&days=0", "?plan=nightly&days=401"):
            assert api("GET", calendar + wrong, "auditor").status_code == 422
        assert api("GET", f"{calendar}?plan=nightly", "clerk").status_code == 403
