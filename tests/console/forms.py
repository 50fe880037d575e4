"""The forms of a page as a browser would send them, and what people type into them."""

from __future__ import annotations

import re
from html import unescape

import pyotp

from tests.running_service import STEP, Api


def fields(text: str, action: str) -> dict[str, str]:
    """What the form that goes there has filled in."""
    found = re.search(rf'<form [^>]*action="{re.escape(action)}".*?</form>', text, re.DOTALL)
    assert found is not None, text
    named = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', found[0])
    return {name: unescape(value) for name, value in named}


def fresh(api: Api, who: str = "clerk") -> str:
    """A code of somebody's device that was not used yet."""
    api.house.hands.seconds += STEP
    return api.house.hands.code(api.house.seeds[who])


def admin_token(api: Api) -> str:
    """A session of the administrator with a factor shown just now."""
    shown = {"code": fresh(api, "admin")}
    stepped = api.ok("POST", "/api/v1/sessions/self/step-up", "admin", shown)
    api.house.tokens["admin"] = str(stepped["token"])
    return api.house.tokens["admin"]


def seed_of(text: str) -> str:
    """The seed that a page shows beside its picture."""
    found = re.search(r'<code class="secret">([A-Z2-7]+)</code>', text)
    assert found is not None, text
    return found[1]


def two(api: Api, seed: str) -> dict[str, str]:
    """The last two codes of a device."""
    codes, now = pyotp.TOTP(seed), int(api.house.hands.seconds)
    return {"first": codes.at(now - STEP), "second": codes.at(now)}
