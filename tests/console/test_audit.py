"""The log in pages: for who may read it, and nobody else; filters, proof, and words."""

from __future__ import annotations

import json
import re
from html import unescape
from itertools import pairwise

import pytest
from sqlalchemy import select

from secvault.access.vocabulary import DEPARTMENTS
from secvault.audit.catalogue import KINDS
from secvault.audit.event import OUTCOMES
from secvault.audit.leaf import decode
from secvault.audit.proofs import parse_inclusion
from secvault.audit.questions.cells import TITLES
from secvault.audit.questions.shipped import SHIPPED
from secvault.console import audit_kinds, audit_words
from secvault.console.audit_chart import bars, edges_of
from secvault.crypto.note import NoteVerifier
from secvault.service.audit_standing import Timeline
from secvault.store.tables import audit_event
from tests.audit.tampering import change, intrusion
from tests.console.browsing import Browsing, signed_in
from tests.running_service import PAYSLIP, Api

HOUR = 3_600 * 1_000_000
HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture
def auditor(api: Api) -> Browsing:
    """The auditor's browser."""
    return signed_in(api, "auditor")


def first_event(page: str) -> int:
    """The number of the newest event that a page lists."""
    found = re.search(r'href="/audit/events/(\d+)"', page)
    assert found is not None
    return int(found[1])


def test_only_who_may_read_the_log_sees_it_and_its_menu(api: Api, auditor: Browsing) -> None:
    assert '<a href="/audit"' in auditor.get("/").text
    page = auditor.get("/audit").text
    for path in ("/audit/questions", "/audit/exports", "/audit/alerts", "/audit/integrity"):
        assert f'<a href="{path}"' in page
    clerk = signed_in(api, "clerk")
    assert '"/audit' not in clerk.get("/").text
    seq = first_event(page)
    for path in (
        "/audit",
        f"/audit/events/{seq}",
        f"/audit/events/{seq}/proof",
        "/audit/questions",
        "/audit/questions/refusals?asked=1",
        "/audit/questions/refusals/csv",
        "/audit/save",
        "/audit/exports",
        "/audit/alerts",
        "/audit/integrity",
    ):
        answer = clerk.get(path)
        assert answer.status_code == 403, path
        assert "record." not in answer.text, path
        assert Browsing(api).get(path).headers["location"].startswith("/sign-in"), path


def test_who_may_only_verify_is_led_to_what_they_may(api: Api) -> None:
    admin = signed_in(api, "admin")
    assert '<a href="/audit"' in admin.get("/").text
    sent = admin.get("/audit")
    assert (sent.status_code, sent.headers["location"]) == (303, "/audit/integrity")
    page = admin.get("/audit/integrity").text
    assert "/audit/questions" not in page
    assert "Witnesses" not in page
    assert admin.get("/audit/events/0").status_code == 403


def test_events_are_told_in_words_with_names_and_a_picture_with_its_table(
    api: Api, auditor: Browsing
) -> None:
    signed_in(api, "clerk")
    page = auditor.get("/audit").text
    assert ">Signed in</a>" in page
    assert ">clerk</bdi>" in page
    assert "<svg" in page
    assert "The same as a table" in page
    auditor.submit("/language", language="vi")
    assert ">Đăng nhập</a>" in auditor.get("/audit").text


def test_filters_narrow_the_log_and_stand_in_every_link(api: Api, auditor: Browsing) -> None:
    signed_in(api, "clerk")
    page = auditor.get("/audit?who=clerk&what=auth.sign_in&outcome=ok").text
    listed = page.split('<table class="log">')[1]
    assert "clerk</bdi>" in listed
    assert ">auditor</bdi>" not in listed
    assert "<code>auth.sign_in</code>" in listed
    assert "<code>audit.read</code>" not in listed
    links = [unescape(one) for one in re.findall(r'href="(/audit\?[^"]+)"', page)]
    assert links
    assert any("who=clerk" in one and "since=" in one for one in links)
    assert "/audit/exports?who=clerk" in unescape(page)
    nothing = auditor.get("/audit?on=hr/payroll/none&department=quality").text
    assert "No event fits" in nothing


