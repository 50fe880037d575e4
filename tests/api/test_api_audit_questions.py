"""Questions to the audit log over HTTP."""

from __future__ import annotations

from tests.running_service import Api

QUESTIONS = "/api/v1/audit/questions"
MINE = {"title": "Refused reads", "kinds": ["record."], "outcomes": ["denied"]}


def test_the_list_says_what_each_question_goes_by(api: Api) -> None:
    found = api.ok("GET", QUESTIONS, "auditor")
    by_name = {one["name"]: one for one in found["shipped"]}
    assert by_name["who-saw"]["needs"] == ["on"]
    assert by_name["dormant-accounts"]["takes"] == ["days"]
    assert found["own"] == []


def test_an_answer_is_a_table_that_goes_on(api: Api) -> None:
    for _ in range(2):
        api.ok("GET", QUESTIONS, "auditor")
    first = api.ok("GET", f"{QUESTIONS}/what-did/answer?who=user:auditor&limit=1", "auditor")
    [row] = first["rows"]
    assert set(row) == set(first["columns"])
    more = api.ok(
        "GET", f"{QUESTIONS}/what-did/answer?who=user:auditor&after={first['next']}", "auditor"
    )
    assert more["rows"][0]["seq"] < row["seq"]


def test_a_question_is_saved_asked_and_forgotten(api: Api) -> None:
    kept = api.ok("PUT", f"{QUESTIONS}/refused", "auditor", MINE)
    assert (kept["name"], kept["kinds"]) == ("refused", ["record."])
    assert api.ok("GET", QUESTIONS, "auditor")["own"] == [kept]
    assert api.ok("GET", f"{QUESTIONS}/refused/answer", "auditor")["title"] == "Refused reads"
    assert api("DELETE", f"{QUESTIONS}/refused", "auditor").status_code == 204
    assert api("GET", f"{QUESTIONS}/refused/answer", "auditor").status_code == 404


def test_bad_questions_and_strangers_are_refused(api: Api) -> None:
    for path in ("who-saw/answer", "exports/answer?limit=0", "what-did/answer?who=nobody"):
        assert api("GET", f"{QUESTIONS}/{path}", "auditor").status_code == 422, path
    assert api("PUT", f"{QUESTIONS}/exports", "auditor", MINE).status_code == 422
    assert api("DELETE", f"{QUESTIONS}/exports", "auditor").status_code == 422
    assert api("GET", f"{QUESTIONS}/exports/answer", "clerk").status_code == 403
    assert api("PUT", f"{QUESTIONS}/mine", "admin", MINE).status_code == 403
    assert api("GET", QUESTIONS).status_code == 401
