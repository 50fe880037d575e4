"""A browser in which each click is counted, and the words that were clicked are kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from playwright.sync_api import Browser, Locator, Page

from tests.acceptance.test_console_in_chromium import HASTE

WIDE = {"width": 1100, "height": 800}
# Answers that are meant to be refusals, which browsers tell as resources that failed.
EXPECTED = ("Clear-Site-Data", "status of 401", "status of 403", "status of 503", HASTE)

Kind = Literal["link", "button"]


@dataclass(frozen=True)
class Click:
    """One click. words: as they stand on the screen; empty for a name that people gave.

    second: whether it is one of the second person, who approves.
    """

    words: str
    second: bool = False


@dataclass
class Hand:
    """Somebody's hand on the mouse. clicks: of all hands of a job, in the order of their doing."""

    page: Page
    clicks: list[Click]
    second: bool = False

    def link(self, words: str, within: str = "body") -> None:
        """Click the link that says this."""
        self._click("link", words, within)

    def button(self, words: str, within: str = "body") -> None:
        """Click the button that says this."""
        self._click("button", words, within)

    def opened(self, words: str, among: Locator) -> None:
        """Open what is folded away behind these words."""
        self._done(words, among.locator("summary", has_text=words).first)

    def named(self, found: Locator) -> None:
        """Click what is called by a name of the company: a person, a plan, a key."""
        self._done("", found.first)

    def _click(self, kind: Kind, words: str, within: str) -> None:
        place = self.page.locator(within)
        found = place.get_by_role(kind, name=words, exact=True)
        if found.count() == 0:
            # What is read out says more than the words: “End tablet now”.
            found = place.get_by_role(kind).filter(has_text=words)
        self._done(words, found.first)

    def _done(self, words: str, what: Locator) -> None:
        what.click()
        self.page.wait_for_load_state()
        self.clicks.append(Click(words, self.second))


@dataclass
class Job:
    """One job that is done. clicks: so far, of everybody."""

    browser: Browser
    address: str
    clicks: list[Click] = field(default_factory=list)

    @contextmanager
    def hand(self, *, second: bool = False) -> Iterator[Hand]:
        """A browser of somebody's own; it must have nothing to complain of."""
        context = self.browser.new_context(base_url=self.address, viewport=WIDE, locale="en-GB")  # type: ignore[arg-type]
        context.set_default_timeout(150_000)
        page, complaints = context.new_page(), list[str]()
        page.on("console", lambda said: complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        try:
            yield Hand(page, self.clicks, second)
        finally:
            context.close()
        assert [one for one in complaints if not any(each in one for each in EXPECTED)] == []
