"""Notices and contacts over HTTP: who sees what, and what a stale session may not change."""

from __future__ import annotations

from typing import Any

import pytest

from secvault.config.notifications import ChannelSettings, NotificationSettings
from secvault.service import Service, notice_delivery
from tests.running_service import Api, Front, House


def with_a_channel(service: Service) -> Service:
    channels = {"ops": ChannelSettings.model_validate({"url": "json://127.0.0.1:9/"})}
    changed = service.settings.model_copy(
        update={"notifications": NotificationSettings(channels=channels)}
    )
    object.__setattr__(service, "settings", changed)
    return service


def test_a_person_sets_their_contact_and_sees_it_and_nobody_elses(api: Api) -> None:
    assert api.ok("GET", "/api/v1/contact", "clerk") == {"address": "", "language": ""}
    given = {"address": " lan@example.com ", "language": "vi"}
    changed = api.ok("PATCH", "/api/v1/contact", "clerk", given)
    assert changed == {"address": "lan@example.com", "language": "vi"}
    assert api.ok("GET", "/api/v1/contact", "clerk") == changed
    assert api.ok("GET", "/api/v1/contact", "head") == {"address": "", "language": ""}
    assert api.ok("PATCH", "/api/v1/contact", "clerk", {"address": ""})["address"] == ""


def test_a_session_whose_factor_is_stale_must_step_up_to_change_it(api: Api, house: House) -> None:
    house.hands.seconds += 301
    answer = api("PATCH", "/api/v1/contact", "clerk", {"address": "thief@example.com"})
    assert answer.status_code == 401
    assert answer.json()["type"].endswith("step-up-required")
    assert api.ok("GET", "/api/v1/contact", "clerk")["address"] == ""


@pytest.mark.parametrize(
    "change",
    [
        {"address": "no address"},
        {"address": "a@b.example, c@d.example"},
        {"address": "Lan <lan@example.com>"},
        {"address": "lan@example.com\r\nBcc: x@example.com"},
        {"address": "a?bcc=x@example.com"},
        {"language": "tlh-klingon"},
        {"phone": "0901234567"},
    ],
)
def test_a_contact_that_is_none_is_refused_and_changes_nothing(
    api: Api, change: dict[str, str]
) -> None:
    answer = api("PATCH", "/api/v1/contact", "clerk", change)
    assert answer.status_code == 422
    assert next(iter(change.values())) not in answer.text
    assert api.ok("GET", "/api/v1/contact", "clerk") == {"address": "", "language": ""}


def test_a_system_has_no_contact(api: Api) -> None:
    assert api("GET", "/api/v1/contact", "system").status_code == 422


def test_notices_are_listed_to_administrators_and_a_test_is_noted(
    front: Front, house: House
) -> None:
    with front.serving(house, with_a_channel) as api:
        made = api.ok("POST", "/api/v1/notifications/test", "admin", {"channel": "ops"})
        assert (made["kind"], made["recipient"], made["state"]) == (
            "test",
            "channel:ops",
            "waiting",
        )
        assert api.ok("GET", f"/api/v1/notifications/{made['id']}", "admin") == made
        listed = api.ok("GET", "/api/v1/notifications?state=waiting", "admin")
        assert (listed["notices"], listed["counts"]["waiting"]) == ([made], 1)
        unknown = api("POST", "/api/v1/notifications/test", "admin", {"channel": "other"})
        assert unknown.status_code == 404
        for who in ("clerk", "system", "auditor"):
            assert api("GET", "/api/v1/notifications", who).status_code == 403
            body = {"channel": "ops"}
            assert api("POST", "/api/v1/notifications/test", who, body).status_code == 403


def test_readiness_tells_of_a_notice_that_was_given_up(front: Front, house: House) -> None:
    kept: list[Service] = []

    def changed(service: Service) -> Service:
        kept.append(with_a_channel(service))
        return service

    def ready(api: Api) -> Any:
        return api.ok("GET", "/health/ready")

    with front.serving(house, changed) as api:
        assert ready(api)["notifications"] is True
        api.ok("POST", "/api/v1/notifications/test", "admin", {"channel": "ops"})
        house.hands.seconds += 25 * 3600
        assert notice_delivery.deliver(kept[0]).given_up == 1
        assert ready(api)["notifications"] is False
