"""The pages of backups: how plans stand, a run now, one run and its end; who sees what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import insert, select, update

from secvault.backup import rpo, run
from secvault.service import Service
from secvault.store import tables
from tests.backup_rows import add_job, add_run
from tests.console.browsing import signed_in
from tests.running_service import Api, Front, House

HOUR = 3600 * 10**6
DAY = 24 * HOUR
RUN = "backup:nightly:2026-11-26T18:30:00Z"
HOSTILE = '"><script>alert(1)</script>\u202egpj.exe'


@contextmanager
def inside(front: Front, house: House) -> Iterator[tuple[Api, Service]]:
    """The application over the vault, and its service."""
    kept: list[Service] = []

    def keep(service: Service) -> Service:
        kept.append(service)
        return service

    with front.serving(house, keep) as api:
        yield api, kept[0]


def jobs(service: Service) -> list[str]:
    """The kinds of what the worker was asked for."""
    with service.store.read() as connection:
        return list(connection.execute(select(tables.job.c.kind)).scalars())


def without_proof(api: Api, who: str, *paths: str) -> list[int]:
    """What forms without the page's token are answered."""
    browser = signed_in(api, who)
    return [browser.submit(path).status_code for path in paths]


def test_plans_their_days_and_the_last_runs_are_on_one_page(front: Front, house: House) -> None:
    with inside(front, house) as (api, service):
        now = service.clock.micros()
        with service.store.write() as connection:
            rpo.first_seen(connection, ["nightly"], now - 5 * DAY)
            add_run(connection, "old", now - 2 * DAY)
            add_run(connection, "bad", now - DAY, state="failed", snapshot=None, error=HOSTILE)
            add_run(connection, "new", now - HOUR, bytes=5 << 20)
        text = signed_in(api, "admin").get("/backups").text
    assert "Every plan keeps its promise." in text
    assert "promised: never older than 1 d 2 h" in text
    assert "nightly: on 1 day something went wrong" in text
    for word in ("good", "failed", "none"):
        assert f'<path class="{word}"' in text
    assert "The same as a table" in text
    assert "5.0 MiB" in text
    assert '<a href="/backups/runs/new">' in text
    assert "<script" not in text
    assert " style=" not in text


def test_a_plan_that_is_behind_is_said_first(front: Front, house: House) -> None:
    with inside(front, house) as (api, service):
        with service.store.write() as connection:
            rpo.first_seen(connection, ["nightly"], service.clock.micros() - 3 * DAY)
        browser = signed_in(api, "admin")
        assert "One plan needs you." in browser.get("/backups").text
        browser.submit("/language", language="vi")
        text = browser.get("/backups").text
    assert "1 kế hoạch đang cần bạn xử lý." in text
    assert '<td class="behind">' in text
    assert "Sao lưu ngay" in text


def test_who_may_not_read_backups_sees_neither_the_pages_nor_their_entry(api: Api) -> None:
    for who, may in (("admin", True), ("auditor", True), ("clerk", False), ("head", False)):
        browser = signed_in(api, who)
        for path in ("/backups", "/backups/nightly", "/backups/restores", "/drills", "/recovery"):
            assert browser.get(path).status_code == (200 if may else 403), (who, path)
        home = browser.get("/").text
        for path in ("/backups", "/drills", "/recovery"):
            assert (f'<a href="{path}"' in home) == may


def test_an_auditor_sees_everything_and_is_offered_nothing_that_changes_it(api: Api) -> None:
    browser = signed_in(api, "auditor")
    for path in ("/backups", "/backups/nightly", "/drills", "/recovery"):
        forms = re.findall(r'<form[^>]*method="post"[^>]*action="([^"]+)"', browser.get(path).text)
        assert set(forms) == {"/language", "/sign-out"}, path
    csrf = browser.csrf()
    for path, fields in (
        ("/backups/nightly/run", {}),
        ("/drills", {"plan": "nightly"}),
        ("/scenario-drills", {"plan": "nightly", "scenario": "single-file"}),
        ("/recovery/renew", {}),
        ("/recovery/take", {}),
        ("/backups/nightly/pause", {"version": "1"}),
    ):
        assert browser.submit(path, csrf=csrf, **fields).status_code == 403, path
    with api.house.open() as service:
        assert jobs(service) == []


def test_a_run_is_asked_for_by_a_form_with_the_pages_token_and_shown(
    front: Front, house: House
) -> None:
    with inside(front, house) as (api, service):
        assert without_proof(api, "admin", "/backups/nightly/run") == [403]
        browser = signed_in(api, "admin")
        assert browser.get("/backups/nightly/run").status_code == 405
        asked = browser.submit("/backups/nightly/run", csrf=browser.csrf("/backups"))
        assert asked.status_code == 303
        assert jobs(service) == ["backup"]
        page = browser.get(asked.headers["location"])
        assert page.status_code == 200
        assert "waits for the worker" in page.text
        assert "by you" in page.text
        csrf = browser.csrf()
        away = browser.submit(f"{asked.headers['location']}/cancel", csrf=csrf)
        assert away.status_code == 303
        page = browser.get(away.headers["location"]).text
    assert "did not begin" in page
    assert "/cancel" not in page


