"""One's own account: only one's own, changed with what one knows and holds, shown once."""

from __future__ import annotations

import json
import re

import pytest

from secvault.api.browser import COOKIE_NAME
from tests.console.browsing import OWN, Browsing, signed_in
from tests.console.forms import admin_token, fields, fresh, seed_of, two
from tests.running_service import PASSWORD, STEP, Api
from tests.software_authenticator import SoftwareAuthenticator

HOSTILE = "<script>alert(1)</script>"


def both(api: Api, browser: Browsing, **more: str) -> dict[str, str]:
    return {"csrf": browser.csrf(), "password": PASSWORD, "code": fresh(api), **more}


def test_everybody_sees_their_own_account_and_nobody_elses(api: Api) -> None:
    clerk, head = signed_in(api, "clerk"), signed_in(api, "head")
    page = clerk.get("/account").text
    assert "<code>hr.clerk</code>" in page
    assert "hr.head" not in page
    assert "this one" in page
    assert 'href="/account" aria-current="page"' in page
    (own,) = set(re.findall(r"/account/sessions/(\w{10})/end", page))
    assert own not in head.get("/account").text
    ended = head.submit(f"/account/sessions/{own}/end", csrf=head.csrf())
    assert ended.status_code == 404
    assert Browsing(api).get("/account").headers["location"] == "/sign-in?next=/account"
    clerk.submit("/language", language="vi")
    assert "<h1>Tài khoản</h1>" in clerk.get("/account").text


def test_other_sessions_of_ones_own_end_one_by_one_or_all_after_a_fresh_code(api: Api) -> None:
    here, there, third = (signed_in(api, "clerk") for _ in range(3))
    ends = re.findall(r"/account/sessions/(\w{10})/end", here.get("/account").text)
    # Beside the browsers there is the one of the furnished vault, in a header.
    assert len(ends) == 3
    path = f"/account/sessions/{ends[1]}/end"
    assert here.submit(path, csrf=here.csrf()).status_code == 303
    assert there.get("/account").status_code == 303
    assert third.get("/account").status_code == 200
    api.house.hands.seconds += 400
    stopped = here.submit("/account/sessions/end-others", csrf=here.csrf())
    assert stopped.status_code == 401
    assert third.get("/account").status_code == 200
    before = here.cookies[COOKIE_NAME]
    kept = fields(stopped.text, "/step-up")
    shown = here.submit("/step-up", code=fresh(api), **kept)
    assert shown.status_code == 200, shown.text
    assert here.cookies[COOKIE_NAME] != before
    again = fields(shown.text, "/account/sessions/end-others")
    assert here.submit("/account/sessions/end-others", **again).status_code == 303
    assert third.get("/account").status_code == 303
    assert here.get("/account").status_code == 200


def test_a_page_that_needs_a_fresh_code_asks_for_it_and_comes_back(api: Api) -> None:
    clerk = signed_in(api, "clerk")
    api.house.hands.seconds += 400
    stopped = clerk.get("/account/recovery-codes?a=1")
    assert stopped.status_code == 401
    kept = fields(stopped.text, "/step-up")
    assert "form" not in kept
    assert clerk.submit("/step-up", code=fresh(api)).status_code == 403
    back = clerk.submit("/step-up", code=api.house.hands.code(api.house.seeds["clerk"]), **kept)
    assert (back.status_code, back.headers["location"]) == (303, "/account/recovery-codes?a=1")
    assert clerk.get("/account/recovery-codes").status_code == 200


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_nobody_is_sent_to_another_host_after_a_fresh_code(api: Api, back: str) -> None:
    clerk = signed_in(api, "clerk")
    given = {"csrf": clerk.csrf(), "code": fresh(api), "back": back, "to": back}
    assert clerk.submit("/step-up", **given).headers["location"] == "/"
    page = clerk.submit(
        "/step-up",
        **{**given, "csrf": clerk.csrf(), "code": fresh(api), "form": "yes", "kept": "[]"},
    )
    assert "evil.example" not in page.text


