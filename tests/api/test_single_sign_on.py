"""Signing in by an identity provider: what is believed of it, and what is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from secvault.crypto.secret import Secret
from secvault.errors import ConfigurationError, Unavailable
from secvault.identity.oidc.provider import Provider
from secvault.service import authentication, grants, people
from secvault.service.federation import provider_settings
from secvault.service.spine import Caller
from tests.browser_of_a_provider import OIDC, Signing, events, link, reasons, roles, variables
from tests.running_service import PASSWORD, STEP, Api, Front, House, copied
from tests.signing_provider import CLIENT, SECRET, Claims, SigningProvider, serving, unsigned

REFUSED = "The identity provider's answer lets nobody in here."


@pytest.fixture
def settled(house: House) -> dict[str, Any]:
    """Settings of the provider that differ from those of `variables`."""
    return {}


@pytest.fixture
def api(
    front: Front, house: House, corp: SigningProvider, settled: dict[str, Any]
) -> Iterator[Api]:
    """The application over a vault that trusts the provider."""
    house = replace(house, more=variables(corp, **settled))
    with front.serving(house) as served:
        yield served


@pytest.fixture
def signing(api: Api, corp: SigningProvider) -> Signing:
    """A browser."""
    return Signing(api, corp)


def test_somebody_new_is_made_and_let_in_with_the_roles_of_their_groups(
    signing: Signing, api: Api, corp: SigningProvider
) -> None:
    corp.groups = ["Payroll", "Chess"]
    url = signing.begin()
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert url.startswith(f"{corp.issuer}/authorize?")
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"] == "openid profile"
    assert asked["redirect_uri"] == f"http://localhost:8200{OIDC}/corp/callback"
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    answer = signing.back(corp.visit(url))
    assert answer.status_code == 200, answer.text
    session = answer.json()
    assert session["name"] == "mai.le"
    who = api.ok("GET", "/api/v1/sessions/self", session["token"])
    assert who["factors"] == ["oidc", "oidc_mfa"]
    assert who["second_factor_at"] is not None
    assert roles(api, session["subject"]) == {("role:hr.clerk", "oidc:corp")}
    entry = events(api, "auth.sign_in")[0]
    assert (entry["outcome"], entry["detail"]["method"]) == ("ok", "oidc")
    assert entry["detail"]["provider"] == "corp"
    assert events(api, "grant.add")[0]["detail"]["provider"] == "corp"
    assert corp.subject not in json.dumps(events(api, "auth.sign_in"))
    # The same `sub` is the same person, whatever else is said of them.
    corp.claim |= {"preferred_username": "somebody.else", "email": "x@example.com"}
    assert signing().json()["subject"] == session["subject"]


def test_roles_follow_the_groups_at_each_sign_in_and_leave_those_granted_here_alone(
    signing: Signing, api: Api, corp: SigningProvider, house: House
) -> None:
    corp.groups = ["Payroll"]
    subject = signing().json()["subject"]
    with house.open() as service:
        operator = Caller(authentication.local_operator(service))
        grants.add_grant(service, operator, subject=subject, role="role:hr.head", department="hr")
    corp.groups = ["Payroll leads"]
    assert signing().status_code == 200
    # The head's role was granted here: the provider neither doubles it nor takes it away.
    assert roles(api, subject) == {("role:hr.head", "")}
    corp.groups = []
    assert signing().status_code == 200
    assert roles(api, subject) == {("role:hr.head", "")}


def test_names_and_addresses_link_nobody(signing: Signing, api: Api, corp: SigningProvider) -> None:
    corp.claim |= {"preferred_username": "head", "email": "head@example.com"}
    answer = signing()
    assert answer.status_code == 401
    assert answer.json()["detail"].startswith(REFUSED)
    assert reasons(api)[0] == "name_not_free"


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another issuer": ({"iss": "https://evil.example"}, "wrong_issuer"),
    "another audience": ({"aud": "another-client"}, "wrong_audience"),
    "no audience": ({"aud": None}, "wrong_audience"),
    "several audiences and no word for whom": ({"aud": [CLIENT, "x"]}, "wrong_audience"),
    "made for another of its audiences": ({"aud": [CLIENT, "x"], "azp": "x"}, "wrong_audience"),
    "made for another": ({"azp": "x"}, "wrong_audience"),
    "another nonce": ({"nonce": "x" * 43}, "wrong_nonce"),
    "no nonce": ({"nonce": None}, "wrong_nonce"),
    "over": ({"exp": 1_790_000_010 - 121}, "expired"),
    "no end": ({"exp": None}, "wrong_id_token"),
    "made long ago": ({"iat": 1_790_000_010 - 7200}, "expired"),
    "made in the future": ({"iat": 1_790_000_010 + 7200}, "expired"),
    "not yet good": ({"nbf": 1_790_000_010 + 7200}, "expired"),
    "no time": ({"iat": None}, "wrong_id_token"),
    "true for a time": ({"iat": True}, "wrong_id_token"),
    "nobody": ({"sub": None}, "wrong_id_token"),
    "an empty name": ({"sub": ""}, "wrong_id_token"),
    "a number for a name": ({"sub": 7}, "wrong_id_token"),
    "a name too long": ({"sub": "x" * 256}, "wrong_id_token"),
    "another access token": ({"at_hash": "x" * 22}, "wrong_id_token"),
    "seen too long ago": ({"auth_time": 1_790_000_010 - 9 * 3600}, "too_old"),
    "not said when it was seen": ({"auth_time": None}, "too_old"),
    "groups that are none": ({"groups": {"Payroll": True}}, "wrong_id_token"),
}


def test_an_id_token_that_is_not_for_this_sign_in_lets_nobody_in(
    signing: Signing, api: Api, corp: SigningProvider
) -> None:
    usual = dict(corp.claim)
    for case, (claim, reason) in WRONG.items():
        corp.claim = {**usual, **claim}
        answer = signing()
        assert answer.status_code == 401, case
        assert answer.json()["detail"].startswith(REFUSED), case
        assert reasons(api)[0] == reason, case


def _by_stranger(provider: SigningProvider) -> Callable[[Claims], str]:
    stranger = SigningProvider(lambda: 0)
    return stranger.signed


def _bent(provider: SigningProvider) -> Callable[[Claims], str]:
    def sign(claims: Claims) -> str:
        head, _, signature = provider.signed(claims).split(".")
        other = unsigned({}, {**claims, "sub": "somebody-else"}).split(".")[1]
        return f"{head}.{other}.{signature}"

    return sign


FORGED: dict[str, tuple[Callable[[SigningProvider], Callable[[Claims], str]], str]] = {
    "alg none": (lambda _: lambda claims: unsigned({"alg": "none"}, claims), "wrong_algorithm"),
    "alg NONE with a kid": (
        lambda _: lambda claims: unsigned({"alg": "NONE", "kid": "first"}, claims),
        "wrong_algorithm",
    ),
    "the public key as a secret": (lambda it: it.with_public_key_as_secret, "wrong_algorithm"),
    "somebody else's key of the same name": (_by_stranger, "wrong_signature"),
    "changed after signing": (_bent, "wrong_signature"),
    "a key that is not published": (
        lambda it: lambda claims: it.signed(claims, kid="other"),
        "unknown_key",
    ),
    "an algorithm that is not asked for": (
        lambda _: lambda claims: unsigned({"alg": "ES512", "kid": "first"}, claims),
        "wrong_algorithm",
    ),
    "RS256 for a key on a curve": (
        lambda _: lambda claims: unsigned({"alg": "RS256", "kid": "first"}, claims, b"x" * 256),
        "unknown_key",
    ),
    "a logout token": (
        lambda it: lambda claims: it.signed(claims, typ="logout+jwt"),
        "wrong_id_token",
    ),
    "an access token": (
        lambda it: lambda claims: it.signed(claims, typ="at+jwt"),
        "wrong_id_token",
    ),
    "no token": (lambda _: lambda _claims: "x.y", "wrong_id_token"),
    "no JSON": (lambda _: lambda _claims: "!!.!!.!!", "wrong_id_token"),
    "a very long one": (lambda _: lambda _claims: "x" * 70_000 + ".y.z", "wrong_id_token"),
    "a deep header": (
        lambda _: lambda _claims: "W1tb" * 9_000 + ".e30.",
        "wrong_id_token",
    ),
}


def test_a_token_that_the_provider_did_not_sign_so_lets_nobody_in(
    signing: Signing, api: Api, corp: SigningProvider
) -> None:
    for case, (forge, reason) in FORGED.items():
        corp.sign = forge(corp)
        assert signing().status_code == 401, case
        assert reasons(api)[0] == reason, case


def test_the_signature_is_looked_at_before_anything_that_the_token_says(
    signing: Signing, api: Api, corp: SigningProvider
) -> None:
    # Each of these would be refused for another reason, were it looked at first.
    corp.sign = _by_stranger(corp)
    for claim in ({"iss": "https://evil.example"}, {"aud": "x"}, {"exp": 1}, {"sub": 7}):
        corp.claim = claim
        assert signing().status_code == 401, claim
        assert reasons(api)[0] == "wrong_signature", claim


def test_keys_that_a_token_names_or_brings_are_neither_fetched_nor_used(
    signing: Signing, api: Api, corp: SigningProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = SigningProvider(lambda: 0)
    own = stranger.key.as_dict(private=False)
    usual = corp.answer

    def answer(path: str, form: dict[str, list[str]]) -> tuple[int, Any]:
        found = usual(path, form)
        return (200, {"keys": [own]}) if path == "/elsewhere" else found

    monkeypatch.setattr(corp, "answer", answer)
    there = f"{corp.issuer}/elsewhere"
    for header in ({"jku": there}, {"x5u": there}, {"jwk": own}, {"x5c": ["MIIB"]}):
        for kid in ("first", "another"):
            named = {"alg": "ES256", "kid": kid, **header}
            corp.sign = lambda claims, named=named: jwt.encode(  # type: ignore[misc]
                named, claims, stranger.key, algorithms=["ES256"]
            )
            assert signing().status_code == 401, named
            assert reasons(api)[0] in ("wrong_signature", "unknown_key")
    assert not any(path == "/elsewhere" for path, _ in corp.asked)
    corp.sign = None
    assert signing().status_code == 200


def test_an_rsa_key_is_no_secret_either(signing: Signing, api: Api, corp: SigningProvider) -> None:
    corp.key, corp.algorithm = RSAKey.generate_key(2048, {"kid": "r"}), "RS256"
    assert signing().status_code == 200
    corp.sign = corp.with_public_key_as_secret
    assert signing().status_code == 401
    assert reasons(api)[0] == "wrong_algorithm"


def test_published_secrets_and_short_keys_are_not_used(
    signing: Signing, api: Api, corp: SigningProvider
) -> None:
    corp.key, corp.algorithm = RSAKey.generate_key(1024, {"kid": "short"}), "RS256"
    shared = OctKey.generate_key(256, {"kid": "first"}).as_dict(private=True)
    corp.published = [corp.key.as_dict(private=False), shared, {"kty": "?"}, {}]  # type: ignore[list-item]
    assert signing().status_code == 401
    assert reasons(api)[0] == "unknown_key"


def test_a_new_key_of_the_provider_is_fetched_but_not_for_every_name_that_comes(
    signing: Signing, api: Api, corp: SigningProvider
) -> None:
    def fetched() -> int:
        return sum(path == "/keys" for path, _ in corp.asked)

    assert signing().status_code == 200
    assert signing().status_code == 200
    assert fetched() == 1
    corp.sign = lambda claims: corp.signed(claims, kid="made up")
    for _ in range(3):
        assert signing().status_code == 401
    assert fetched() == 1


def test_a_state_is_good_once_and_in_the_browser_that_began(
    signing: Signing, api: Api, corp: SigningProvider
) -> None:
    brought = corp.visit(signing.begin())
    assert signing.back(brought).status_code == 200
    again = {**corp.visit(signing.begin()), "state": brought["state"]}
    assert signing.back(again).status_code == 401
    assert reasons(api)[0] == "unknown_state"
    # Somebody has the victim's browser come back with an answer of their own.
    attacker, victim = Signing(api, corp), Signing(api, corp)
    brought = corp.visit(attacker.begin())
    victim.begin()
    assert victim.back(brought).status_code == 401
    assert reasons(api)[0] == "other_browser"
    # That used it up, for the one who began it, too.
    assert attacker.back(brought).status_code == 401
    name = f"__Host-secvault-oidc-{brought['state'][:16]}"
    for wrong in ("", "x", "AAAA", "a" * 43):
        brought = corp.visit(attacker.begin())
        attacker.cookies = {name: wrong}
        assert attacker.back(brought).status_code == 401


def test_a_state_that_waited_too_long_is_over(
    signing: Signing, api: Api, corp: SigningProvider, house: House
) -> None:
    brought = corp.visit(signing.begin())
    house.hands.seconds += 601
    assert signing.back(brought).status_code == 401
    assert reasons(api)[0] == "unknown_state"


def test_answers_that_do_not_name_their_issuer_are_refused_before_the_code_goes_anywhere(
    signing: Signing, api: Api, corp: SigningProvider
) -> None:
    for iss in ("https://evil.example", ""):
        brought = {**corp.visit(signing.begin()), "iss": iss}
        corp.asked.clear()
        assert signing.back(brought).status_code == 401
        assert reasons(api)[0] == "wrong_issuer"
        assert not any(path == "/token" for path, _ in corp.asked)


def test_the_providers_no_lets_nobody_in(signing: Signing, api: Api, corp: SigningProvider) -> None:
    brought = corp.visit(signing.begin())
    refused = {"state": brought["state"], "iss": corp.issuer, "error": "access_denied"}
    assert signing.back(refused).status_code == 401
    assert reasons(api)[0] == "provider_refused"
    brought = {**corp.visit(signing.begin()), "code": "made-up"}
    assert signing.back(brought).status_code == 401
    assert reasons(api)[0] == "code_refused"
    assert signing.back({}).status_code == 401
    assert api("GET", f"{OIDC}/corp/callback", params={"state": "x" * 200}).status_code == 422


def test_one_provider_cannot_answer_for_another(
    front: Front, furnished: House, corp: SigningProvider, tmp_path: Path
) -> None:
    house = copied(furnished, tmp_path / "two")
    corp.now = lambda: int(house.hands.seconds)
    with serving(SigningProvider(corp.now)) as evil:
        evil.claim, evil.described = dict(corp.claim), {}
        both = {**variables(corp), **variables(evil, "EVIL")}
        with front.serving(replace(house, more=both)) as api:
            assert api.ok("GET", OIDC)["providers"] == ["corp", "evil"]
            signing = Signing(api, corp)
            brought = corp.visit(signing.begin())
            # The honest provider's code is brought to the other's address, and the other way.
            corp.asked.clear()
            evil.asked.clear()
            assert signing.back(brought, "evil").status_code == 401
            assert not any(path == "/token" for path, _ in (*corp.asked, *evil.asked))
            url = signing.begin()
            swapped = evil.visit(url)
            assert signing.back(swapped).status_code == 401
            assert reasons(api)[0] == "wrong_issuer"
            # An ID token of the one, given out by the other, under the same subject.
            evil.sign = corp.signed
            assert Signing(api, evil, "evil")().status_code == 401
            evil.sign = None
            evil.described = {"token_endpoint": f"{corp.issuer}/token"}
            assert Signing(api, corp)().json()["name"] == "mai.le"
            evil.claim |= {"preferred_username": "other.name"}
            assert Signing(api, evil, "evil")().json()["name"] == "other.name"


DESCRIBED: dict[str, dict[str, Any]] = {
    "another issuer": {"issuer": "http://127.0.0.1:1"},
    "a foreign token endpoint": {"token_endpoint": "http://169.254.169.254/latest"},
    "a foreign host in disguise": {"token_endpoint": "http://127.0.0.1@evil.example/token"},
    "keys elsewhere": {"jwks_uri": "http://127.0.0.1:1/keys"},
    "keys in a file": {"jwks_uri": "file:///etc/passwd"},
    "no keys": {"jwks_uri": None},
    "a number for an address": {"authorization_endpoint": 7},
    "an address that is none": {"authorization_endpoint": "http://[::1"},
}


def test_nothing_is_sent_to_where_a_description_points_but_the_providers_hosts(
    house: House, corp: SigningProvider
) -> None:
    given = provider_settings(replace(house, more=variables(corp)).settings, "corp")
    for case, said in DESCRIBED.items():
        corp.described = said
        corp.asked.clear()
        with pytest.raises(Unavailable, match=r"identity\.oidc\.corp"):
            Provider(given, house.hands.clock()).describe()
        assert [path for path, _ in corp.asked] == ["/.well-known/openid-configuration"], case


def test_a_provider_that_fails_is_left_alone_for_a_while(api: Api, corp: SigningProvider) -> None:
    corp.described = {"issuer": "http://127.0.0.1:1"}
    for _ in range(3):
        answer = api.client.get(f"{OIDC}/corp", follow_redirects=False)
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:secvault:problem:unavailable"
    assert len(corp.asked) == 1


def test_redirects_of_the_provider_are_not_followed_and_long_answers_not_read(
    signing: Signing, corp: SigningProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = corp.answer

    def answer(path: str, form: dict[str, list[str]]) -> tuple[int, Any]:
        if path == "/token":
            return redirect
        if path == "/elsewhere":
            raise AssertionError("the redirect was followed")
        return usual(path, form)

    redirect: tuple[int, Any] = (307, {"location": f"{corp.issuer}/elsewhere"})
    monkeypatch.setattr(corp, "answer", answer)
    assert signing().status_code == 401
    redirect = (200, b" " * 400_000)
    assert signing().status_code == 503
    redirect = (500, {})
    assert signing().status_code == 503
    redirect = (200, [])
    assert signing().status_code == 401


@pytest.mark.parametrize("settled", [{"second_factor": "local"}])
def test_a_second_factor_of_ours_is_asked_for_unless_the_settings_say_otherwise(
    signing: Signing, api: Api, corp: SigningProvider, house: House, settled: object
) -> None:
    corp.subject, corp.groups = "somebody-new", ["Payroll"]
    answer = signing()
    # Whom it brings is there to be given a device, and is not let in without one.
    assert answer.status_code == 401
    assert reasons(api)[0] == "no_second_factor"
    listed = api.ok("GET", "/api/v1/people", "auditor")["people"]
    (brought,) = [each for each in listed if each["name"] == "mai.le"]
    assert roles(api, f"user:{brought['id']}") == {("role:hr.clerk", "oidc:corp")}
    corp.subject = "an-opaque-subject"
    link(signing, api, "head")
    answer = signing()
    assert answer.status_code == 202
    request = answer.json()["request"]
    wrong = {"request": request, "code": "000000"}
    assert api("POST", f"{OIDC}/second-factor", None, wrong).status_code == 401
    house.hands.seconds += 2 * STEP
    right = {"request": request, "code": house.hands.code(house.seeds["head"])}
    session = api.ok("POST", f"{OIDC}/second-factor", None, right)
    assert session["name"] == "head"
    who = api.ok("GET", "/api/v1/sessions/self", session["token"])
    assert who["factors"] == ["oidc", "totp"]
    assert api("POST", f"{OIDC}/second-factor", None, right).status_code == 422
    assert api("POST", f"{OIDC}/second-factor", None, {**right, "request": "x"}).status_code == 422


def test_without_a_second_factor_at_the_provider_one_of_ours_is_needed(
    signing: Signing, api: Api, corp: SigningProvider
) -> None:
    corp.claim["amr"] = ["pwd"]
    assert signing().status_code == 401
    assert reasons(api)[0] == "no_second_factor"


def test_the_second_factor_is_as_old_as_the_provider_says(
    signing: Signing, api: Api, corp: SigningProvider, house: House
) -> None:
    corp.claim["auth_time"] = int(house.hands.seconds) - 600
    old = signing().json()["token"]
    answer = api("POST", "/api/v1/identities/corp", old)
    assert answer.status_code == 401
    assert "insufficient_user_authentication" in answer.headers["www-authenticate"]
    corp.claim["auth_time"] = int(house.hands.seconds)
    url = signing.begin(fresh="true")
    assert "prompt=login" in url
    assert "max_age=0" in url
    assert signing.back(corp.visit(url)).status_code == 200
    corp.claim["auth_time"] -= 600
    assert signing(fresh="true").status_code == 401


@pytest.mark.parametrize("settled", [{"unknown_people": "refuse"}])
def test_people_link_an_account_themselves_in_a_session_with_a_fresh_factor(
    signing: Signing, api: Api, corp: SigningProvider, house: House, settled: object
) -> None:
    assert signing().status_code == 401
    assert reasons(api)[0] == "not_linked"
    assert api("POST", "/api/v1/identities/corp").status_code == 401
    assert api("POST", "/api/v1/identities/corp", "system").status_code in (401, 403)
    answer = link(signing, api, "head")
    assert answer.json() == {"linked": "corp"}
    assert signing().json()["name"] == "head"
    (known,) = api.ok("GET", "/api/v1/identities", "head")["identities"]
    assert (known["provider"], known["origin"]) == ("corp", "linked")
    # Nobody else takes the same account, and nobody has two of one provider.
    assert link(signing, api, "clerk").status_code == 401
    corp.subject = "another-subject"
    assert link(signing, api, "head").status_code == 401
    assert reasons(api)[:2] == ["linked_already", "linked_already"]
    house.hands.seconds += 400
    corp.subject = "an-opaque-subject"
    corp.claim["auth_time"] = int(house.hands.seconds)
    for method in ("POST", "DELETE"):
        stale = api(method, "/api/v1/identities/corp", "head")
        assert stale.status_code == 401
        assert "max_age" in stale.headers["www-authenticate"]
    fresh = signing().json()["token"]
    assert api("DELETE", "/api/v1/identities/corp", fresh).status_code == 204
    assert signing().status_code == 401


def test_a_link_ends_in_nothing_when_the_session_that_asked_has_ended(
    signing: Signing, api: Api, corp: SigningProvider
) -> None:
    begun = api("POST", "/api/v1/identities/corp", "clerk")
    signing.keep(begun)
    assert api("DELETE", "/api/v1/sessions/self", "clerk").status_code == 204
    assert signing.back(corp.visit(begun.json()["url"])).status_code == 401
    assert reasons(api)[0] == "changed_meanwhile"


def test_who_was_disabled_here_stays_out(
    signing: Signing, api: Api, corp: SigningProvider, house: House
) -> None:
    session = signing().json()
    with house.open() as service:
        operator = Caller(authentication.local_operator(service))
        people.disable_person(service, operator, session["subject"].partition(":")[2])
    assert signing().status_code == 401
    assert reasons(api)[0] == "disabled"
    assert api("GET", "/api/v1/sessions/self", session["token"]).status_code == 401


@pytest.mark.parametrize("settled", [{"groups_from": "userinfo"}])
def test_groups_may_come_from_userinfo_of_the_same_person_only(
    signing: Signing, api: Api, corp: SigningProvider, settled: object
) -> None:
    corp.claim["groups"] = None
    corp.groups = ["Payroll"]
    corp.userinfo = {}
    subject = signing().json()["subject"]
    assert roles(api, subject) == {("role:hr.clerk", "oidc:corp")}
    corp.userinfo = {"sub": "somebody-else"}
    assert signing().status_code == 401
    assert roles(api, subject) == {("role:hr.clerk", "oidc:corp")}


def logout_token(corp: SigningProvider, **changed: Any) -> str:
    """A logout token for the person, as changed."""
    now = corp.now()
    said = {
        "iss": corp.issuer,
        "aud": CLIENT,
        "iat": now,
        "exp": now + 60,
        "jti": "the-first",
        "sub": corp.subject,
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        **changed,
    }
    claims = {name: value for name, value in said.items() if value is not None}
    return corp.signed(claims, typ="logout+jwt")


def test_a_session_ends_after_its_hours_and_the_provider_is_asked_anew(
    signing: Signing, api: Api, corp: SigningProvider, house: House
) -> None:
    token = signing().json()["token"]
    begun = house.hands.seconds
    while house.hands.seconds < begun + 8 * 3600 - 1500:
        house.hands.seconds += 1500
        assert api("GET", "/api/v1/sessions/self", token).status_code == 200
    house.hands.seconds = begun + 8 * 3600
    assert api("GET", "/api/v1/sessions/self", token).status_code == 401
    url = signing.begin()
    assert "max_age=28800" in url
    # Whom the provider has not seen since is not let in by it, either.
    house.hands.seconds += 121
    assert signing().status_code == 401
    corp.claim["auth_time"] = int(house.hands.seconds)
    assert signing().status_code == 200


def _logout(api: Api, token: str) -> int:
    path = f"{OIDC}/corp/back-channel-logout"
    return api.client.post(path, data={"logout_token": token}).status_code


def test_the_provider_ends_the_sessions_that_it_opened(
    signing: Signing, api: Api, corp: SigningProvider
) -> None:
    corp.claim["sid"] = "there-1"
    one = signing().json()["token"]
    corp.claim["sid"] = "there-2"
    two, three = signing().json()["token"], signing().json()["token"]
    for wrong in (
        {"events": None},
        {"events": {}},
        {"nonce": "x"},
        {"sub": None},
        {"jti": None},
        {"aud": "x"},
        {"iss": "x"},
        {"iat": corp.now() - 7200},
        {"exp": corp.now() - 200},
    ):
        assert _logout(api, logout_token(corp, **wrong)) == 400, wrong
    assert _logout(api, "x") == 400
    # An ID token is none, also where it is said to be one.
    for kind in ({}, {"typ": "logout+jwt"}):
        of_a_sign_in = corp.signed(corp.claims({"nonce": ["n"]}), **kind)
        assert _logout(api, of_a_sign_in) == 400
    assert api.ok("GET", "/api/v1/sessions/self", one)
    assert _logout(api, logout_token(corp, sid="there-1")) == 200
    assert api("GET", "/api/v1/sessions/self", one).status_code == 401
    assert api.ok("GET", "/api/v1/sessions/self", two)
    # The same token again, even for sessions that began since.
    assert _logout(api, logout_token(corp)) == 400
    assert _logout(api, logout_token(corp, jti="the-second")) == 200
    for token in (two, three):
        assert api("GET", "/api/v1/sessions/self", token).status_code == 401
    assert api.ok("GET", "/api/v1/sessions/self", "head")
    assert events(api, "auth.logged_out")[0]["detail"]["provider"] == "corp"


def test_signing_out_says_where_the_provider_does_the_same(
    signing: Signing, api: Api, corp: SigningProvider
) -> None:
    token = signing().json()["token"]
    url = api.ok("POST", "/api/v1/sessions/self/sign-out", token)["url"]
    assert url.startswith(f"{corp.issuer}/logout?client_id={CLIENT}&post_logout_redirect_uri=")
    assert api("GET", "/api/v1/sessions/self", token).status_code == 401
    assert api.ok("POST", "/api/v1/sessions/self/sign-out", "clerk") == {"url": None}


def test_failures_are_counted_against_their_network_and_successes_are_not(
    front: Front, house: House, corp: SigningProvider
) -> None:
    limited = {**variables(corp), "SECVAULT_IDENTITY__NETWORK_FAILURES": "3"}
    with front.serving(replace(house, more=limited)) as api:
        # The test client's address is no address; this one is.
        api.client._transport.client = ("192.0.2.7", 1)  # type: ignore[attr-defined]
        signing = Signing(api, corp)
        for _ in range(5):
            assert signing().status_code == 200
        statuses = [signing.back({"state": "made-up"}).status_code for _ in range(5)]
        assert statuses[:3] == [401] * 3
        assert statuses[-1] == 429


TOO_MUCH_OR_NOTHING: tuple[tuple[dict[str, Any], str], ...] = (
    ({"privileged_roles": False, "groups": ["Admins = it.admin@it"]}, "privileged_roles"),
    ({"privileged_roles": False, "groups": ["Auditors = it.auditor@*"]}, "privileged_roles"),
    # What it takes two people to give here.
    ({"privileged_roles": False, "groups": ["Leads = hr.head@hr"]}, "privileged_roles"),
    ({"groups": ["Some = hr.nobody@hr"]}, "no role"),
    ({"groups": ["Some = hr.clerk@it"]}, "hr only"),
    ({"groups": ["Some = it.operator@it"], "privileged_roles": True}, "kept for the server"),
    ({"department": "nowhere"}, "department"),
)


def test_groups_that_would_give_too_much_or_nothing_stop_the_start(
    house: House, corp: SigningProvider
) -> None:
    for settled, said in TOO_MUCH_OR_NOTHING:
        with (
            pytest.raises(ConfigurationError, match=said),
            replace(house, more=variables(corp, **settled)).open(),
        ):
            pass


@pytest.mark.parametrize(
    "settled", [{"groups": ["Admins = it.admin@it"], "privileged_roles": True}]
)
def test_a_privileged_role_comes_from_a_group_only_where_the_settings_allow_it(
    signing: Signing, api: Api, corp: SigningProvider, settled: object
) -> None:
    corp.groups = ["Admins"]
    subject = signing().json()["subject"]
    assert roles(api, subject) == {("role:it.admin", "oidc:corp")}
    assert PASSWORD not in api.ok("GET", "/api/v1/people", "auditor").__repr__()
    assert Secret.of(SECRET).__repr__() == "***"


def test_a_client_may_show_itself_by_a_key(
    front: Front, house: House, corp: SigningProvider, tmp_path: Path
) -> None:
    key = ECKey.generate_key("P-256")
    file = tmp_path / "client.pem"
    file.write_bytes(key.as_pem(private=True))
    given = variables(corp, client_secret="", client_key_file=str(file))
    with front.serving(replace(house, more=given)) as api:
        assert Signing(api, corp)().status_code == 200
    (form,) = [form for path, form in corp.asked if path == "/token"]
    assertion = jwt.decode(form["client_assertion"][0], key, algorithms=["ES256"]).claims
    assert (assertion["iss"], assertion["aud"]) == (CLIENT, f"{corp.issuer}/token")
    assert "client_secret" not in form
