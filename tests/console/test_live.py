"""Pages that are told what goes on: parts of the page, for who may look, and only so many."""

from __future__ import annotations

import re
from threading import Timer

import pytest
from sqlalchemy import update

from secvault.api import following
from secvault.api.browser import COOKIE_NAME
from secvault.api.following import Streams
from secvault.backup import run
from secvault.errors import TooManyStreams
from secvault.service import Service, authentication
from secvault.service.spine import Caller
from secvault.store import tables
from tests.api.test_api_backup_runs import end_soon
from tests.console.browsing import Browsing, signed_in
from tests.console.test_backups import RUN, inside
from tests.console.test_drills import DRILL, add_drill
from tests.console.test_records import ACCOUNT, RECORD, REVEAL
from tests.running_service import Api, Front, House

PAGE = f"/backups/runs/{RUN}"
PART = "reveal-bank_account"


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks that come soon after each other."""
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.05)


def begin(service: Service) -> None:
    """A run of which half is saved."""
    run.begin(service.backups, "nightly", RUN, "schedule")
    service.backups.mark(tables.backup_run, RUN, phase="saving")
    service.backups.mark(
        tables.backup_run, RUN, bytes_done=2_000_000, bytes_expected=4_000_000, seconds_left=90
    )


def events(text: str) -> list[tuple[str, str]]:
    """The events of a stream: their names, and the parts of the page."""
    return re.findall(r"event: (\w+)\ndata: (.*)\n\n", text)


def test_a_page_is_told_how_a_run_goes_on_and_what_became_of_it(front: Front, house: House) -> None:
    with inside(front, house) as (api, service):
        begin(service)
        browser = signed_in(api, "auditor")
        page = browser.get(PAGE).text
        assert f'sse-connect="{PAGE}/live"' in page
        timer = end_soon(service, 1.0)
        answer = browser.get(f"{PAGE}/live", **{"Sec-Fetch-Site": "same-origin"})
        timer.join()
        after = browser.get(PAGE).text
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = events(answer.text)
    # All that the page shows, once; then what changed.
    assert [name for name, _ in told][:4] == ["state", "progress", "facts", "asof"]
    first, last = dict(told[:4]), told[-1]
    assert "running" in first["state"]
    assert '<progress max="4000000" value="2000000"' in first["progress"]
    assert "90" not in first["progress"]
    assert "left" in first["progress"]
    assert last[0] == "end"
    assert "Ended" in last[1]
    assert "/cancel" not in last[1]
    assert "done" in dict(told)["state"]
    # Of what has ended nothing is told, and nothing is loaded for it.
    assert "sse-connect" not in after
    assert "<script" not in after


def test_parts_come_in_the_language_of_the_page(front: Front, house: House) -> None:
    with inside(front, house) as (api, service):
        begin(service)
        browser = signed_in(api, "auditor")
        browser.submit("/language", language="vi")
        end_soon(service, 0).join()
        told = dict(events(browser.get(f"{PAGE}/live").text))
    assert "xong" in told["state"]


def test_a_drill_is_told_of_by_its_steps(front: Front, house: House) -> None:
    with inside(front, house) as (api, service):
        add_drill(service, state="running", phase="fetch", passed=None, finished_at=None)
        browser = signed_in(api, "auditor")
        page = browser.get(DRILL).text
        with service.store.write() as connection:
            connection.execute(update(tables.drill).values(state="done", phase="done"))
        told = events(browser.get(f"{DRILL}/live").text)
    assert re.search(r'<li aria-current="step">Fetching from the repository', page)
    assert f'sse-connect="{DRILL}/live"' in page
    assert told[-1][0] == "end"


def test_whoever_may_not_look_is_told_nothing(front: Front, house: House) -> None:
    with inside(front, house) as (api, service):
        begin(service)
        assert signed_in(api, "clerk").get(f"{PAGE}/live").status_code == 403
        assert Browsing(api).get(f"{PAGE}/live").headers["location"].startswith("/sign-in")
        strange = {"Sec-Fetch-Site": "cross-site"}
        assert signed_in(api, "auditor").get(f"{PAGE}/live", **strange).status_code == 403


def test_the_last_that_a_page_is_told_after_signing_out_is_that_it_is_not_told_more(
    front: Front, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secvault.service.watching.RIGHTS_SECONDS", 0.0)
    with inside(front, house) as (api, service):
        begin(service)
        browser = signed_in(api, "auditor")
        token = browser.cookies[COOKIE_NAME]
        who = Caller(authentication.authenticate_cookie(service, token))
        timer = Timer(0.4, lambda: authentication.sign_out(service, who))
        timer.start()
        told = events(browser.get(f"{PAGE}/live").text)
        timer.join()
    assert told[-1][0] == "end"
    assert "not shown to you any more" in told[-1][1]


def test_a_stream_ends_when_the_process_is_to_end(front: Front, house: House) -> None:
    with inside(front, house) as (api, service):
        begin(service)
        stopping = api.client.app.stopping  # type: ignore[attr-defined]
        browser = signed_in(api, "auditor")
        timer = Timer(0.4, stopping.set)
        timer.start()
        try:
            told = events(browser.get(f"{PAGE}/live").text)
        finally:
            timer.join()
            stopping.clear()
    # No word of an end: the browser asks again, and another process answers.
    assert "end" not in dict(told)


def test_only_so_many_streams_are_open_at_once_for_one_caller(front: Front, house: House) -> None:
    with inside(front, house) as (api, service):
        begin(service)
        browser, most = signed_in(api, "auditor"), service.settings.server.streams_each
        streams = front.routes.state.streams
        who = authentication.authenticate_cookie(service, browser.cookies[COOKIE_NAME]).subject
        places = [streams.place(who, most) for _ in range(most)]
        for place in places:
            place.__enter__()
        for refused in (
            browser.get(f"{PAGE}/live"),
            api("GET", f"/api/v1/backups/runs/{RUN}/events", "auditor"),
        ):
            assert refused.status_code == 429
            assert int(refused.headers["retry-after"]) > 0
        # Others have places of their own, and the page itself is shown.
        end_soon(service, 0).join()
        assert signed_in(api, "admin").get(f"{PAGE}/live").status_code == 200
        assert browser.get(PAGE).status_code == 200
        places[0].__exit__(None, None, None)
        for _ in range(3):
            assert browser.get(f"{PAGE}/live").status_code == 200
        for place in places[1:]:
            place.__exit__(None, None, None)
        assert not streams._open


def test_a_place_is_given_back_whatever_happens() -> None:
    streams = Streams()
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), streams.place("user:a", 1):
            raise ZeroDivisionError
    with streams.place("user:a", 1), pytest.raises(TooManyStreams), streams.place("user:a", 1):
        pass


def test_pages_are_whole_without_htmx(
    front: Front, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secvault.console.page.has_htmx", lambda: False)
    with inside(front, house) as (api, service):
        begin(service)
        page = signed_in(api, "auditor").get(PAGE).text
    assert "<script" not in page
    assert "sse-connect" not in page
    assert f'<a class="button" href="{PAGE}">Look again</a>' in page


def test_lists_and_filters_name_the_part_of_the_page_that_they_change(api: Api) -> None:
    browser = signed_in(api, "auditor")
    admin = signed_in(api, "admin")
    for who, path in ((admin, "/people"), (browser, "/audit"), (browser, "/audit?what=sign_in.")):
        text = who.get(path).text
        assert text.count('id="found"') == 1, path
        assert 'hx-target="#found" hx-select="#found"' in text
        assert re.search(r'data-says="(One result is|[0-9]+ results are) shown."', text)
        # Nothing that would have to be evaluated, and what is evaluated is turned off.
        assert not re.search(r"hx-(on|vals|vars|headers|trigger)", text)
        assert '"allowEval":false' in text
        assert '"historyCacheSize":0' in text
    assert "events that fit, from" in browser.get("/audit?what=sign_in.").text


def test_a_value_is_revealed_into_its_own_form(api: Api) -> None:
    head = signed_in(api, "head")
    page = head.get(RECORD).text
    forms = re.findall(r'<form id="(reveal-\w+)" method="post" action="([^"]+)" ([^>]*)>', page)
    (how,) = [how for part, action, how in forms if (part, action) == (PART, REVEAL)]
    assert f'hx-target="#{PART}" hx-select="#{PART}"' in how
    assert 'hx-push-url="false"' in how
    shown = head.submit(REVEAL, csrf=head.csrf(RECORD), reason="the bank asks").text
    inside = shown.partition(f'<div id="{PART}"')[2].partition("</div>")[0]
    assert ACCOUNT in inside
    assert "the bank asks" in inside