def test_a_run_under_way_shows_how_far_it_is_and_is_cancelled(front: Front, house: House) -> None:
    with inside(front, house) as (api, service):
        run.begin(service.backups, "nightly", RUN, "schedule")
        service.backups.mark(tables.backup_run, RUN, phase="saving")
        service.backups.mark(
            tables.backup_run, RUN, bytes_done=2_000_000, bytes_expected=4_000_000, rate=1000
        )
        with service.store.write() as connection:
            connection.execute(
                insert(tables.backup_step).values(
                    run=RUN,
                    name="save",
                    place=0,
                    state="running",
                    attempts=2,
                    started_at=service.clock.micros(),
                    error=HOSTILE,
                )
            )
        browser, auditor = signed_in(api, "admin"), signed_in(api, "auditor")
        path = f"/backups/runs/{RUN}"
        text = browser.get(path).text
        assert '<progress max="4000000" value="2000000"' in text
        assert "1.9 MiB of 3.8 MiB" in text
        assert "2 attempts" in text
        assert "by the schedule" in text
        assert "<script>" not in text
        # To look again is a link: without a script nothing reloads by itself.
        assert "http-equiv" not in text
        assert f'href="{path}"' in text
        assert f"{path}/cancel" not in auditor.get(path).text
        csrf = auditor.csrf()
        assert auditor.submit(f"{path}/cancel", csrf=csrf).status_code == 403
        assert browser.submit(f"{path}/cancel", csrf=browser.csrf()).status_code == 303
        assert "Its end was asked for" in browser.get(path).text
        assert auditor.get("/backups/runs/nothing").status_code == 404


def test_a_plan_says_in_words_what_it_does_and_how_old_its_data_was(
    front: Front, house: House
) -> None:
    with inside(front, house) as (api, service):
        now = service.clock.micros()
        with service.store.write() as connection:
            for back in (4, 3, 1):
                add_run(connection, f"run-{back}", now - back * DAY)
        browser = signed_in(api, "auditor")
        text = browser.get("/backups/nightly").text
        browser.submit("/language", language="vi")
        vi = browser.get("/backups/nightly").text
        assert browser.get("/backups/other").status_code == 404
    assert "every day at 01:30 (Asia/Ho_Chi_Minh)" in " ".join(text.split())
    assert "every week on Sunday at 04:00" in text
    assert "secvault itself: database" in text
    assert '<svg class="ages"' in text
    assert "it was older than the 1 d 2 h that were promised" in text
    assert ">broken</td>" in text
    assert "hằng tuần vào Chủ Nhật lúc 04:00" in vi


def test_a_plan_of_the_store_is_paused_as_it_was_seen_and_resumed(
    front: Front, house: House
) -> None:
    with inside(front, house) as (api, _):
        made = {"name": "vault", "settings": {"schedule": "0 2 * * *"}}
        assert api("POST", "/api/v1/backups/plans", "admin", made).status_code == 201
        browser = signed_in(api, "admin")
        csrf = browser.csrf()
        stale = browser.submit("/backups/vault/pause", csrf=csrf, version="7")
        assert stale.status_code == 412
        assert browser.submit("/backups/vault/pause", csrf=csrf, version="1").status_code == 303
        text = browser.get("/backups/vault").text
        assert "The plan is paused" in text
        version = re.search(r'name="version" value="(\d+)"', text)
        assert version is not None
        again = browser.submit("/backups/vault/resume", csrf=csrf, version=version[1])
        assert again.status_code == 303
        assert "The plan is paused" not in browser.get("/backups/vault").text


def test_buckets_are_looked_at_on_a_page_of_their_own(api: Api) -> None:
    text = signed_in(api, "auditor").get("/backups/nightly/buckets").text
    assert "the repository is a folder" in text
    assert signed_in(api, "clerk").get("/backups/nightly/buckets").status_code == 403


@pytest.mark.parametrize("path", ["/backups?page=0", "/backups/..%2f", "/backups/runs/a%20b"])
def test_what_is_no_address_is_a_page_and_no_traceback(api: Api, path: str) -> None:
    answer = signed_in(api, "admin").get(path)
    assert answer.status_code in (404, 422)
    assert "Traceback" not in answer.text


def test_a_run_that_failed_tells_why_as_text(front: Front, house: House) -> None:
    with inside(front, house) as (api, service):
        now = service.clock.micros()
        with service.store.write() as connection:
            add_job(connection, "bad", now, "failed")
            add_run(connection, "bad", now, state="failed", snapshot=None)
            table = tables.backup_run
            connection.execute(update(table).where(table.c.id == "bad").values(error=HOSTILE))
        text = signed_in(api, "admin").get("/backups/runs/bad").text
    assert "&lt;script&gt;" in text
    assert "<script" not in text
