"""The pages of drills: how plans stand, what one found, its report, one now."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import insert, select

from secvault.service import Service, drill_evidence
from secvault.store import tables
from tests.backup.drills.results import PASSED
from tests.console.browsing import signed_in
from tests.console.test_backups import inside
from tests.running_service import Api, Front, House

DRILL = f"/drills/{PASSED.id}"
HOSTILE = "<img src=x onerror=alert(1)>"


def add_drill(service: Service, **more: Any) -> None:
    """A drill that passed as the evidence says, unless told otherwise."""
    signed = drill_evidence.sign(service, PASSED)
    row = {
        "id": PASSED.id,
        "plan": "nightly",
        "state": "done",
        "phase": "done",
        "requested_by": "schedule",
        "started_at": PASSED.started_at,
        "finished_at": PASSED.finished_at,
        "passed": True,
        "complete": True,
        "rto_seconds": 90,
        "rpo_seconds": 3600,
        "levels": json.dumps({"repository": "passed", "files": "passed", "vault": "not tested"}),
        "phases": json.dumps({"fetch": 2_000}),
        "figures": json.dumps({"rto_target_seconds": 60, "rpo_target_seconds": 7200}),
        "document": signed.document,
        "note": signed.note,
        "node": "n",
        "beat_at": PASSED.finished_at,
        **more,
    }
    with service.store.write() as connection:
        connection.execute(insert(tables.drill).values(row))


def test_a_drill_shows_its_verdict_its_levels_and_its_figures_against_the_promise(
    front: Front, house: House
) -> None:
    with inside(front, house) as (api, service):
        add_drill(service)
        browser = signed_in(api, "auditor")
        text = browser.get(DRILL).text
        listed = browser.get("/drills").text
        browser.submit("/language", language="vi")
        vi = browser.get(DRILL).text
        overview = browser.get("/drills").text
    assert "passed" in text
    assert "secvault’s own copy opens" in text
    assert "not tested" in text
    assert "1 min 30 s" in text
    assert "<strong>broken</strong>" in text
    assert f'href="{DRILL.replace(":", "%3A")}"' in listed
    assert "format=pdf&amp;language=vi" in vi
    assert "Kết luận" in vi
    assert "Diễn tập" in overview


def test_faults_are_named_in_the_language_and_hostile_ones_are_text(
    front: Front, house: House
) -> None:
    fault = {"level": "files", "code": "file-changed", "where": HOSTILE, "words": HOSTILE}
    with inside(front, house) as (api, service):
        add_drill(service, passed=False, faults=json.dumps([fault]))
        browser = signed_in(api, "auditor")
        text = browser.get(DRILL).text
        overview = browser.get("/drills").text
    assert "A file is not as it was" in text
    assert "did not pass" in text
    assert HOSTILE not in text
    assert "One fault" in text
    assert "One plan is not proven to restore." in overview
    assert "the newest drill failed" in overview


def test_the_report_is_a_page_or_a_pdf_in_either_language_for_who_may_read_it(
    front: Front, house: House
) -> None:
    with inside(front, house) as (api, service):
        add_drill(service)
        browser = signed_in(api, "auditor")
        page = browser.get(f"{DRILL}/report?format=html&language=vi")
        assert "Diễn tập khôi phục" in page.text
        assert "script-src" not in page.headers["content-security-policy"]
        pdf = browser.get(f"{DRILL}/report?format=pdf&language=en")
        assert pdf.content.startswith(b"%PDF-")
        assert pdf.headers["content-disposition"].startswith("attachment")
        assert signed_in(api, "clerk").get(f"{DRILL}/report").status_code == 403
        assert browser.get("/drills/nothing/report").status_code == 404
        assert browser.get("/drills/nothing").status_code == 404


def test_a_drill_and_a_scenario_are_asked_for_with_the_extent_that_was_chosen(api: Api) -> None:
    browser = signed_in(api, "admin")
    csrf = browser.csrf("/drills")
    asked = browser.submit("/drills", csrf=csrf, plan="nightly", extent="sample")
    assert (asked.status_code, asked.headers["location"]) == (303, "/drills?asked=drill")
    assert "The drill was asked for." in browser.get(asked.headers["location"]).text
    played = browser.submit("/scenario-drills", csrf=csrf, plan="nightly", scenario="single-file")
    assert (played.status_code, played.headers["location"]) == (303, "/drills?asked=scenario")
    with api.house.open() as service, service.store.read() as connection:
        kinds = set(connection.execute(select(tables.job.c.kind)).scalars())
        (order,) = connection.execute(select(tables.drill_order.c.wanted)).scalars()
    assert kinds == {"drill", "scenario-single-file"}
    assert json.loads(order)["extent"] == "sample"
    for fields in ({"plan": "nightly"}, {"plan": "nightly", "extent": "some", "csrf": csrf}):
        assert browser.submit("/drills", **fields).status_code in (403, 422)
    assert browser.submit("/drills", csrf=csrf, plan="other").status_code == 404
    lost = {"csrf": csrf, "plan": "nightly", "scenario": "meteor"}
    assert browser.submit("/scenario-drills", **lost).status_code == 422


def test_a_drill_under_way_is_cancelled_by_who_may(front: Front, house: House) -> None:
    with inside(front, house) as (api, service):
        add_drill(service, state="running", phase="fetch", passed=None, finished_at=None)
        browser, auditor = signed_in(api, "admin"), signed_in(api, "auditor")
        assert "Look again" in auditor.get(DRILL).text
        assert f"{DRILL}/cancel" not in auditor.get(DRILL).text
        assert auditor.submit(f"{DRILL}/cancel", csrf=auditor.csrf()).status_code == 403
        assert browser.submit(f"{DRILL}/cancel", csrf=browser.csrf()).status_code == 303
        assert "Its end was asked for" in browser.get(DRILL).text


def test_why_a_drill_failed_is_said_in_vietnamese_also_where_it_is_no_finding(
    front: Front, house: House
) -> None:
    why = "the snapshot holds no manifest; it was not made by a whole backup run"
    with inside(front, house) as (api, service):
        add_drill(service, state="failed", passed=None, error=why, document=None, note=None)
        browser = signed_in(api, "auditor")
        assert why in browser.get(DRILL).text
        browser.submit("/language", language="vi")
        vi = browser.get(DRILL).text
    assert "bản chụp không có bản kê; nó không do một lần sao lưu trọn vẹn tạo ra" in vi
    assert why not in vi


def test_a_scenario_that_failed_before_its_end_says_why(front: Front, house: House) -> None:
    with inside(front, house) as (api, service):
        now = service.clock.micros()
        with service.store.write() as connection:
            connection.execute(
                insert(tables.drill_scenario).values(
                    id="lost",
                    scenario="bucket-lost",
                    plan="nightly",
                    state="failed",
                    phase="second-opened",
                    requested_by="schedule",
                    started_at=now,
                    finished_at=now,
                    error=HOSTILE,
                    node="n",
                    beat_at=now,
                )
            )
        browser = signed_in(api, "auditor")
        text = browser.get("/scenario-drills/lost").text
        assert browser.get("/scenario-drills/other").status_code == 404
        assert 'href="/scenario-drills/lost"' in browser.get("/drills").text
    assert "The bucket is lost" in text
    assert HOSTILE not in text
