"""The console in a real Chromium: by keyboard alone, without JavaScript, on a phone, at night."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page

from tests.acceptance.furnished import answering
from tests.acceptance.installation import Installation, code_of, new_installation
from tests.running_service import PASSWORD, add_person

# Installing a browser takes longer than any test.
pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(1200)]

LONG = "nguyen-thi-" + "tuyet-nhung-" * 4 + "x"
WIDE, PHONE = {"width": 1100, "height": 700}, {"width": 360, "height": 740}
# A page that gives a field the focus is not waited for by a test that fills one first.
HASTE = "Autofocus processing was blocked"
# A sign-in that fails is answered 401, which the browser tells as a resource that failed.
EXPECTED = ("Clear-Site-Data", "status of 401", HASTE)


@dataclass(frozen=True)
class Running:
    """A vault with people, served in plain HTTP on this machine. seeds: of their devices."""

    installation: Installation
    seeds: dict[str, str]


@dataclass
class Looked:
    """A page, and what the browser complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """With one person for each test, because a code works once."""
    installation = new_installation(tmp_path_factory.mktemp("console"))
    with installation.opened() as service:
        seeds = {name: add_person(service, name, "hr") for name in ("an", LONG)}
    with answering(installation):
        yield Running(installation, seeds)


@contextmanager
def looking(browser: Browser, running: Running, **how: object) -> Iterator[Looked]:
    """A browser of its own. how: as Playwright makes contexts."""
    base = f"http://localhost:{running.installation.port}"
    context = browser.new_context(base_url=base, **how)  # type: ignore[arg-type]
    context.set_default_timeout(150_000)
    looked = Looked(context.new_page())
    looked.page.on("console", lambda said: looked.complaints.append(said.text))
    looked.page.on("pageerror", lambda error: looked.complaints.append(str(error)))
    try:
        yield looked
    finally:
        context.close()
    left = [one for one in looked.complaints if not any(each in one for each in EXPECTED)]
    assert left == []


def is_too_wide(page: Page) -> bool:
    """Whether one has to scroll sideways."""
    return bool(
        page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    )


def test_somebody_signs_in_and_out_by_keyboard_alone_in_vietnamese(
    running: Running, browser: Browser
) -> None:
    with looking(browser, running, viewport=WIDE, locale="vi-VN") as looked:
        page = looked.page
        page.goto("/")
        assert page.title() == "Đăng nhập · secvault"
        page.locator("#name:focus").wait_for()
        for typed in ("an", PASSWORD, code_of(running.seeds["an"])):
            page.keyboard.type(typed)
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**/")
        assert page.locator("h1").inner_text() == "Hôm nay"
        page.keyboard.press("Tab")
        assert page.locator(":focus").inner_text() == "Đến thẳng nội dung"
        page.get_by_role("button", name="Đăng xuất").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/sign-in")
        page.go_back()
        assert page.locator("h1").inner_text() == "Đăng nhập"


def test_it_works_on_a_phone_without_javascript_in_the_dark_with_a_long_name(
    running: Running, browser: Browser
) -> None:
    how = {"viewport": PHONE, "java_script_enabled": False, "color_scheme": "dark"}
    with looking(browser, running, **how) as looked:
        page = looked.page
        page.goto("/")
        page.fill("#name", LONG)
        page.fill("#password", "not the password at all")
        page.fill("#code", "123456")
        page.click("button.main")
        assert "did not let you in" in page.get_by_role("alert").inner_text()
        page.fill("#password", PASSWORD)
        page.fill("#code", code_of(running.seeds[LONG]))
        page.click("button.main")
        page.wait_for_url("**/")
        assert page.locator("h1").inner_text() == "Today"
        assert not is_too_wide(page)
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == "rgb(19, 24, 24)"
