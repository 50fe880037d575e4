"""The audit pages in a real Chromium: a record's readers found, their proof taken along."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from secvault.audit.proofs import parse_inclusion
from secvault.crypto.note import NoteVerifier
from secvault.service import authentication, grants
from secvault.service.spine import Caller
from tests.acceptance.furnished import answering
from tests.acceptance.installation import code_of, new_installation
from tests.acceptance.test_console_in_chromium import PHONE, WIDE, Running, is_too_wide, looking
from tests.running_service import PASSWORD, add_person

# Installing a browser takes longer than any test.
pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(1200)]

PAGES = (
    "/audit",
    "/audit/questions",
    "/audit/questions/what-did?asked=1&who=user:admin",
    "/audit/save?what=record.",
    "/audit/exports?who=admin",
    "/audit/integrity",
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """With an auditor for each test, because a code works once."""
    installation = new_installation(tmp_path_factory.mktemp("console"))
    with installation.opened() as service:
        seeds = {name: add_person(service, name, "it") for name in ("hoa", "minh")}
        operator = Caller(authentication.local_operator(service))
        for name in seeds:
            grants.add_grant(
                service, operator, subject=f"user:{name}", role="role:it.auditor", department="*"
            )
    with answering(installation):
        yield Running(installation, seeds)


def test_an_auditor_takes_the_proof_of_an_event_along(
    running: Running, browser: Browser, tmp_path: Path
) -> None:
    with looking(browser, running, viewport=WIDE, locale="en-US") as looked:
        page = looked.page
        page.goto("/audit?who=hoa&what=auth.sign_in")
        page.fill("#name", "hoa")
        page.fill("#password", PASSWORD)
        page.fill("#code", code_of(running.seeds["hoa"]))
        page.click("button.main")
        # Signing in led back to what was asked for.
        page.wait_for_url("**/audit?who=hoa&what=auth.sign_in")
        page.locator("table.log a").first.click()
        page.get_by_text("Verified just now").wait_for()
        command = page.locator("pre").last.inner_text()
        with page.expect_download() as taken:
            page.get_by_role("link", name="Download the proof").click()
        file = tmp_path / "event.json"
        taken.value.save_as(file)
        document = json.loads(file.read_text("utf-8"))
        key = NoteVerifier.from_vkey(command.split("--key '")[1].rstrip("'\n"))
        found = parse_inclusion(document["proof"], document["entry"].encode())
        assert found.check([key], key.name).size > found.seq
        page.get_by_role("link", name="Integrity").click()
        page.get_by_role("button", name="Verify the whole log now").click()
        page.get_by_role("status").get_by_text("Verified just now").wait_for()
        # A page that answers a form has no address of its own: another language leads on.
        page.get_by_role("button", name="Tiếng Việt").click()
        page.wait_for_url("**/audit/integrity")
        assert page.locator("h1").inner_text() == "Tính toàn vẹn của nhật ký"


def test_the_audit_pages_fit_a_phone_without_javascript_in_vietnamese(
    running: Running, browser: Browser
) -> None:
    how = {"viewport": PHONE, "java_script_enabled": False, "locale": "vi-VN"}
    with looking(browser, running, **how) as looked:
        page = looked.page
        page.goto("/audit")
        page.fill("#name", "minh")
        page.fill("#password", PASSWORD)
        page.fill("#code", code_of(running.seeds["minh"]))
        page.click("button.main")
        page.wait_for_url("**/audit")
        assert page.locator("h1").inner_text() == "Nhật ký kiểm toán"
        event = page.locator("table.log a").first.get_attribute("href")
        assert event is not None
        for path in (*PAGES, event):
            page.goto(path)
            assert not is_too_wide(page), path