def test_a_device_is_enrolled_with_a_picture_and_two_codes_and_taken_away_again(api: Api) -> None:
    clerk = signed_in(api, "clerk")
    assert clerk.get("/account/devices/new").status_code == 200
    wrong = clerk.submit(
        "/account/devices", **both(api, clerk, name=HOSTILE, password="not the password")
    )
    assert wrong.status_code == 401
    assert "not the password" not in wrong.text
    assert 'value="&lt;script&gt;' in wrong.text
    assert "<script" not in wrong.text
    api.house.hands.seconds += 60
    begun = clerk.submit("/account/devices", **both(api, clerk, name="tablet"))
    assert begun.status_code == 200, begun.text
    assert "<svg " in begun.text
    assert " style=" not in begun.text
    seed = seed_of(begun.text)
    (device,) = set(re.findall(r"/account/devices/(\w+)/confirm", begun.text))
    assert "waits for its two codes" in clerk.get("/account").text
    path = f"/account/devices/{device}/confirm"
    assert seed not in clerk.get(path).text
    unfit = clerk.submit(path, csrf=clerk.csrf(), first="000000", second="000001")
    assert unfit.status_code == 422
    assert seed not in unfit.text
    done = clerk.submit(path, csrf=clerk.csrf(), **two(api, seed))
    assert (done.status_code, done.headers["location"]) == (303, "/account#factors")
    assert "tablet" in clerk.get("/account").text

    gone = f"/account/devices/{device}/remove"
    assert "tablet" in clerk.get(gone).text
    assert signed_in(api, "head").get(gone).status_code == 303
    assert clerk.submit(gone, **both(api, clerk)).status_code == 303
    assert "tablet" not in clerk.get("/account").text
    (last,) = set(re.findall(r"/account/devices/(\w+)/remove", clerk.get("/account").text))
    refused = clerk.submit(f"/account/devices/{last}/remove", **both(api, clerk))
    assert refused.status_code == 409
    assert last in clerk.get("/account").text


def test_recovery_codes_are_shown_once(api: Api) -> None:
    clerk = signed_in(api, "clerk")
    wrong = clerk.submit("/account/recovery-codes", csrf=clerk.csrf(), password="no password")
    assert wrong.status_code == 401
    without = clerk.submit("/account/recovery-codes", csrf=clerk.csrf())
    assert without.status_code == 422
    made = clerk.submit("/account/recovery-codes", csrf=clerk.csrf(), password=PASSWORD)
    codes = re.findall(r'<code class="secret">([^<]+)</code>', made.text)
    assert len(codes) == 10
    page = clerk.get("/account").text
    assert "10 recovery codes are left." in page
    assert codes[0] not in page


def test_a_new_password_is_taken_with_both_factors(api: Api) -> None:
    clerk, new = signed_in(api, "clerk"), "quite another passphrase 7"
    path = "/account/password"
    assert clerk.get(path).status_code == 200
    easy = clerk.submit(path, **both(api, clerk, new_password="short"))
    assert easy.status_code == 422
    assert "short" not in re.sub(r"<[^>]*>", "", easy.text).split("Your present")[1]
    done = clerk.submit(path, **both(api, clerk, new_password=new))
    assert done.status_code == 303, done.text
    answer = Browsing(api).submit("/sign-in", name="clerk", password=new, code=fresh(api))
    assert answer.status_code == 303


def test_where_one_is_told_of_things(api: Api) -> None:
    clerk = signed_in(api, "clerk")
    path = "/account/contact"
    wrong = clerk.submit(path, csrf=clerk.csrf(), address=HOSTILE, language="vi")
    assert wrong.status_code == 422
    assert "<script" not in wrong.text
    done = clerk.submit(path, csrf=clerk.csrf(), address="lan@example.com", language="vi")
    assert done.status_code == 303
    page = clerk.get("/account").text
    assert 'value="lan@example.com"' in page
    assert '<option value="vi" lang="vi" selected>' in page


def test_a_role_is_put_on_and_given_back(api: Api) -> None:
    admin, clerk = signed_in(api, "admin"), signed_in(api, "clerk")
    assert "You may put on" not in clerk.get("/account").text
    new = {"subject": "user:clerk", "role": "role:it.monitor", "department": "it", "minutes": 30}
    api.ok("POST", "/api/v1/eligibilities", admin_token(api), new)
    page = clerk.get("/account").text
    assert "You may put on role:it.monitor in it" in page
    given = {**fields(page, "/account/roles/activate"), "reason": "tonight", "minutes": "x"}
    assert clerk.submit("/account/roles/activate", **given).status_code == 422
    given["minutes"] = "10"
    assert clerk.submit("/account/roles/activate", **given).status_code == 303
    page = clerk.get("/account").text
    (grant,) = re.findall(r"/account/roles/(\w+)/give-back", page)
    assert admin.submit(f"/account/roles/{grant}/give-back", csrf=admin.csrf()).status_code != 303
    back = clerk.submit(f"/account/roles/{grant}/give-back", csrf=clerk.csrf())
    assert back.status_code == 303
    assert "/give-back" not in clerk.get("/account").text


