"""The cookie that binds a sign-in at a provider to the browser that began it.

Each has one of its own, so that two tabs do not undo each other. It is `Lax`, because the browser
comes back from another site, lasts ten minutes, and opens nothing by itself.
"""

from __future__ import annotations

import base64
import binascii

from fastapi import Request
from fastapi.responses import Response

from secvault.crypto.secret import Secret
from secvault.identity.federation_steps import STEP_SECONDS
from secvault.identity.oidc.provider import state_of

PREFIX = "__Host-secvault-oidc-"
_NAMED = 16


def keep_browser(answer: Response, browser: Secret) -> None:
    """Have the browser keep this until it comes back."""
    text = base64.urlsafe_b64encode(browser.expose()).rstrip(b"=").decode()
    _set(answer, state_of(browser), text, STEP_SECONDS)


def browser_of(request: Request, state: str) -> Secret | None:
    """What the browser has kept for this `state`; None when it has nothing that can be read."""
    text = request.cookies.get(PREFIX + state[:_NAMED], "")
    try:
        kept = Secret(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        return None
    return kept if kept.expose() else None


def forget_browser(answer: Response, state: str) -> None:
    """Have the browser forget it."""
    if state.replace("-", "").replace("_", "").isalnum() and state.isascii():
        _set(answer, state, "", 0)


def _set(answer: Response, state: str, value: str, seconds: int) -> None:
    answer.set_cookie(
        PREFIX + state[:_NAMED],
        value,
        max_age=seconds,
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )
