"""The audit log's timeline and standing over HTTP: for those who may read or verify it."""

from __future__ import annotations

from tests.running_service import Api

TIMELINE, STANDING = "/api/v1/audit/timeline", "/api/v1/audit/standing"
DAY = 86_400 * 1_000_000


def test_a_timeline_counts_what_the_log_lists(api: Api) -> None:
    for _ in range(3):
        assert api("GET", "/api/v1/audit/keys", "clerk").status_code == 403
    asked = "kind=audit.verify&outcome=denied"
    listed = api.ok("GET", f"/api/v1/audit/events?{asked}", "auditor")["events"]
    found = api.ok("GET", f"{TIMELINE}?{asked}&parts=7", "auditor")
    assert len(found["parts"]) == 7
    assert [part["until"] for part in found["parts"][:-1]] == [
        part["since"] for part in found["parts"][1:]
    ]
    assert sum(part["events"] for part in found["parts"]) == len(listed) == 3
    assert (found["archived"], found["partial"]) == (False, False)
    everything = api.ok("GET", TIMELINE, "auditor")["parts"]
    assert len(everything) == 30
    assert sum(part["events"] for part in everything) > 3


def test_a_time_that_is_none_is_refused(api: Api) -> None:
    for asked in ("since=5&until=5", "since=6&until=5", f"since={DAY}&until={DAY + 3}&parts=4"):
        assert api("GET", f"{TIMELINE}?{asked}", "auditor").status_code == 422
    for asked in ("parts=0", "parts=101", "since=-1", "outcome=maybe"):
        assert api("GET", f"{TIMELINE}?{asked}", "auditor").status_code == 422


def test_the_standing_names_the_newest_checkpoint_and_verification(api: Api) -> None:
    before = api.ok("GET", STANDING, "auditor")
    assert (before["verified"], before["cosigned"], before["live_from"]) == (None, 0, 0)
    assert api.ok("POST", "/api/v1/audit/verification", "auditor")["ok"]
    api("POST", "/api/v1/audit/checkpoint", "auditor")
    after = api.ok("GET", STANDING, "auditor")
    assert after["verified"] is True
    assert before["size"] < after["checkpoint"] <= after["size"]
    assert after["verified_at"] <= after["checkpoint_at"]


def test_who_may_neither_read_nor_verify_the_log_learns_nothing(api: Api) -> None:
    for path in (TIMELINE, STANDING):
        assert api("GET", path, "clerk").status_code == 403
        assert api("GET", path, "").status_code == 401
