"""No page of the console is left out by the tests that look at all of them."""

from __future__ import annotations

from secvault.console.furnish import PARTS
from tests.acceptance.screens import FILES, SCREENS


def test_every_page_of_the_console_is_looked_at() -> None:
    pages = {
        route.path
        for part in PARTS
        for route in part.router.routes
        if "GET" in (getattr(route, "methods", None) or ())
    }
    assert {screen.route for screen in SCREENS} | {*FILES} == pages
    assert not {screen.route for screen in SCREENS} & {*FILES}
