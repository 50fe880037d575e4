"""Pages of a search: where the last one ended, in a token that is good for the same search only.

The token is no secret and opens nothing: it holds where to go on, how many at once, and a digest of
what was asked. Whoever makes one up begins somewhere else in what they may see anyway.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json

from secvault.errors import InvalidInput
from secvault.service.authzen.asked import Evaluation, Page, Thing

USUAL, MOST = 100, 1000
_LONGEST = 1024
_AT = "page.token"


def begin(asked: Evaluation, page: Page) -> tuple[str, int]:
    """Where to go on, and how many results to give. Raises InvalidInput at `page`."""
    if not page.token:
        return "", USUAL if page.limit is None else min(page.limit, MOST)
    if len(page.token) > _LONGEST:
        raise InvalidInput.at(_AT, "is no token of a page; begin again without one")
    try:
        read = json.loads(base64.urlsafe_b64decode(page.token.encode("ascii")))
        after, limit, digest = read
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise InvalidInput.at(_AT, "is no token of a page; begin again without one") from None
    whole = isinstance(after, str) and type(limit) is int and 0 <= limit <= MOST
    if not whole or not after.isprintable():
        raise InvalidInput.at(_AT, "is no token of a page; begin again without one")
    if digest != _digest(asked) or page.limit not in (None, limit):
        raise InvalidInput.at(_AT, "is of another search; ask exactly the same for its next page")
    return after, limit


def token(asked: Evaluation, after: str, limit: int) -> str:
    """The token of the page after the result `after`."""
    held = json.dumps([after, limit, _digest(asked)], separators=(",", ":"))
    return base64.urlsafe_b64encode(held.encode()).decode()


def _digest(asked: Evaluation) -> str:
    def said(thing: Thing) -> list[object]:
        return [thing.type, thing.id, dict(thing.properties)]

    whole = [said(asked.subject), asked.action, said(asked.resource), dict(asked.context)]
    try:
        text = json.dumps(whole, sort_keys=True)
    except RecursionError:
        raise InvalidInput("the properties are nested too deeply") from None
    return hashlib.sha256(text.encode()).hexdigest()[:32]
