"""The pages of backups in a real Chromium: a file is restored in a few clicks; a phone at night.

Without JavaScript throughout; nothing is too wide, and the browser complains of nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import pytest
from playwright.sync_api import Browser, Page

from secvault.service import authentication, backups
from secvault.service.spine import Caller
from tests.acceptance.furnished import answering
from tests.acceptance.installation import ADMINISTRATOR, PASSWORD, SEED, code_of, new_installation
from tests.acceptance.test_console_in_chromium import PHONE, WIDE, Running, is_too_wide, looking
from tests.backup_rows import add_run
from tests.quick_repository import made_quickly

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(1200)]

LONG = "bảng lương " + "rất-dài-" * 12 + "tháng 11.xlsx"
DAY = 24 * 3600 * 10**6
PLACES = (
    "/backups",
    "/backups/nightly",
    "/backups/nightly/buckets",
    "/backups/nightly/files?name=*.xlsx",
    "/backups/restores",
    "/backups/runs/bad",
    "/drills",
    "/drills?plan=nightly",
    "/recovery",
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A vault with a backup of a folder, and runs of the days before, one of which failed."""
    folder = tmp_path_factory.mktemp("console-backups")
    (folder / "share").mkdir()
    (folder / "share" / LONG).write_text("lương")
    installation = new_installation(folder).with_(
        SECVAULT_BACKUP__PLANS__NIGHTLY__FOLDERS=f'["{folder / "share"}"]',
        SECVAULT_RECOVERY__HOLDERS='["Trần Thị Bình", "Trần Thị Bình", "Lê Văn Chí"]',
    )
    with made_quickly(), installation.opened() as service:
        now = service.clock.micros()
        with service.store.write() as connection:
            for back in range(60, 1, -1):
                add_run(
                    connection, f"run-{back}", now - back * DAY, repository="here", bytes=back << 20
                )
            failed = {"state": "failed", "snapshot": None, "error": "x" * 300}
            add_run(connection, "bad", now - DAY, repository="here", **failed)
        operator = Caller(authentication.local_operator(service))
        backups.run_backup(service, operator, "nightly", lambda _: None, Event())
    with answering(installation):
        yield Running(installation, {ADMINISTRATOR: SEED})


def sign_in(page: Page, seed: str, name: str = ADMINISTRATOR, password: str = PASSWORD) -> None:
    """Through the form, for who has used no code of this step or a later one."""
    page.goto("/sign-in")
    page.fill("#name", name)
    page.fill("#password", password)
    page.fill("#code", code_of(seed))
    # A click does not wait for the answer by itself.
    with page.expect_navigation():
        page.click("button.main")
    assert not page.url.endswith("/sign-in"), page.content()


def test_every_page_fits_a_phone_at_night_and_a_wide_screen_in_both_languages(
    running: Running, browser: Browser
) -> None:
    how = {"viewport": PHONE, "java_script_enabled": False, "color_scheme": "dark"}
    with looking(browser, running, **how, locale="vi-VN") as looked:
        page = looked.page
        sign_in(page, running.seeds[ADMINISTRATOR])
        for language, size in (("vi", PHONE), ("en", WIDE)):
            # On a phone the choice of the language is behind the menu.
            page.set_viewport_size(WIDE)
            page.locator(f'button[name="language"][value="{language}"]').click()
            page.set_viewport_size(size)
            for place in PLACES:
                page.goto(place)
                assert page.locator("h1").count() == 1, place
                assert page.locator("html").get_attribute("lang") == language
                assert not is_too_wide(page), (place, size)
        # Six clicks from the first page to a file that comes back.
        page.goto("/")
        page.click('nav a[href="/backups"]')
        page.click('main a[href="/backups/nightly"]')
        page.fill("#file", "*.xlsx")
        page.click(".search button")
        page.click('a[href*="/restore?"]')
        assert LONG in page.locator("strong").first.inner_text()
        assert not is_too_wide(page)
        page.click('button[name="step"][value="restore"]')
        page.wait_for_url("**/backups/restores/*")
        assert "waits for the worker" in page.locator(".verdict").inner_text()
        assert not is_too_wide(page)
