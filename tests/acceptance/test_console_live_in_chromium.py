"""Pages that change in place, in a real Chromium: a backup runs, and its page says so by itself.

Nothing is loaded anew, the keyboard stays where it was, and the browser complains of nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from secvault.crypto.secret import Secret
from secvault.service import authentication, grants, records
from secvault.service.spine import Caller
from tests import running_service as persons
from tests.acceptance.furnished import RECORD, working
from tests.acceptance.installation import ADMINISTRATOR, SEED, code_of, new_installation, payslip
from tests.acceptance.test_console_backups_in_chromium import sign_in
from tests.acceptance.test_console_in_chromium import WIDE, Running, looking
from tests.running_service import add_person

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(1200)]

SECONDS = 1000
ACCOUNT = payslip()["bank_account"]
_LOADED = "window.loaded = true"
"""A mark that is gone when a page is loaded anew."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A vault with people and a plan whose backup takes a moment; the whole service."""
    folder = tmp_path_factory.mktemp("console-live")
    (folder / "share").mkdir()
    for number in range(12):
        (folder / "share" / f"{number}.bin").write_bytes(os.urandom(20_000_000))
    installation = new_installation(folder).with_(
        SECVAULT_BACKUP__PLANS__NIGHTLY__FOLDERS=f'["{folder / "share"}"]',
        # So slow that its progress is seen on any machine.
        SECVAULT_BACKUP__PLANS__NIGHTLY__UPLOAD_KIB="20000",
    )
    with installation.opened() as service:
        for number in range(60):
            add_person(service, f"person-{number:02}", "hr")
        seed = add_person(service, "head", "hr")
        operator = Caller(authentication.local_operator(service))
        given = {"subject": "user:head", "role": "role:hr.head", "department": "hr"}
        grants.add_grant(service, operator, **given)
        reader = add_person(service, "auditor", "it")
        given = {"subject": "user:auditor", "role": "role:it.auditor", "department": "*"}
        grants.add_grant(service, operator, **given)
        head = authentication.sign_in(
            # The step before, so that the browser's sign-in has a code left.
            service,
            "head",
            Secret.of(persons.PASSWORD),
            Secret.of(code_of(seed, 1)),
        )
        who = Caller(authentication.authenticate(service, head.token.text()))
        records.create_record(service, who, "payroll", RECORD, payslip())
    with working(installation):
        yield Running(installation, {ADMINISTRATOR: SEED, "head": seed, "auditor": reader})


def stays(page: Page) -> bool:
    """Whether the page is the one that was marked."""
    return page.evaluate("window.loaded === true") is True


def focus(page: Page) -> str:
    """The id of what the keyboard is at."""
    return str(page.evaluate("document.activeElement.id"))


def test_pages_change_in_place_and_a_backup_is_watched_to_its_end(
    running: Running, browser: Browser
) -> None:
    with looking(browser, running, viewport=WIDE) as looked:
        page = looked.page
        page.add_init_script(
            "document.addEventListener('securitypolicyviolation',"
            " (event) => console.error('violation of ' + event.violatedDirective))"
        )
        sign_in(page, running.seeds[ADMINISTRATOR])

        a_backup_is_watched(page)
        people_are_found(page)


def test_the_log_is_filtered_in_place(running: Running, browser: Browser) -> None:
    with looking(browser, running, viewport=WIDE) as looked:
        sign_in(looked.page, running.seeds["auditor"], "auditor", persons.PASSWORD)
        the_log_is_filtered(looked.page)