@pytest.mark.parametrize(
    "query",
    ["who=nobody-of-this-name", "since=yesterday", "outcome=great", "department=x",
     "since=2026-11-03&until=2026-11-02"],
)  # fmt: skip
def test_a_filter_that_cannot_be_is_told_beside_the_form(auditor: Browsing, query: str) -> None:
    answer = auditor.get(f"/audit?{query}")
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert 'name="who"' in answer.text


def test_one_pages_through_the_log_in_both_directions(api: Api, auditor: Browsing) -> None:
    for _ in range(60):
        api.ok("GET", "/api/v1/audit/keys", "auditor")
    first = auditor.get("/audit?what=audit.verify")
    older = re.search(r'rel="next" href="([^"]+)"', first.text)
    assert older is not None
    assert 'rel="prev"' not in first.text
    second = auditor.get(unescape(older[1])).text
    assert first_event(second) < first_event(first.text)
    newer = re.search(r'rel="prev" href="([^"]+)"', second)
    assert newer is not None
    assert first_event(auditor.get(unescape(newer[1])).text) == first_event(first.text)
    assert "<svg" not in second


def test_an_event_is_shown_with_its_proof_that_anybody_checks_elsewhere(
    api: Api, auditor: Browsing
) -> None:
    api.ok("GET", f"/api/v1/records/payroll/{PAYSLIP}", "head")
    seq = first_event(auditor.get("/audit?what=record.&who=head").text)
    page = auditor.get(f"/audit/events/{seq}").text
    assert "Verified just now" in page
    assert f"hr/payroll/{PAYSLIP}" in page
    assert "The decision" in page
    vkey = re.search(r"--key &#39;([^&]+)&#39;|--key '([^']+)'", page)
    assert vkey is not None
    key = NoteVerifier.from_vkey(vkey[1] or vkey[2])
    answer = auditor.get(f"/audit/events/{seq}/proof")
    assert answer.headers["content-disposition"] == f'attachment; filename="event-{seq}.json"'
    document = json.loads(answer.text)
    found = parse_inclusion(document["proof"], document["entry"].encode())
    signed = found.check([key], key.name)
    assert signed.root.hex() in page
    assert decode(found.entry, seq=seq).event.resource == f"hr/payroll/{PAYSLIP}"
    assert auditor.get("/audit/events/99999999").status_code == 404


def test_where_people_were_is_shown_to_auditors(api: Api, auditor: Browsing) -> None:
    auditor.get("/audit")
    seq = first_event(auditor.get("/audit?what=audit.read").text)
    page = auditor.get(f"/audit/events/{seq}").text
    assert "testclient" in page
    # It is the one that they have now.
    assert "Name at the time" not in page


def test_facts_are_told_with_names_and_moments(api: Api, auditor: Browsing) -> None:
    page = auditor.get("/audit?what=grant.add").text
    pages = [
        auditor.get(one).text
        for one in dict.fromkeys(re.findall(r'href="(/audit/events/\d+)"', page))
    ]
    assert any("<bdi>clerk</bdi> <code>user:" in one for one in pages)
    assert all(re.search(r"<bdi>\d{16}</bdi>", one) is None for one in pages)


def test_a_refusal_is_explained_on_demand_in_both_languages(api: Api, auditor: Browsing) -> None:
    assert api("GET", "/api/v1/audit/events", "clerk").status_code == 403
    seq = first_event(auditor.get("/audit?who=clerk&outcome=denied").text)
    page = auditor.get(f"/audit/events/{seq}").text
    assert f'href="/audit/events/{seq}?why=1"' in page
    assert 'class="why"' in auditor.get(f"/audit/events/{seq}?why=1").text
    auditor.submit("/language", language="vi")
    assert 'class="why"' in auditor.get(f"/audit/events/{seq}?why=1").text


