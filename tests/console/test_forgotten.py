"""A forgotten password: asked for, approved, and set anew by both parts of the code."""

from __future__ import annotations

import re
from urllib.parse import quote

from tests.console.browsing import Browsing, signed_in
from tests.console.forms import admin_token, fields, fresh
from tests.running_service import Api, join

NEW = "quite another passphrase 7"


def parts(api: Api) -> str:
    """Both parts of a code for the clerk, of which the approver's comes by a page."""
    with api.house.open() as service:
        for name in ("second", "third"):
            join(service, api.house, name, ("role:it.admin", "it"))
    reset = "/api/v1/people/clerk/password/reset"
    why = {"X-Approval-Reason": quote("came in person")}
    asked = api("POST", reset, admin_token(api), headers=why).json()["approval"]["request"]
    second, path = signed_in(api, "second"), f"/approvals/{asked}"
    shown = second.get(path).text
    assert "End somebody" in shown
    done = second.submit(f"{path}/approve", **fields(shown, f"{path}/approve"))
    assert done.status_code == 200, done.text
    (part,) = re.findall(r'<code class="secret">([^<]+)</code>', done.text)
    assert part not in second.get(path).text
    return part + str(api.ok("POST", reset, "admin")["part"])


def test_a_new_password_is_set_by_both_parts_and_a_code(api: Api) -> None:
    code = parts(api)
    clerk = Browsing(api)
    path = "/sign-in/forgotten"
    assert f'href="{path}"' in clerk.get("/sign-in").text
    assert clerk.get(path).status_code == 200
    given = {"name": "clerk", "code": code, "second": fresh(api), "new_password": NEW}
    assert clerk.submit(path, {}, **given).status_code == 403
    wrong = clerk.submit(path, **{**given, "code": code[:-3]})
    assert wrong.status_code == 401
    assert code[:-3] not in wrong.text
    given["second"] = fresh(api)
    assert clerk.submit(path, **{**given, "new_password": "short"}).status_code == 422
    given["second"] = fresh(api)
    done = clerk.submit(path, **given)
    assert (done.status_code, done.headers["location"]) == (303, "/sign-in"), done.text
    let_in = clerk.submit("/sign-in", name="clerk", password=NEW, code=fresh(api))
    assert let_in.status_code == 303
