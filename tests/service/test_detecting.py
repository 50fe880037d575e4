"""Detection in a vault: alerts on record and told, controls that weaken, who may look at them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from secvault.audit import query
from secvault.audit.query import Question
from secvault.config.audit import AuditSettings
from secvault.config.detection import DetectionSettings
from secvault.config.notifications import ChannelSettings, NotificationSettings
from secvault.config.streams import StreamSettings
from secvault.errors import Conflict, Refused
from secvault.notices import outbox
from secvault.service import Service, authentication, controls, detecting, notice_delivery
from secvault.service.records import read_record
from secvault.service.spine import Caller
from tests.running_service import PAYSLIP, House
from tests.service.policy_house import changed, forced, more

LOW = DetectionSettings(many_reads_people=5, many_refusals=3)


def set_to(service: Service, **changed: Any) -> None:
    object.__setattr__(service, "settings", service.settings.model_copy(update=changed))


@pytest.fixture
def watched(service: Service) -> Service:
    channel = ChannelSettings(url=SecretStr("json://127.0.0.1:9/"))
    set_to(
        service,
        audit=AuditSettings(detection=LOW),
        notifications=NotificationSettings(channels={"ops": channel}),
    )
    turn(service)
    return service


def turn(service: Service) -> None:
    """What the worker does."""
    service.audit.drain()
    controls.watch_controls(service)
    detecting.look_after(service)
    service.audit.drain()
    notice_delivery.tell(service)


def caller(service: Service, house: House, name: str) -> Caller:
    return Caller(authentication.authenticate(service, house.tokens[name]))


def raised(service: Service) -> list[tuple[str, str]]:
    operator = Caller(authentication.local_operator(service))
    return [(one.rule, one.subject) for one in detecting.list_alerts(service, operator, every=True)]


def on_record(service: Service, kind: str) -> list[dict[str, Any]]:
    found = query.page(service.store, Question(kind=kind), newest_first=False).events
    return [dict(each.event.detail) for each in found]


def noted(service: Service) -> list[str]:
    with service.store.read() as connection:
        return [each.kind for each in reversed(outbox.listed(connection))]


def test_many_reads_of_a_clerk_are_on_record_told_once_and_acknowledged_by_the_auditor(
    watched: Service, house: House
) -> None:
    clerk = caller(watched, house, "clerk")
    for _ in range(6):
        read_record(watched, clerk, "payroll", PAYSLIP)
    turn(watched)
    turn(watched)
    assert ("many_reads", clerk.principal.subject) in raised(watched)
    (entry,) = [one for one in on_record(watched, "audit.alert") if one["rule"] == "many_reads"]
    assert (entry["subject"], entry["threshold"]) == (clerk.principal.subject, 5)
    assert noted(watched).count("alert_many_reads") == 1
    auditor = caller(watched, house, "auditor")
    open_before = detecting.list_alerts(watched, auditor)
    first = open_before[0]
    done = detecting.acknowledge_alert(watched, auditor, first.id)
    assert done.acknowledged_by == auditor.principal.subject
    assert first.id not in {one.id for one in detecting.list_alerts(watched, auditor)}
    with pytest.raises(Conflict):
        detecting.acknowledge_alert(watched, auditor, first.id)
    watched.audit.drain()
    assert on_record(watched, "alert.acknowledge")[0]["rule"] == first.rule
    for refused in (lambda: detecting.list_alerts(watched, clerk),):
        with pytest.raises(Refused):
            refused()


def test_refusals_in_a_row_are_found(watched: Service, house: House) -> None:
    clerk = caller(watched, house, "clerk")
    for _ in range(3):
        with pytest.raises(Refused):
            detecting.list_alerts(watched, clerk)
    turn(watched)
    assert ("many_refusals", clerk.principal.subject) in raised(watched)
    assert "alert_many_refusals" in noted(watched)


def test_a_control_that_is_weakened_in_the_settings_is_told_even_if_it_is_detection_itself(
    watched: Service,
) -> None:
    set_to(watched, audit=AuditSettings(streams={"siem": StreamSettings(address="tls://siem")}))
    turn(watched)
    assert raised(watched) == [], "more of a control is no news"
    off = DetectionSettings(enabled=False)
    set_to(watched, audit=AuditSettings(detection=off, checkpoint_seconds=3600))
    turn(watched)
    turn(watched)
    assert {subject for rule, subject in raised(watched) if rule == "weakened_control"} == {
        "stream:siem",
        "detection",
        "audit:checkpoints",
    }
    assert on_record(watched, "audit.control") == [
        {"target": "audit:checkpoints", "state": "weakened"},
        {"target": "detection", "state": "weakened"},
        {"target": "stream:siem", "state": "removed"},
    ]
    assert noted(watched).count("alert_weakened_control") == 3


def test_a_policy_that_lets_go_of_a_second_person_or_a_rule_of_separation_is_told(
    watched: Service,
) -> None:
    with watched.store.read() as connection:
        before = controls.controls_of(watched, connection)
    assert before["approval:grant.add"] >= 1
    assert before["separation:administer-and-audit"] == 1
    forced(watched, more())
    turn(watched)
    assert raised(watched) == [], "one more row that allows something weakens no control of these"

    def without_separation(text: str) -> str:
        start = text.index("[[", text.index("work-and-audit") - 40)
        return text[:start] + text[text.index("[[", start + 2) :]

    forced(watched, changed({"separation.toml": without_separation}))
    turn(watched)
    assert ("weakened_control", "separation:work-and-audit") in raised(watched)
