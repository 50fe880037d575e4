"""The list of archives over HTTP."""

from __future__ import annotations

from tests.running_service import Api


def test_an_auditor_lists_archives_and_a_clerk_does_not(api: Api) -> None:
    answer = api.ok("GET", "/api/v1/audit/archives", "auditor")
    assert answer == {"archives": [], "live_from": 0}
    assert api("GET", "/api/v1/audit/archives", "clerk").status_code == 403
