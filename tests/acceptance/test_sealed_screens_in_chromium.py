"""The pages of a sealed vault in a real Chromium: nothing on them keeps a holder of a share out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.acceptance.barriers import beside, found_by_axe, found_by_tab
from tests.acceptance.installation import NO_SIGN_INS, new_installation
from tests.acceptance.sealed import status, under_shares, waiting_for_its_key
from tests.acceptance.test_console_in_chromium import PHONE, WIDE, is_too_wide
from tests.acceptance.test_every_screen_in_chromium import Looked, looking

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(1200)]

GIVE = 'section[lang="vi"] button'
# The browser says so of every page that is answered with one, as these are.
STATUS = "the server responded with a status of"


def _found(looked: Looked) -> Iterator[str]:
    page = looked.page
    for size, light in ((WIDE, "light"), (PHONE, "dark")):
        page.emulate_media(color_scheme=light)  # type: ignore[arg-type]
        page.set_viewport_size(size)  # type: ignore[arg-type]
        world = beside(looked.session)
        yield from (f"{light}: {one}" for one in found_by_axe(world))
        if is_too_wide(page):
            yield f"is too wide at {size['width']}"
    yield from found_by_tab(page, world)
    yield from (one for one in looked.read() if STATUS not in one)


def test_nothing_keeps_a_holder_of_a_share_out(tmp_path: Path, browser: Browser) -> None:
    made, shares = under_shares(tmp_path)
    with waiting_for_its_key(made), looking(browser, made.address) as looked:
        page = looked.page
        answer = page.goto("/")
        assert answer is not None
        assert answer.status == 503
        assert [*_found(looked)] == []
        page.goto("/unseal")
        assert [*_found(looked)] == []
        page.fill("#key-vi", "not the words of any share")
        page.click(GIVE)
        page.locator('[role="alert"]').first.wait_for()
        assert [*_found(looked)] == []
        page.goto("/unseal")
        page.fill("#key-vi", shares[1])
        page.click(GIVE)
        page.get_by_text("1 trên 2").wait_for()
        assert [*_found(looked)] == []


def test_nothing_keeps_anybody_out_where_the_vault_opens_by_itself(
    tmp_path: Path, browser: Browser
) -> None:
    made = new_installation(tmp_path, **NO_SIGN_INS)
    with made.serving(), looking(browser, made.address) as looked:
        made.ok("seal", "now")
        assert status(made)["sealed"] is True
        for path in ("/", "/unseal"):
            looked.page.goto(path)
            assert [*_found(looked)] == []
