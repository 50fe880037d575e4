"""What pages of others can have a browser do here: nothing, and lead nobody elsewhere from here."""

from __future__ import annotations

import re
from html import unescape

import pytest
from fastapi.routing import iter_route_contexts

from secvault.api.declared import declaration_of
from tests.console.browsing import Browsing, signed_in
from tests.running_service import PASSWORD, Api, Front

EVIL = "evil.example"
ELSEWHERE = (
    f"https://{EVIL}/",
    f"//{EVIL}/",
    f"/\\{EVIL}",
    f"/%2e/{EVIL}/..//{EVIL}",
    f"javascript:'{EVIL}'",
)
FOREIGN: tuple[dict[str, str], ...] = (
    {"Sec-Fetch-Site": "cross-site", "Origin": f"https://{EVIL}"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "null"},
    {},
)


def forms_open_to_all(front: Front) -> list[str]:
    """The paths that take forms of people who did not sign in."""
    return [
        str(route.path)
        for route in iter_route_contexts(front.routes.routes)
        if route.endpoint.__module__.startswith("secvault.console.")
        and "POST" in (route.methods or ())
        and not declaration_of(route.endpoint).actions  # type: ignore[union-attr]
    ]


@pytest.mark.parametrize("page", FOREIGN, ids=["cross-site", "same-site", "null", "no browser's"])
def test_no_form_that_is_open_to_all_is_taken_from_another_page(
    api: Api, front: Front, page: dict[str, str]
) -> None:
    paths = forms_open_to_all(front)
    assert {"/sign-in", "/sign-in/recovery", "/sign-in/forgotten", "/language", "/join"} < {*paths}
    typed = {"name": "clerk", "password": PASSWORD, "code": "123456", "language": "vi"}
    for path in paths:
        answer = Browsing(api).submit(path, page, **typed)
        assert answer.status_code == 403, path
        assert "set-cookie" not in answer.headers, path


@pytest.mark.parametrize("to", ELSEWHERE)
def test_no_way_through_a_page_leads_to_another_host(api: Api, to: str) -> None:
    browser = signed_in(api, "clerk")
    for sent in (
        browser.submit("/language", language="vi", next=to),
        browser.get(f"/sign-in?next={to}"),
    ):
        assert sent.status_code == 303
        assert _is_own(sent.headers["location"])
    for path in ("/sign-in", "/sign-in/passkey", "/account", "/"):
        text = Browsing(api).get(f"{path}?next={to}").text
        text += browser.get(f"{path}?next={to}&back={to}&to={to}").text
        led = re.findall(r'(?:href|action|content|data-[a-z]+)="([^"]*)"', text)
        assert not [one for one in led if EVIL in one and not _is_own(unescape(one))], path


def _is_own(path: str) -> bool:
    return re.match(r"/(?![/\\])", path) is not None
