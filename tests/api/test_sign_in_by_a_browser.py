"""Single sign-on of a browser that keeps its session in a cookie, and from which network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from secvault.api.browser import COOKIE_NAME
from tests.browser_of_a_provider import OIDC, Signing, events, link, variables
from tests.running_service import STEP, Api, Front, House
from tests.signing_provider import SigningProvider

OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def settled() -> dict[str, Any]:
    """Settings of the provider that differ from those of `variables`."""
    return {}


@pytest.fixture
def api(
    front: Front, house: House, corp: SigningProvider, settled: dict[str, Any]
) -> Iterator[Api]:
    """The application over a vault that trusts the provider."""
    with front.serving(replace(house, more=variables(corp, **settled))) as served:
        yield served


@pytest.fixture
def signing(api: Api, corp: SigningProvider) -> Signing:
    """A browser."""
    return Signing(api, corp)


def _with_cookie(api: Api, token: str) -> httpx2.Response:
    return api("GET", "/api/v1/sessions/self", headers={"Cookie": f"{COOKIE_NAME}={token}"})


def test_a_browser_gets_its_session_as_a_cookie_and_no_page_shows_the_token(
    signing: Signing, api: Api, corp: SigningProvider
) -> None:
    answer = signing.back(corp.visit(signing.begin(cookie="true")))
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    shown = answer.json()
    assert shown["token"] is None
    signing.keep(answer)
    assert signing.session.startswith("svs_")
    assert signing.session not in answer.text
    who = _with_cookie(api, signing.session)
    assert who.json()["csrf_token"] == shown["csrf_token"]
    assert who.json()["factors"] == ["oidc", "oidc_mfa"]
    # In a header it opens nothing, and a sign-in that was not begun for a cookie sets none.
    assert api("GET", "/api/v1/sessions/self", signing.session).status_code == 401
    plain = signing()
    assert plain.json()["token"].startswith("svs_")
    assert COOKIE_NAME + "=" not in plain.headers.get("set-cookie", "")


def test_a_browser_that_has_a_session_loses_it_for_the_new_one(
    signing: Signing, api: Api, corp: SigningProvider
) -> None:
    signing.keep(signing(cookie="true"))
    before = signing.session
    brought = corp.visit(signing.begin(cookie="true"))
    assert _with_cookie(api, before).status_code == 200
    answer = signing.back(brought)
    signing.keep(answer)
    assert signing.session != before
    assert _with_cookie(api, before).status_code == 401
    assert _with_cookie(api, signing.session).status_code == 200
    ended = [each["detail"].get("session") for each in events(api, "session.self")]
    assert before.split("_")[1] in ended
    # Whom the provider does not let back in keeps what they have.
    corp.claim["amr"], had = [], signing.session
    assert signing(cookie="true").status_code == 401
    assert _with_cookie(api, had).status_code == 200


def test_no_other_page_has_a_browser_begin_to_get_another_session(api: Api) -> None:
    for site in ("cross-site", "same-site"):
        answer = api.client.get(
            f"{OIDC}/corp",
            params={"cookie": "true"},
            headers={"Sec-Fetch-Site": site},
            follow_redirects=False,
        )
        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:secvault:problem:foreign-page"


@pytest.mark.parametrize("settled", [{"second_factor": "local", "unknown_people": "refuse"}])
def test_a_code_after_the_provider_opens_a_session_in_a_cookie_too(
    signing: Signing, api: Api, house: House, settled: object
) -> None:
    link(signing, api, "head")
    path = f"{OIDC}/second-factor"
    for _ in range(2):
        before = signing.session
        house.hands.seconds += 2 * STEP
        asked = signing(cookie="true")
        assert asked.status_code == 202
        assert COOKIE_NAME + "=" not in asked.headers["set-cookie"]
        given = {
            "request": asked.json()["request"],
            "code": house.hands.code(house.seeds["head"]),
            "cookie": True,
        }
        foreign = api("POST", path, None, given, headers={"Sec-Fetch-Site": "cross-site"})
        assert foreign.status_code == 403
        kept = {"Cookie": f"{COOKIE_NAME}={before}"} if before else {}
        answer = api("POST", path, None, given, headers={**OWN_PAGE, **kept})
        assert answer.status_code == 201, answer.text
        assert answer.json()["token"] is None
        signing.keep(answer)
        assert _with_cookie(api, signing.session).json()["factors"] == ["oidc", "totp"]
        if before:
            assert _with_cookie(api, before).status_code == 401


def test_the_network_is_kept_and_a_new_one_noted(signing: Signing, api: Api) -> None:
    networks = []
    for address in ("192.0.2.7", "198.51.100.7", "192.0.2.8"):
        # The test client's own address is none.
        api.client._transport.client = (address, 1)  # type: ignore[attr-defined]
        token = signing().json()["token"]
        sessions = api.ok("GET", "/api/v1/sessions", token)["sessions"]
        networks += [each["network"] for each in sessions if each["present"]]
    assert networks == ["192.0.2.0/24", "198.51.100.0/24", "192.0.2.0/24"]
    noted = [
        each["detail"].get("new_network", False)
        for each in reversed(events(api, "auth.sign_in"))
        if each["detail"]["method"] == "oidc"
    ]
    assert noted == [False, True, False]
