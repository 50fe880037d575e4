"""From an invitation to an account with a passkey, and a request approved, in a real Chromium."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page

from secvault.access import add_grant
from secvault.crypto.secret import Secret
from secvault.identity.people import NewPerson, find_person
from secvault.service import Service, authentication, invitations, role_requests
from secvault.service.role_requests import WantedRole
from secvault.service.spine import Caller
from tests.acceptance.furnished import answering
from tests.acceptance.installation import code_of, new_installation
from tests.acceptance.test_console_in_chromium import (
    PHONE,
    WIDE,
    Running,
    is_too_wide,
    looking,
)
from tests.acceptance.test_passkey_in_chromium import AUTHENTICATOR
from tests.running_service import PASSWORD, STEP, add_person

# Installing a browser takes longer than any test.
pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(1200)]

LAN, LONG = "lan.tran", "Trần Thị " + "Tuyết Nhung " * 9
REASON = "<b>vì cần xem</b> " + "rất" * 30


@dataclass(frozen=True)
class Prepared(Running):
    """code: of Lan's invitation. request: that waits for Bình."""

    code: str
    request: str


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """A vault with somebody invited, somebody who asks for a role, and who approves."""
    installation = new_installation(tmp_path_factory.mktemp("account"))
    with installation.opened() as service:
        seeds = {name: add_person(service, name, "it") for name in ("an", "binh")}
        _give(service, "binh", "role:it.approver")
        operator = Caller(authentication.local_operator(service))
        invited = invitations.invite(service, operator, NewPerson.of(LAN, LONG, "hr"))
        # Whoever approves counts once they have signed in.
        opened = {
            name: authentication.sign_in(
                service, name, Secret.of(PASSWORD), Secret.of(code_of(seed))
            )
            for name, seed in seeds.items()
        }
        wanted = WantedRole("role:it.monitor", "it", 86_400, REASON)
        asked = role_requests.ask(service, Caller(opened["an"].principal), wanted)
    with answering(installation):
        yield Prepared(installation, seeds, invited.code.text(), asked.request.id)


def _give(service: Service, name: str, role: str) -> None:
    with service.store.write() as connection:
        add_grant(
            connection,
            service.policy.rules,
            subject=find_person(connection, name).subject,
            role=role,
            department="it",
            granted_by="local:operator",
            at=service.clock.micros(),
        )


def sign_in(page: Page, name: str, code: str) -> None:
    page.goto("/sign-in")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.fill("#code", code)
    page.click("button.main")
    page.wait_for_url("**/")


def next_step() -> None:
    """Wait until devices show a code that was not used yet."""
    time.sleep(STEP - time.time() % STEP + 0.5)


def test_who_is_invited_joins_on_a_phone_and_signs_in_by_a_passkey(
    running: Prepared, browser: Browser
) -> None:
    with looking(browser, running, viewport=PHONE, locale="vi-VN") as looked:
        page = looked.page
        devtools = page.context.new_cdp_session(page)
        devtools.send("WebAuthn.enable")
        devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        page.goto("/sign-in")
        page.get_by_role("link", name="Tôi có lời mời").click()
        page.fill("#code", running.code)
        page.keyboard.press("Enter")
        page.locator("#password").wait_for()
        assert not is_too_wide(page)
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.locator("#first").wait_for()
        assert not is_too_wide(page)
        box = page.locator(".qr svg").bounding_box()
        assert box is not None
        assert 150 < box["width"] <= 260
        seed = page.locator("code.secret").inner_text()
        assert re.fullmatch("[A-Z2-7]{32,}", seed)
        page.fill("#first", code_of(seed, 1))
        page.fill("#second", code_of(seed))
        page.keyboard.press("Enter")
        page.locator("ol.codes").wait_for()
        assert page.locator("ol.codes code").count() == 10
        assert not is_too_wide(page)
        next_step()
        sign_in(page, LAN, code_of(seed))
        page.goto("/account")
        assert not is_too_wide(page)
        page.get_by_role("link", name="Thêm khóa truy cập").click()
        page.fill("#name", "điện thoại")
        page.fill("#password", PASSWORD)
        page.get_by_role("button", name="Tạo khóa truy cập").click()
        page.wait_for_url("**/account")
        page.get_by_text("điện thoại", exact=True).wait_for()
        page.get_by_role("button", name="Đăng xuất").click()
        page.wait_for_url("**/sign-in")
        page.goto("/sign-in/passkey?next=/account")
        page.get_by_role("button", name="Dùng khóa truy cập").click()
        page.get_by_role("heading", name="Tài khoản", exact=True).wait_for()


def test_a_request_is_approved_by_keyboard_and_then_taken(
    running: Prepared, browser: Browser
) -> None:
    with looking(browser, running, viewport=WIDE, java_script_enabled=False) as looked:
        page = looked.page
        next_step()
        sign_in(page, "binh", code_of(running.seeds["binh"]))
        page.get_by_role("link", name="Approvals").click()
        page.get_by_role("link", name="Give a role that was asked for").focus()
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/approvals/{running.request}")
        assert "<b>vì cần xem</b>" in page.locator("main").inner_text()
        assert not is_too_wide(page)
        page.get_by_role("button", name="Approve exactly this").focus()
        page.keyboard.press("Enter")
        page.get_by_text("approved, to be carried out").wait_for()
    with looking(browser, running, viewport=PHONE, java_script_enabled=False) as looked:
        page = looked.page
        sign_in(page, "an", code_of(running.seeds["an"]))
        page.goto("/approvals")
        assert not is_too_wide(page)
        page.get_by_role("link", name="Give a role that was asked for").click()
        assert not is_too_wide(page)
        page.get_by_role("button", name="Take the role now").click()
        page.wait_for_url("**/account#roles")
        assert "it.monitor" in page.locator("#roles").inner_text()