def test_who_lost_their_device_enrols_another_one_by_a_recovery_code(api: Api) -> None:
    before = signed_in(api, "clerk")
    made = before.submit("/account/recovery-codes", csrf=before.csrf(), password=PASSWORD)
    (code, *_) = re.findall(r'<code class="secret">([^<]+)</code>', made.text)
    clerk = Browsing(api)
    assert 'href="/sign-in/recovery"' in clerk.get("/sign-in").text
    assert clerk.get("/sign-in/recovery").status_code == 200
    wrong = clerk.submit("/sign-in/recovery", name=HOSTILE, password=PASSWORD, code=code)
    assert wrong.status_code == 401
    assert "<script" not in wrong.text
    assert code not in wrong.text
    given = {"name": "clerk", "password": PASSWORD, "code": code}
    assert clerk.submit("/sign-in/recovery", {}, **given).status_code == 403
    let_in = clerk.submit("/sign-in/recovery", **given)
    assert (let_in.status_code, let_in.headers["location"]) == (303, "/account/devices/new")
    page = clerk.get("/account/devices/new").text
    assert 'name="password"' not in page
    begun = clerk.submit("/account/devices", csrf=clerk.csrf("/account"), name="new phone")
    assert begun.status_code == 200, begun.text
    seed = seed_of(begun.text)
    (device,) = set(re.findall(r"/account/devices/(\w+)/confirm", begun.text))
    path = f"/account/devices/{device}/confirm"
    done = clerk.submit(path, csrf=clerk.csrf("/account"), **two(api, seed))
    assert done.status_code == 303, done.text
    api.house.hands.seconds += STEP
    code = api.house.hands.code(seed)
    again = clerk.submit("/sign-in", name="clerk", password=PASSWORD, code=code)
    assert again.status_code == 303


def test_a_passkey_is_shown_again_in_the_place_of_a_code_and_taken_away(api: Api) -> None:
    clerk, key = signed_in(api, "clerk"), SoftwareAuthenticator()
    api.house.tokens["clerk"] = stepped(api)
    begin = {"name": "key", "password": PASSWORD}
    asked = api.ok("POST", "/api/v1/factors/passkeys/challenge", "clerk", begin)
    made = {"credential": key.create(asked["public_key"])}
    kept = api.ok("POST", "/api/v1/factors/passkeys", "clerk", made)
    assert clerk.get("/account/passkeys/new").status_code == 200
    offered = Browsing(api).get("/sign-in/passkey?next=//evil.example").text
    assert 'data-passkey="sign-in"' in offered
    assert "evil" not in offered
    asked = api.ok("POST", "/api/v1/sessions/passkey/challenge", None, {})["public_key"]
    shown = {"credential": key.get(asked), "cookie": True}
    opened = api("POST", "/api/v1/sessions/passkey", None, shown, headers=OWN)
    clerk.cookies[COOKIE_NAME] = opened.cookies[COOKIE_NAME]
    api.house.hands.seconds += 400
    gone = f"/account/passkeys/{kept['id']}/remove"
    stopped = clerk.get(gone)
    assert stopped.status_code == 401
    assert 'data-passkey="step-up"' in stopped.text
    typed = {**fields(stopped.text, "/step-up"), "code": ""}
    for wrong in ("nonsense", "{}"):
        assert clerk.submit("/step-up", **{**typed, "credential": wrong}).status_code == 422
    challenge = "/api/v1/sessions/self/step-up/challenge"
    cookie = f"{COOKIE_NAME}={clerk.cookies[COOKIE_NAME]}"
    proof = {**OWN, "X-CSRF-Token": clerk.csrf(), "Cookie": cookie}
    options = api("POST", challenge, None, {}, headers=proof).json()["public_key"]
    answer = json.dumps(key.get(options))
    back = clerk.submit("/step-up", **{**typed, "credential": answer})
    assert (back.status_code, back.headers["location"]) == (303, gone)
    assert "key" in clerk.get(gone).text
    taken = clerk.submit(gone, csrf=clerk.csrf(), password=PASSWORD)
    assert taken.status_code == 303
    assert "passkeys/" + kept["id"] not in clerk.get("/account").text


def stepped(api: Api) -> str:
    shown = {"code": fresh(api)}
    return str(api.ok("POST", "/api/v1/sessions/self/step-up", "clerk", shown)["token"])
