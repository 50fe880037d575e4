"""The pictures of the console in docs and README: `python -m tests.acceptance.pictures`.

They are taken from a company that does not exist, by a real browser, and kept small: so much is
shown as a reader needs to recognise the page. Whoever changes how a page looks takes them again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.acceptance.installation import code_of
from tests.acceptance.pictured import Pictured, pictured

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
LARGEST = 60_000
"""Bytes of a picture."""
WIDEST = 800
"""Pixels."""
CHROMIUM = "/usr/bin/chromium"


def _nothing(_page: Page) -> None:
    """Nothing is to be done before the picture is taken."""


def _open_the_form(page: Page) -> None:
    page.locator("details.reveal summary").first.click()
    page.locator("details.reveal form").first.evaluate("it => it.scrollIntoView({block: 'end'})")


def _to_the_verdict(page: Page) -> None:
    # Past the first steps, which are another day's.
    page.locator(".verdict").first.evaluate("it => it.scrollIntoView()")


def _to_the_days(page: Page) -> None:
    page.locator(".legend").first.evaluate("it => it.scrollIntoView({block: 'end'})")


@dataclass(frozen=True)
class Picture:
    """What it shows. path: with what stands in braces among the company's facts. wide, tall: of
    the window, in CSS pixels. first: what is done on the page before.
    """

    name: str
    who: str
    path: str
    language: str = "en"
    scheme: str = "light"
    wide: int = 1100
    tall: int = 700
    first: Callable[[Page], None] = _nothing


PICTURES = (
    Picture("today", "admin", "/", first=_to_the_verdict, tall=560),
    Picture("record", "tuyet", "/records/payroll/{record}", "vi", first=_open_the_form, tall=600),
    Picture("backups", "admin", "/backups", scheme="dark", first=_to_the_days, tall=620),
    Picture("drill", "hoa", "/drills/{drill}/report?format=html&language=en", wide=900, tall=520),
    Picture("event", "hoa", "/audit/events/{reveal}#proof", tall=520),
    Picture("phone", "admin", "/backups", "vi", wide=360, tall=600),
)


def take(made: Pictured, folder: Path) -> Iterator[Path]:
    """Take all of them, from a company that answers; the files."""
    with sync_playwright() as playwright:
        # As root, as in containers, Chromium's own sandbox cannot be.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        sessions: dict[str, Any] = {}
        for one in PICTURES:
            with _visiting(browser, made, one, sessions) as page:
                page.goto(one.path.format(**made.facts))
                one.first(page)
                file = folder / f"{one.name}.png"
                file.write_bytes(page.screenshot())
                yield file
        browser.close()


@contextmanager
def _visiting(
    browser: Browser, made: Pictured, one: Picture, sessions: dict[str, Any]
) -> Iterator[Page]:
    """A window in which somebody is signed in; a wide one is drawn smaller than it is.

    sessions: by who signed in already, as a code works once.
    """
    context = browser.new_context(
        base_url=made.address,
        viewport={"width": one.wide, "height": one.tall},
        device_scale_factor=min(1, WIDEST / one.wide),
        color_scheme="dark" if one.scheme == "dark" else "light",
        locale={"en": "en-GB", "vi": "vi-VN"}[one.language],
        timezone_id="Asia/Ho_Chi_Minh",
        reduced_motion="reduce",
        storage_state=sessions.get(one.who),
    )
    page = context.new_page()
    if one.who not in sessions:
        _sign_in(page, made, one.who)
        sessions[one.who] = context.storage_state()
    yield page
    context.close()


def _sign_in(page: Page, made: Pictured, who: str) -> None:
    page.goto("/sign-in")
    page.fill("#name", who)
    page.fill("#password", made.password(who))
    page.fill("#code", code_of(made.seeds[who]))
    page.click("button.main")
    page.wait_for_url(f"{made.address}/")


def main() -> None:
    """Take them into docs."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, pictured(Path(folder) / "company") as made:
        for file in take(made, FOLDER):
            size = file.stat().st_size
            print(f"{file.name}: {size:,} bytes{', too large' if size > LARGEST else ''}")


if __name__ == "__main__":
    main()
