"""A browser without JavaScript: keeps cookies, sends forms as browsers do."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from secvault.api.browser import COOKIE_NAME
from tests.running_service import PASSWORD, STEP, Api
from tests.software_authenticator import ORIGIN

OWN = {"Sec-Fetch-Site": "same-origin", "Origin": ORIGIN}


@dataclass
class Browsing:
    """One person's browser. cookies: by name, as our answers set them."""

    api: Api
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Any:
        """A page, without following where it sends to."""
        return self._ask("GET", path, {"Sec-Fetch-Site": "none", **headers}, None)

    def submit(self, path: str, page: dict[str, str] = OWN, **fields: str) -> Any:
        """Send a form with the fields as they are."""
        return self._ask("POST", path, page, {k.rstrip("_"): v for k, v in fields.items()})

    def sign_in(self, who: str, **more: str) -> Any:
        """Sign in with a fresh code."""
        hands = self.api.house.hands
        hands.seconds += STEP
        code = hands.code(self.api.house.seeds[who])
        return self.submit("/sign-in", name=who, password=PASSWORD, code=code, **more)

    def csrf(self, path: str = "/") -> str:
        """The token that a page's forms carry."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get(path).text)
        assert found is not None
        return found[1]

    def _ask(self, method: str, path: str, headers: dict[str, str], form: Any) -> Any:
        jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.api.client.request(
            method,
            path,
            headers={**headers, **({"Cookie": jar} if jar else {})},
            data=form,
            follow_redirects=False,
        )
        self.api.client.cookies.clear()
        for line in answer.headers.get_list("set-cookie"):
            pair, *attributes = line.split("; ")
            name, _, value = pair.partition("=")
            if "Max-Age=0" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return answer


def signed_in(api: Api, who: str) -> Browsing:
    """The browser of somebody who signed in."""
    browser = Browsing(api)
    answer = browser.sign_in(who)
    assert answer.status_code == 303, answer.text
    assert COOKIE_NAME in browser.cookies
    return browser
