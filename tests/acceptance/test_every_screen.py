"""No page of the console is left out by the tests that look at all of them."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.routing import APIRoute

from secvault.console.furnish import PARTS
from tests.acceptance.screens import FILES, SCREENS


def test_every_page_of_the_console_is_looked_at() -> None:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for part in PARTS:
        part.router.add_to(app)
    pages = {
        route.path for route in app.routes if isinstance(route, APIRoute) and "GET" in route.methods
    }
    assert {screen.route for screen in SCREENS} | {*FILES} == pages
    assert not {screen.route for screen in SCREENS} & {*FILES}
