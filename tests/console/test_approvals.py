"""Approvals: seen by those who may, given for exactly what is shown, and asked for by any form."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from secvault.console import deeds
from secvault.console.language import Language
from secvault.errors import ApprovalRequired
from secvault.service.approval import Proposal
from secvault.service.approvals import operations as approvals
from tests.console.browsing import signed_in
from tests.console.forms import admin_token, fields, fresh
from tests.running_service import Api, join

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def asked(api: Api) -> str:
    """The number of a request: admin wants the clerk to be an approver."""
    with api.house.open() as service:
        for name in ("second", "third"):
            join(service, api.house, name, ("role:it.admin", "it"))
    return ask(api)


def ask(api: Api, reason: str = HOSTILE) -> str:
    new = {"subject": "user:clerk", "role": "role:it.approver", "department": "it", "days": 30}
    admin_token(api)
    said = {"X-Approval-Reason": quote(reason)}
    answer = api("POST", "/api/v1/grants", "admin", new, headers=said)
    assert answer.status_code == 403, answer.text
    return str(answer.json()["approval"]["request"])


def test_what_waits_is_shown_to_those_who_may_approve_it_and_to_who_asked(
    api: Api, asked: str
) -> None:
    second, clerk, auditor = (signed_in(api, who) for who in ("second", "clerk", "auditor"))
    admin = signed_in(api, "admin")
    waiting = second.get("/approvals").text
    assert "Give somebody a privileged role" in waiting
    assert f"/approvals/{asked}" in waiting
    assert "Nothing waits for you" in admin.get("/approvals?show=waiting").text
    assert f"/approvals/{asked}" in admin.get("/approvals?show=mine").text
    assert f"/approvals/{asked}" in auditor.get("/approvals?show=all").text
    assert "Nothing waits for you" in auditor.get("/approvals").text
    of_clerk = clerk.get("/approvals?show=all").text
    assert asked not in of_clerk
    assert "You have asked for nothing" in of_clerk
    assert clerk.get(f"/approvals/{asked}").status_code == 404
    assert clerk.get("/approvals/nonsense").status_code == 404
    assert 'href="/approvals?show=all"' not in of_clerk


def test_exactly_what_would_be_done_stands_in_the_page_as_text(api: Api, asked: str) -> None:
    page = signed_in(api, "second").get(f"/approvals/{asked}").text
    for shown in ("clerk", "<bdi>it.approver</bdi>", "IT\n", "30", "admin", "Whom it affects"):
        assert shown in page
    assert "grant.add" in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    own = signed_in(api, "admin").get(f"/approvals/{asked}").text
    assert "/approve" not in own
    assert "/withdraw" in own
    watching = signed_in(api, "auditor").get(f"/approvals/{asked}").text
    assert "<button class=" not in watching


def test_it_is_approved_by_its_digest_after_a_fresh_code_and_then_carried_out(
    api: Api, asked: str
) -> None:
    second = signed_in(api, "second")
    api.house.hands.seconds += 400
    path = f"/approvals/{asked}"
    form = fields(second.get(path).text, f"{path}/approve")
    stopped = second.submit(f"{path}/approve", **form)
    assert stopped.status_code == 401
    assert "Show your code again" in stopped.text
    kept = fields(stopped.text, "/step-up")
    assert kept["back"] == path
    wrong = second.submit("/step-up", code="000000", **kept)
    assert wrong.status_code == 422
    assert "not right" in wrong.text
    shown = second.submit("/step-up", code=fresh(api, "second"), **kept)
    assert shown.status_code == 200, shown.text
    again = fields(shown.text, f"{path}/approve")
    assert again["csrf"] != form["csrf"]
    assert again["digest"] == form["digest"]
    other = second.submit(f"{path}/approve", csrf=again["csrf"], digest="0" * 64)
    assert other.status_code == 409
    assert second.submit(f"{path}/approve", **again).status_code == 303
    page = second.get(path).text
    assert "approved, to be carried out" in page
    assert "/approve" not in page
    api.ok("POST", "/api/v1/grants", "admin", {
        "subject": "user:clerk", "role": "role:it.approver", "department": "it", "days": 30,
    })  # fmt: skip
    assert "approved and done" in second.get(path).text


def test_it_can_be_refused_and_taken_back(api: Api, asked: str) -> None:
    second, admin = signed_in(api, "second"), signed_in(api, "admin")
    path = f"/approvals/{asked}"
    assert second.submit(f"{path}/refuse", csrf=second.csrf()).status_code == 303
    assert "Refused by" in second.get(path).text
    again = f"/approvals/{ask(api, 'once more')}"
    assert second.submit(f"{again}/withdraw", csrf=second.csrf()).status_code == 404
    assert admin.submit(f"{again}/withdraw", csrf=admin.csrf()).status_code == 303
    assert "Withdrawn by" in admin.get(again).text
    clerk = signed_in(api, "clerk")
    for deed in ("approve", "refuse"):
        assert clerk.submit(f"{again}/{deed}", csrf=clerk.csrf()).status_code in (403, 409)


def test_a_role_that_was_asked_for_is_taken_once_it_is_approved(api: Api, asked: str) -> None:
    wanted = {"role": "role:it.monitor", "department": "it", "reason": "to look at it", "days": 1}
    number = api.ok("POST", "/api/v1/role-requests", "clerk", wanted)["id"]
    clerk, second = signed_in(api, "clerk"), signed_in(api, "second")
    path = f"/approvals/{number}"
    early = clerk.submit(f"{path}/claim", csrf=clerk.csrf())
    assert early.status_code == 403
    assert "Others were asked" in early.text
    assert number in early.text
    assert "1 day" in second.get(path).text
    assert second.submit(f"{path}/approve", **fields(second.get(path).text, f"{path}/approve"))
    assert "Take the role now" in clerk.get(path).text
    taken = clerk.submit(f"{path}/claim", csrf=clerk.csrf())
    assert (taken.status_code, taken.headers["location"]) == (303, "/account#roles")


def test_a_form_that_needs_a_second_person_is_sent_again_with_a_reason(
    api: Api, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = signed_in(api, "admin")
    said = []

    def withdraw(service: object, caller: object, request: str) -> None:
        said.append(caller.reason)  # type: ignore[attr-defined]
        raise ApprovalRequired("no", digest="0" * 64, request="1" * 32 if said[-1] else "")

    monkeypatch.setattr(approvals, "withdraw", withdraw)
    path = f"/approvals/{asked}/withdraw"
    first = admin.submit(path, csrf=admin.csrf(), typed=HOSTILE)
    assert first.status_code == 403
    assert "<script" not in first.text
    assert "A second person must approve this" in first.text
    kept = fields(first.text, path)
    assert kept["typed"] == HOSTILE
    second = admin.submit(path, **kept, approval_reason="vì\r\n cần ")
    assert "Others were asked" in second.text
    assert f"/approvals/{'1' * 32}" in second.text
    assert said == ["", "vì cần"]
    # What is secret is never repeated.
    secret = admin.submit(path, csrf=admin.csrf(), password="hush hush", typed="x")
    assert "hush hush" not in secret.text
    assert "are not kept" in secret.text


@pytest.mark.parametrize("code", ["en", "vi"])
def test_every_term_is_shown_also_one_that_has_no_word(code: str) -> None:
    terms = {"subject": "user:1", "seconds": 5400, "odd": [1, True, {"a": None}], "x": ""}
    proposal = Proposal("user:2", "grant.add", "it", "grants", "it/grants", terms)
    shown = deeds.terms_of(proposal, {"user:1": "an"}, Language(code))
    assert [one.name for one in shown if one.code] == ["odd", "x"]
    assert shown[0].texts == ("an",)
    assert len(shown) == len(terms)
    assert shown[1].texts == (("90 minutes",) if code == "en" else ("90 phút",))
    assert deeds.deed_of(proposal, Language(code)) != "grant.add"
    odd = Proposal("user:2", "no.such", "it", "x", "it/x", {})
    assert deeds.deed_of(odd, Language(code)) == "no.such"