def test_a_changed_entry_is_told_as_damage_and_not_as_proof(api: Api, auditor: Browsing) -> None:
    seq = first_event(auditor.get("/audit?what=auth.sign_in").text)
    auditor.get(f"/audit/events/{seq}")
    with api.house.open() as service, intrusion(service.store) as connection:
        rows = select(audit_event.c.body).where(audit_event.c.seq == seq)
        body = bytes(connection.execute(rows).scalar_one())
        change(connection, seq, body=body.replace(b"auth.sign_in", b"auth.step_up"))
    page = auditor.get(f"/audit/events/{seq}").text
    assert "Verified just now" not in page
    assert 'role="alert"' in page


def test_reading_is_in_the_log(api: Api, auditor: Browsing) -> None:
    before = first_event(auditor.get("/audit").text)
    after = first_event(auditor.get("/audit?what=audit.read&who=auditor").text)
    assert after > before


def test_hostile_text_is_inert(auditor: Browsing) -> None:
    for field in ("who", "what", "on", "since", "until", "outcome", "department"):
        answer = auditor.get(f"/audit?{field}={HOSTILE}")
        assert "<script" not in answer.text, field
        assert auditor.get(f"/audit/exports?{field}={HOSTILE}").text.count("<script") == 0
        assert auditor.get(f"/audit/save?{field}={HOSTILE}").text.count("<script") == 0


def test_pages_are_small_and_of_this_host_alone(auditor: Browsing) -> None:
    for path in ("/audit", "/audit/questions", "/audit/exports", "/audit/integrity"):
        page = auditor.get(path)
        assert page.status_code == 200
        assert len(page.content) < 100_000
        for inline in ("<script", "<style", " style=", " onclick=", "http://", "https://"):
            assert inline not in page.text, path


def test_every_kind_outcome_department_column_and_question_has_words() -> None:
    assert set(audit_kinds.WORDS) == set(KINDS)
    assert set(audit_words.OUTCOMES) == set(OUTCOMES)
    assert set(audit_words.DEPARTMENTS) == set(DEPARTMENTS)
    titles = {title for one in SHIPPED.values() for title in one.columns.values()}
    assert set(audit_words.COLUMNS) == titles | set(TITLES.values())
    said = {name: (one.title, one.told) for name, one in SHIPPED.items()}
    assert dict(audit_words.QUESTIONS) == said


@pytest.mark.parametrize("hours", [0, 1, 5, 30, 24 * 3, 24 * 40, 24 * 400, 24 * 9000])
def test_a_timeline_covers_the_time_in_a_fitting_number_of_parts(hours: int) -> None:
    now = 1_790_000_010 * 1_000_000
    since = now - hours * HOUR
    edges = edges_of(since, None, now, "UTC")
    assert 2 <= len(edges) <= 50
    assert edges[0] <= since
    assert edges[-1] > now
    assert len({two - one for one, two in pairwise(edges)}) == 1


def test_bars_stand_within_the_picture_and_what_is_not_nothing_is_seen() -> None:
    made = bars(Timeline((0, 1, 2, 3), (0, 1, 1_000_000), archived=False))
    assert [one.height for one in made] == [0, 2, 90]
    assert all(one.x >= 0 and one.x + one.width <= 720 and 0 <= one.y <= 90 for one in made)


def test_a_view_stays_when_one_signs_in_first_or_changes_the_language(
    api: Api, auditor: Browsing
) -> None:
    path = "/audit?who=clerk&outcome=denied"
    sent = Browsing(api).get(path)
    assert sent.headers["location"] == "/sign-in?next=/audit%3Fwho%3Dclerk%26outcome%3Ddenied"
    form = Browsing(api).get(sent.headers["location"]).text
    assert f'name="next" value="{path.replace("&", "&amp;")}"' in form
    page = auditor.get(path).text
    assert f'name="next" value="{path.replace("&", "&amp;")}"' in page
    long = auditor.get(f"/audit?on={'x' * 600}").text
    assert 'name="next" value="/audit"' in long
