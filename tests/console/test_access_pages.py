"""Why, who and what in the console: in words, to whom it may be told."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest

from secvault.access import DEPARTMENTS
from secvault.console.access_matrix import matrix_of
from secvault.service.explanations import Asked, explain
from tests.console.browsing import Browsing, signed_in
from tests.running_service import Api, join

ASKED = {"action": "record.read", "department": "hr", "resource": "payroll"}


def at(path: str, **asked: str) -> str:
    """The address of a question."""
    return f"{path}?{urlencode({**ASKED, **asked})}"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/access", {"admin", "auditor", "clerk"}),
        ("/access/who-can?action=record.read", {"admin", "auditor"}),
        ("/access/who-can", {"admin", "auditor"}),
        ("/access/matrix", {"admin", "auditor"}),
        (at("/access", subject="head"), {"admin", "auditor"}),
    ],
)
def test_the_pages_are_for_who_may_ask_the_same_by_the_api(
    api: Api, path: str, allowed: set[str]
) -> None:
    assert Browsing(api).get(path).status_code == 303
    for who in ("admin", "auditor", "clerk"):
        assert signed_in(api, who).get(path).status_code == (200 if who in allowed else 403), who


def test_everybody_reads_why_of_themselves_and_nothing_of_rules(api: Api) -> None:
    clerk = signed_in(api, "clerk")
    assert "Yes, you may" in clerk.get(at("/access")).text
    page = clerk.get(at("/access", action="record.delete")).text
    assert "No, you may not" in page
    assert "Your role does not include this action." in page
    assert "Rules about it" not in page
    assert 'name="subject"' not in page
    assert "/access/who-can" not in page


def test_an_administrator_reads_why_not_and_what_would_help(api: Api) -> None:
    admin = signed_in(api, "admin")
    page = admin.get(at("/access", subject="clerk", action="record.delete")).text
    assert "No, clerk may not" in page
    assert "They are given the role hr.head in the department hr" in page
    assert "/people/clerk/grants/new?role=role%3Ahr.head&amp;department=hr" in page
    page = admin.get(at("/access", subject="head", field="bank_account")).text
    assert "What would help" in page
    assert "They reveal it, with a reason that is kept" in page
    page = admin.get(at("/access", subject="head")).text
    assert "Yes, head may" in page
    assert "hr.head" in page
    assert "hr-" in page
    for wrong in ({"subject": "nobody"}, {"department": ""}, {"action": ""}):
        answer = admin.get(at("/access", **wrong))
        assert answer.status_code == 422, wrong
        assert 'role="alert"' in answer.text
    unknown = admin.get(at("/access", action='"><script>', subject="clerk"))
    assert "<script" not in unknown.text


def test_every_remedy_has_words_in_both_languages(api: Api) -> None:
    admin = signed_in(api, "admin")
    for language, wrong in (("en", "The program is at fault"), ("vi", "Lỗi của chương trình")):
        admin.submit("/language", language=language)
        for department in ("hr", "quality", "it"):
            for action, on in (("record.read", "payroll"), ("person.read", "people")):
                page = admin.get(
                    at(
                        "/access",
                        subject="clerk",
                        action=action,
                        department=department,
                        resource=on,
                    )
                )
                assert page.status_code == 200
                assert wrong not in page.text


def test_a_refusal_is_explained_by_its_decision(api: Api) -> None:
    clerk = signed_in(api, "clerk")
    refused = api("GET", "/api/v1/people", "clerk").json()
    page = clerk.get(f"/access?decision={refused['decision_id']}").text
    assert "No, you may not" in page
    assert "person.read" in page
    head = signed_in(api, "head")
    assert head.get(f"/access?decision={refused['decision_id']}").status_code == 403
    assert clerk.get(f"/access?decision={'0' * 32}").status_code in (403, 404)


def test_who_can_lists_everybody_with_the_way_and_the_condition(api: Api) -> None:
    admin = signed_in(api, "admin")
    page = admin.get(at("/access/who-can")).text
    seen = set(re.findall(r'scope="row"><a href="/people/(\w+)"', page))
    assert {"clerk", "head"} <= seen
    assert "hr.head" in page
    assert "on a record about you" in page
    nobody = admin.get("/access/who-can?action=record.delete&department=logistics").text
    assert "Nobody can." in nobody
    assert admin.get("/access/who-can?action=record.fly").status_code == 422


def test_the_matrix_says_what_roles_may_by_the_policy_in_force(api: Api) -> None:
    auditor = signed_in(api, "auditor")
    page = auditor.get("/access/matrix?department=hr").text
    for said in ("hr.clerk", "hr.head", "record.read", "with a fresh second factor", "through"):
        assert said in page, said
    assert auditor.get("/access/matrix?department=sales").status_code == 422
    auditor.submit("/language", language="vi")
    assert "Ma trận vai trò" in auditor.get("/access/matrix?department=hr").text


def test_the_matrix_agrees_with_the_decisions_for_every_role(api: Api) -> None:
    house = api.house
    with house.open() as service:
        admin = join(service, house, "asker", ("role:it.admin", "it"))
        rules = service.policy.rules
        for department in DEPARTMENTS:
            matrix = matrix_of(rules, department, "en")
            assert matrix.roles, department
            assert all(len(cells) == len(matrix.roles) for _, cells in matrix.rows)
        matrix = matrix_of(rules, "hr", "en")
        column = matrix.roles.index("role:hr.clerk")
        for action, cells in matrix.rows:
            cell = cells[column]
            if cell is None or any(part.objects for part in cell.parts):
                continue
            asked = Asked(action, "hr", "payroll", subject="clerk")
            allowed = explain(service, admin, asked).explanation.decision.allowed
            freely = any(
                not part.when and (not part.classes or "normal" in part.classes)
                for part in cell.parts
            )
            if action.startswith("record."):
                assert allowed == freely, action
