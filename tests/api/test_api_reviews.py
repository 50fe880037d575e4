"""Reviews and emergency access over HTTP."""

from __future__ import annotations

import csv
import io
import json

import pytest

from secvault.crypto.evidence import verify_evidence
from tests.running_service import Api, House, join

ADMIN = ("role:it.admin", "it")


@pytest.fixture
def two(house: House) -> House:
    """With a second administrator, and somebody prepared for an emergency."""
    with house.open() as service:
        join(service, house, "binh", ADMIN)
        join(service, house, "mai", ("role:it.break_glass_holder", "it"))
    return house


def test_a_review_from_its_start_to_its_signed_end(two: House, api: Api) -> None:
    wanted = {"name": "Q4", "departments": ["hr"], "systems": False, "days": 5}
    review = api.ok("POST", "/api/v1/reviews", "binh", wanted)
    assert (review["state"], review["counts"]["open"], review["unassigned"]) == ("open", 3, 0)
    path = f"/api/v1/reviews/{review['id']}"
    page = api.ok("GET", f"{path}/items?limit=2", "auditor")
    assert len(page["items"]) == 2
    rest = api.ok("GET", f"{path}/items?limit=2&after={page['next']}", "auditor")
    assert (len(rest["items"]), rest["next"]) == (1, None)
    (own,) = api.ok("GET", "/api/v1/reviews/own", "head")["items"]
    assert (own["name"], own["role"], own["reviewer_name"]) == ("clerk", "role:hr.clerk", "head")
    decision = f"/api/v1/reviews/items/{own['id']}/decision"
    for body, status in (
        ({"verdict": "maybe", "comment": "x"}, 422),
        ({"verdict": "keep"}, 422),
        ({"verdict": "shorten", "comment": "x"}, 422),
    ):
        assert api("POST", decision, "head", body).status_code == status
    kept = {"verdict": "keep", "comment": "still there"}
    assert api("POST", decision, "clerk", kept).status_code == 404
    assert api("POST", f"{path}/end", "auditor").status_code == 409
    assert api.ok("POST", decision, "head", kept)["state"] == "kept"
    assert api("POST", decision, "head", kept).status_code == 409
    hers = next(one for one in (*page["items"], *rest["items"]) if one["name"] == "auditor")
    reviewer = f"/api/v1/reviews/items/{hers['id']}/reviewer"
    assert api("POST", reviewer, "auditor", {"reviewer": "head"}).status_code == 409
    given = api.ok("POST", reviewer, "admin", {"reviewer": "mai"})
    assert given["reviewer_name"] == "mai"
    assert api("POST", "/api/v1/reviews", "clerk", wanted).status_code == 403
    for where in ("", f"/{review['id']}", f"/{review['id']}/items", "/dormant", "/unused"):
        assert api("GET", f"/api/v1/reviews{where}", "clerk").status_code == 403
        assert api("GET", f"/api/v1/reviews{where}", "auditor").status_code == 200


def test_the_evidence_leaves_signed_and_as_a_table(two: House, api: Api) -> None:
    wanted = {"name": "=Q4", "roles": ["role:hr.head"], "systems": False}
    review = api.ok("POST", "/api/v1/reviews", "binh", wanted)
    path = f"/api/v1/reviews/{review['id']}"
    assert api("GET", f"{path}/evidence", "auditor").status_code == 409
    (item,) = api.ok("GET", f"{path}/items", "binh")["items"]
    assert item["reviewer_name"] == "admin"
    body = {"verdict": "shorten", "days": 30, "comment": "until the handover"}
    api.ok("POST", f"/api/v1/reviews/items/{item['id']}/decision", "admin", body)
    assert api.ok("POST", f"{path}/end", "auditor")["state"] == "finished"
    evidence = api.ok("GET", f"{path}/evidence", "auditor")
    with two.open() as service:
        public = service.signing.evidence.verifier()
    document = verify_evidence(evidence["document"].encode(), evidence["note"].encode(), public)
    assert json.loads(evidence["document"])["counts"] == {"shortened": 1} == document["counts"]
    table = api("GET", f"{path}/evidence.csv", "auditor")
    assert table.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(table.text, newline=""))
    assert (row["name"], row["comment"]) == ("head", "until the handover")
    (shown,) = api.ok("GET", path, "auditor")["pace"]
    assert (shown["decided"], shown["kept"], shown["median_seconds"]) == (1, 0, None)


def test_emergency_access_from_its_alarm_to_its_review(two: House, api: Api) -> None:
    assert api("GET", "/api/v1/people", "mai").status_code == 403
    assert api("POST", "/api/v1/break-glass", "admin", {"reason": "x"}).status_code == 403
    assert api("POST", "/api/v1/break-glass", "mai", {}).status_code == 422
    begun = api.ok("POST", "/api/v1/break-glass", "mai", {"reason": "it burns"})
    assert (begun["kind"], begun["running"], begun["state"]) == ("emergency", True, "open")
    api.ok("POST", "/api/v1/people/clerk/unlock", "mai")
    (own,) = api.ok("GET", "/api/v1/break-glass/own", "mai")["incidents"]
    assert own["id"] == begun["id"]
    path = f"/api/v1/break-glass/{begun['id']}"
    assert api("GET", path, "mai").status_code == 403
    assert not api.ok("POST", f"{path}/end", "mai")["running"]
    shown = api.ok("GET", path, "auditor")
    assert [one["action"] for one in shown["commands"] if one["under"]] == ["person.unlock"]
    found = {"findings": "a locked account, known to me"}
    assert api("POST", f"{path}/review", "mai", found).status_code in (401, 403)
    assert api("POST", f"{path}/review", "auditor", found).status_code == 403
    reviewed = api.ok("POST", f"{path}/review", "binh", found)
    assert (reviewed["state"], reviewed["reviewed_by_name"]) == ("reviewed", "binh")
    assert api("GET", "/api/v1/break-glass/g1", "auditor").status_code == 422
    missing = "/api/v1/break-glass/g" + "0" * 20
    assert api("GET", missing, "auditor").status_code == 404
