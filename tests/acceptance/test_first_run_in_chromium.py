"""A new vault, from its code to the first backup, in a real Chromium by keyboard alone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Browser, Page

from tests.acceptance.furnished import answering
from tests.acceptance.installation import Installation, free_port
from tests.acceptance.test_console_in_chromium import PHONE, WIDE, Running, is_too_wide, looking

# Installing a browser takes longer than any test.
pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(1200)]

PASSWORD = "rừng tre gió thổi qua hiên"
STEP = 30


@dataclass(frozen=True)
class NewVault:
    """A vault that nobody has activated yet, served. code: for the first administrator."""

    running: Running
    code: str


@pytest.fixture
def new_vault(tmp_path: Path) -> Iterator[NewVault]:
    """As `secvault init --bootstrap` leaves it."""
    installation = Installation(tmp_path, free_port())
    (tmp_path / "secvault.toml").write_text(
        f'data = "{installation.data}"\n[server]\nport = {installation.port}\n'
    )
    made = json.loads(installation.ok("init", "--bootstrap", "--json"))
    with answering(installation):
        yield NewVault(Running(installation, {}), made["bootstrap"]["code"])


def _typed(page: Page, *texts: str) -> None:
    """Type into the field that the page gives the focus and those after it, and send the form."""
    page.locator("input:focus").wait_for()
    for text in texts:
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")


def _tab_to(page: Page, name: str) -> None:
    """Press Tab until the thing of this name has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if focused.count() and name in focused.inner_text():
            return
    pytest.fail(f"{name} is not reached by Tab")


def _two_codes(seed: str) -> tuple[str, str]:
    """Two in a row, the second of which the device shows now."""
    device = pyotp.TOTP(seed)
    now = int(time.time())
    return device.at(now - STEP), device.at(now)


def _join(page: Page, code: str, said: dict[str, str]) -> str:
    """Use the code as the first administrator; the seed of the device."""
    page.goto("/")
    page.locator("#name:focus").wait_for()
    _tab_to(page, said["invited"])
    page.keyboard.press("Enter")
    page.wait_for_url("**/join")
    _typed(page, code)
    page.locator("#name").wait_for()
    page.locator("#name").focus()
    page.keyboard.type("lan")
    page.keyboard.press("Tab")
    page.keyboard.type("Trần Thị Lan")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.locator(".qr svg").wait_for()
    seed = page.locator("code.secret").inner_text().replace(" ", "")
    _typed(page, *_two_codes(seed))
    page.locator("ol.codes").wait_for()
    return seed


def _sign_in(page: Page, seed: str) -> None:
    """With a code that was not used yet, which is the next one."""
    time.sleep(STEP - int(time.time()) % STEP + 1)
    _typed(page, "lan", PASSWORD, pyotp.TOTP(seed).now())
    page.wait_for_url("**/")


ENGLISH = {"invited": "I have an invitation", "in": "I have kept them; sign in"}
VIETNAMESE = {"invited": "Tôi có lời mời", "in": "Tôi đã cất giữ"}


def test_the_first_administrator_comes_in_by_keyboard_and_is_led_on_in_vietnamese(
    new_vault: NewVault, browser: Browser
) -> None:
    with looking(browser, new_vault.running, viewport=WIDE, locale="vi-VN") as looked:
        page = looked.page
        seed = _join(page, new_vault.code, VIETNAMESE)
        _tab_to(page, VIETNAMESE["in"])
        page.keyboard.press("Enter")
        _sign_in(page, seed)
        assert page.locator("h1").inner_text() == "Hôm nay"
        steps = page.locator(".first-steps")
        assert "Những bước đầu tiên" in steps.inner_text()
        assert steps.locator("li").count() == 7
        # Recovery codes were shown, so there is a spare way in.
        assert "lối vào dự phòng" not in steps.inner_text()
        for name, place in (
            ("Có quản trị viên thứ hai", "/invite"),
            ("Phát hành bộ khôi phục", "/recovery"),
            ("Sao lưu ra ngoài máy này", "/new-plan"),
            ("Diễn tập để chứng minh khôi phục được", "/drills"),
            ("Công bố nhật ký kiểm toán ra bên ngoài", "/audit/integrity"),
        ):
            page.goto("/")
            _tab_to(page, name)
            page.keyboard.press("Enter")
            page.wait_for_url(f"**{place}")
            assert page.locator("main h1").count() == 1
        # The clocks of the pages are those of where one is, once one has said so.
        page.goto("/account/time-zone")
        page.locator("#time-zone").focus()
        page.keyboard.type("Ho Chi")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**/account")
        assert "UTC+7" in page.locator("p.asof").inner_text()


def test_it_works_on_a_phone_without_javascript(new_vault: NewVault, browser: Browser) -> None:
    how = {"viewport": PHONE, "java_script_enabled": False}
    with looking(browser, new_vault.running, **how) as looked:
        page = looked.page
        seed = _join(page, new_vault.code, ENGLISH)
        assert not is_too_wide(page)
        page.click("a.main")
        _sign_in(page, seed)
        assert "First steps" in page.locator(".first-steps").inner_text()
        assert not is_too_wide(page)
        page.goto("/account/time-zone")
        assert not is_too_wide(page)
        page.select_option("#time-zone", "America/New_York")
        page.click("button.main")
        page.wait_for_url("**/account")
        assert "America/New_York" in page.locator(".clocks").first.inner_text()
