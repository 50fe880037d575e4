"""People and access in a real Chromium: a lost phone locked by keyboard, all pages on a phone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from secvault.access import add_grant
from secvault.identity.people import find_person
from secvault.service import Service
from tests.acceptance.furnished import answering
from tests.acceptance.installation import code_of, new_installation, system_token
from tests.acceptance.test_console_in_chromium import PHONE, WIDE, Running, is_too_wide, looking
from tests.running_service import PASSWORD, add_person

# Installing a browser takes longer than any test.
pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(1200)]

LONG = "tran-thi-" + "bao-chau-" * 5 + "y"
PAGES = (
    "/people",
    "/people?department=hr&status=active",
    f"/people/{LONG}",
    "/people/an/grants/new",
    "/invite",
    "/systems",
    "/systems/payroll-sync",
    "/new-system",
    "/access",
    f"/access?subject={LONG}&action=record.read&department=hr&resource=payroll&field=bank_account",
    "/access/who-can?action=record.read&department=hr&resource=payroll",
    "/access/matrix?department=hr",
    "/reviews",
    "/new-review",
)


def _give(service: Service, name: str, role: str, department: str) -> None:
    with service.store.write() as connection:
        add_grant(
            connection,
            service.policy.rules,
            subject=find_person(connection, name).subject,
            role=role,
            department=department,
            granted_by="local:operator",
            at=service.clock.micros(),
        )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """With an administrator for each test, and people and a system to look after."""
    installation = new_installation(tmp_path_factory.mktemp("people"))
    with installation.opened() as service:
        seeds = {name: add_person(service, name, "it") for name in ("an", "binh")}
        seeds |= {name: add_person(service, name, "hr") for name in ("lan", LONG)}
        for name in ("an", "binh"):
            _give(service, name, "role:it.admin", "it")
        for name in ("lan", LONG):
            _give(service, name, "role:hr.head", "hr")
        system_token(service, "payroll-sync", "it", "role:it.cryptor")
    with answering(installation):
        yield Running(installation, seeds)


def _sign_in(page: Page, running: Running, name: str, to: str) -> None:
    page.goto(to)
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.fill("#code", code_of(running.seeds[name]))
    page.press("#code", "Enter")
    page.wait_for_url(f"**{to}")


def _tab_to(page: Page, name: str) -> None:
    """Press Tab until the thing of this name has the focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if focused.count() and name in focused.inner_text():
            return
    pytest.fail(f"{name} is not reached by Tab")


def test_whoever_lost_a_phone_is_shut_out_by_keyboard_alone(
    running: Running, browser: Browser
) -> None:
    with looking(browser, running, viewport=WIDE) as theirs:
        _sign_in(theirs.page, running, "lan", "/reviews")
        with looking(browser, running, viewport=WIDE, locale="vi-VN") as looked:
            page = looked.page
            _sign_in(page, running, "an", "/people")
            page.locator("#search").focus()
            page.keyboard.type("lan")
            page.keyboard.press("Enter")
            page.wait_for_url("**search=lan**")
            _tab_to(page, "Lan")
            page.keyboard.press("Enter")
            page.wait_for_url("**/people/lan")
            _tab_to(page, "Chấm dứt tất cả ngay")
            page.keyboard.press("Enter")
            page.locator("main").get_by_text("Không ở đâu.").wait_for()
            _tab_to(page, "Vô hiệu hóa")
            page.keyboard.press("Enter")
            _tab_to(page, "Vô hiệu hóa")
            page.keyboard.press("Enter")
            page.locator("dd.disabled").wait_for()
        theirs.page.goto("/reviews")
        assert theirs.page.locator("h1").inner_text() == "Sign in"


def test_every_page_fits_on_a_phone_without_javascript_in_the_dark(
    running: Running, browser: Browser
) -> None:
    how = {"viewport": PHONE, "java_script_enabled": False, "color_scheme": "dark"}
    with looking(browser, running, **how) as looked:
        page = looked.page
        _sign_in(page, running, "binh", "/people")
        for path in PAGES:
            answer = page.goto(path)
            assert answer is not None
            assert answer.status == 200, path
            assert not is_too_wide(page), path
        page.goto(f"/people/{LONG}/grants/new")
        page.select_option("#role", "role:hr.clerk")
        page.select_option("#department", "hr")
        page.click("button.main")
        page.wait_for_url(f"**/people/{LONG}")
        assert "hr.clerk" in page.locator("main").inner_text()
