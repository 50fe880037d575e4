"""Alerts in pages: listed to who may see them, and acknowledged by who may."""

from __future__ import annotations

import re

from secvault.audit.detection.rules import Alert, RuleName
from secvault.service import detecting
from tests.console.browsing import signed_in
from tests.running_service import Api


def raised(api: Api, rule: RuleName, subject: str) -> None:
    """Have an alert be raised."""
    with api.house.open() as service, service.store.write() as connection:
        at = service.clock.micros()
        detecting.raise_alert(service, connection, Alert(rule, subject, at, None, 1_200, 1_000))


def test_an_alert_is_told_in_words_until_somebody_has_looked_at_it(api: Api) -> None:
    auditor, admin = signed_in(api, "auditor"), signed_in(api, "admin")
    assert "No alert waits" in auditor.get("/audit/alerts").text
    me = api.ok("GET", "/api/v1/sessions/self", "head")["subject"]
    raised(api, "many_reads", me)
    raised(api, "volume_drop", "log")
    page = auditor.get("/audit/alerts").text
    assert "Unusually many values were looked at" in page
    assert ">head</bdi>" in page
    assert "1,200, where 1,000 are the limit" in page
    ways = re.findall(r'action="(/audit/alerts/[0-9a-f]{32}/acknowledgement)"', page)
    assert len(ways) == 2
    seen = admin.get("/audit/alerts").text
    assert "Unusually many" in seen
    assert "acknowledgement" not in seen
    assert admin.submit(ways[0], csrf=admin.csrf()).status_code == 403
    assert auditor.submit(ways[0]).status_code == 403
    for way in ways:
        assert auditor.submit(way, csrf=auditor.csrf()).status_code == 303
    assert "No alert waits" in auditor.get("/audit/alerts").text
    everything = auditor.get("/audit/alerts?all=1").text
    assert "Looked at by" in everything
    auditor.submit("/language", language="vi")
    assert "nhiều bất thường" in auditor.get("/audit/alerts?all=1").text
