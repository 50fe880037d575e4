"""What pages load: kept by browsers under a name with its version, packed, and little."""

from __future__ import annotations

import gzip
import re

from secvault.console import assets
from tests.console.browsing import Browsing, signed_in
from tests.running_service import Api


def test_a_file_is_kept_under_the_name_that_pages_give_and_under_no_other(api: Api) -> None:
    browser = Browsing(api)
    named = assets.place_of("console.css")
    assert re.fullmatch(r"/assets/console\.[0-9a-f]{10}\.css", named)
    assert f'href="{named}"' in browser.get("/sign-in").text
    kept, plain = browser.get(named), browser.get("/assets/console.css")
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plain.headers["cache-control"] == "no-store"
    assert kept.content == plain.content
    for answer in (kept, plain):
        assert answer.headers["content-type"] == "text/css; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["vary"] == "Accept-Encoding"
    assert browser.get("/assets/console.0123456789.css").status_code == 404


def test_files_are_packed_for_who_can_unpack_them_and_pages_are_not(api: Api) -> None:
    browser = signed_in(api, "admin")
    packed = browser.get(assets.place_of("htmx.js"), **{"Accept-Encoding": "gzip, br"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < 18_000
    plain = browser.get(assets.place_of("htmx.js"), **{"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == packed.content
    # A page holds what is secret beside what a stranger may have said.
    page = browser.get("/", **{"Accept-Encoding": "gzip"})
    assert "content-encoding" not in page.headers


def test_htmx_is_of_the_version_that_was_looked_at() -> None:
    assert assets.has_htmx()
    files = assets._files()
    assert b'version:"2.0.10"' in files["htmx.js"]
    assert b"sse-connect" in files["htmx-events.js"]


def test_the_page_for_signing_in_loads_no_htmx_and_is_small(api: Api) -> None:
    browser = Browsing(api)
    page = browser.get("/sign-in")
    assert "htmx" not in page.text
    loaded = re.findall(r'(?:src|href)="(/assets/[^"]+)"', page.text)
    sizes = [len(page.content)]
    for path in loaded:
        content = browser.get(path).content
        sizes.append(len(gzip.compress(content)))
    assert sum(sizes) < 50_000