def test_a_value_is_revealed_in_place_and_where_more_is_asked_for_on_a_page_of_its_own(
    running: Running, browser: Browser
) -> None:
    with looking(browser, running, viewport=WIDE) as looked:
        page = looked.page
        sign_in(page, running.seeds["head"], "head", persons.PASSWORD)
        page.goto(f"/records/payroll/{RECORD}")
        page.evaluate(_LOADED)
        reveal(page)
        expect(page.locator("#reveal-bank_account .revealed")).to_have_text(ACCOUNT)
        assert stays(page)
        assert page.url.endswith(RECORD)
        assert focus(page) == "reveal-bank_account"

        page.reload()
        page.evaluate(_LOADED)
        # A factor has become too old: the first answer is what such a page is answered with.
        asked: list[str] = []

        def answer(route: Route) -> None:
            asked.append(str(route.request.post_data))
            if len(asked) == 1:
                route.fulfill(status=401, content_type="text/html", body="<main id=main></main>")
            else:
                route.continue_()

        page.route("**/reveal", answer)
        reveal(page)
        page.wait_for_url("**/reveal")
        assert page.locator(".revealed").inner_text() == ACCOUNT
        assert not stays(page)
        assert parse_qs(asked[0]) == parse_qs(asked[1])

        page.goto(f"/records/payroll/{RECORD}")
        page.evaluate(_LOADED)
        page.unroute("**/reveal")
        refused = "<main id=main tabindex=-1><p>Not just now</p></main>"
        page.route(
            "**/reveal",
            lambda route: route.fulfill(status=503, content_type="text/html", body=refused),
        )
        reveal(page)
        expect(page.locator("main")).to_have_text("Not just now")
        assert stays(page)
        assert focus(page) == "main"
        # The browser tells of an answer that we have made up.
        looked.complaints[:] = [one for one in looked.complaints if "status of 503" not in one]


def reveal(page: Page) -> None:
    """Ask for the account by keyboard."""
    page.locator("details.reveal", has=page.locator("#why-bank_account")).evaluate(
        "one => { one.open = true }"
    )
    page.fill("#why-bank_account", "the bank asks")
    page.keyboard.press("Enter")


def a_backup_is_watched(page: Page) -> None:
    page.goto("/backups/nightly")
    page.get_by_role("button", name="Back up now").click()
    page.wait_for_url("**/backups/runs/*")
    page.evaluate(_LOADED)
    page.locator("#cancel").focus()
    page.evaluate(
        "window.said = [];"
        "new MutationObserver(() => said.push(document.querySelector('#rest').innerText))"
        ".observe(document.querySelector('#rest'), {childList: true, subtree: true})"
    )
    expect(page.locator(".verdict")).to_contain_text("done", timeout=300 * SECONDS)
    expect(page.locator("#rest")).to_contain_text("Snapshot")
    assert stays(page)
    # Bytes were told while it ran, and the keyboard is not lost with the button that went.
    said = page.evaluate("said")
    assert any("MiB of" in each for each in said), said
    assert page.locator("#cancel").count() == 0
    assert focus(page) == "rest"
    assert page.locator(".verdict").get_attribute("role") == "status"


def people_are_found(page: Page) -> None:
    page.goto("/people")
    page.evaluate(_LOADED)
    page.fill("#search", "person-0")
    page.keyboard.press("Enter")
    page.wait_for_url("**/people?search=person-0*")
    expect(page.locator("#found tbody tr")).to_have_count(10)
    assert stays(page)
    assert focus(page) == "search"
    expect(page.locator("[data-saying]")).to_have_text("10 results are shown.")
    # The address has all of the state: back is the page before, and a reload the same.
    page.go_back()
    expect(page.locator("#found tbody tr").nth(20)).to_be_visible()
    page.evaluate(_LOADED)
    page.locator("#next").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/people?*after=*")
    assert stays(page)
    assert focus(page) in ("next", "found")
    # No page is kept in the browser, but for where it was.
    kept = page.evaluate("[...Object.keys(sessionStorage), ...Object.keys(localStorage)]")
    assert kept == ["htmx-current-path-for-history"]


def the_log_is_filtered(page: Page) -> None:
    page.goto("/audit")
    page.evaluate(_LOADED)
    page.fill("#what", "record.create")
    page.keyboard.press("Enter")
    page.wait_for_url("**/audit?*what=record.create*")
    expect(page.locator("table.log tbody tr").first).to_contain_text("record.create")
    assert stays(page)
    assert focus(page) == "what"
    # Whoever was signed out meanwhile is asked to sign in, and comes back.
    page.context.clear_cookies(name="__Host-secvault")
    page.locator("#span-week").click()
    page.wait_for_url(re.compile(r"/sign-in\?next=/audit"))
    assert not stays(page)
