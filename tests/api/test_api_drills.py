"""Restore drills over HTTP: asked for with what is wanted, listed, and how plans stand."""

from __future__ import annotations

from sqlalchemy import select

from secvault.store.tables import drill_order
from tests.running_service import Api, House

ASK = "/api/v1/backups/plans/nightly/drills"


def test_a_drill_is_asked_for_as_the_plan_says_or_with_more(api: Api, house: House) -> None:
    plain = api("POST", ASK, "admin")
    wanted = {"snapshot": "1a2b3c4d", "repository": "local", "extent": "sample"}
    more = api("POST", ASK, "admin", {**wanted, "levels": ["files", "repository"]})

    assert (plain.status_code, more.status_code) == (202, 202)
    with house.open() as service, service.store.read() as connection:
        ((kept, order),) = connection.execute(select(drill_order.c.id, drill_order.c.wanted)).all()
    assert kept == more.json()["id"]
    assert '"levels":["files","repository"]' in order


def test_what_cannot_be_meant_is_refused_by_its_field(api: Api) -> None:
    for wrong in (
        {"snapshot": "--force"},
        {"extent": "some"},
        {"levels": ["everything"]},
        {"levels": ["files", "files"]},
        {"repository": "elsewhere"},
    ):
        answer = api("POST", ASK, "admin", wrong)
        assert answer.status_code == 422, wrong
        assert next(iter(wrong)) in answer.text
    assert api("POST", ASK, "auditor", {}).status_code == 403


def test_lists_and_the_standing_of_plans_are_read_by_those_who_may(api: Api) -> None:
    assert api.ok("GET", "/api/v1/drills?plan=nightly", "auditor") == {"drills": []}
    (plan,) = api.ok("GET", "/api/v1/drills/status", "auditor")["plans"]
    assert (plan["plan"], plan["state"], plan["proven"]) == ("nightly", "new", None)
    assert api("GET", "/api/v1/drills/none", "auditor").status_code == 404
    assert api("GET", "/api/v1/drills/status", "clerk").status_code == 403
