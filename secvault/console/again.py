"""What somebody was about to do when they were stopped: so that it need not be typed again.

A page that asks for a code, or for the reason of an approval, keeps the fields of the form that
was sent, and sends them anew. Secrets and files are never kept: whoever typed one types it again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import quote

from fastapi import Request
from pydantic import TypeAdapter, ValidationError

from secvault.api.browser import LOOKING
from secvault.console.page import own_path, page_above

Fields = tuple[tuple[str, str], ...]

LONGEST = 20_000
"""Characters of all that is kept, at most."""

_SECRET = re.compile(r"password|passphrase|secret|^(code|first|second|token|shares?|words)$")
_FIELDS = TypeAdapter(Fields)


@dataclass(frozen=True)
class Stopped:
    """A page that was looked at, or a form that was sent. All of it is of this service.

    to: where it went. back: the page to go on with. sent: the fields of a form; None where nothing
    was sent, or where it cannot be sent without what is never kept. is_form: whether it was one.
    """

    to: str
    back: str
    is_form: bool
    sent: Fields | None

    def without(self, name: str) -> Stopped:
        """The same without a field, which the page asks for itself."""
        if self.sent is None:
            return self
        return replace(self, sent=tuple(each for each in self.sent if each[0] != name))

    @property
    def kept(self) -> str:
        """The fields as one text, for `fields_of`."""
        return "" if self.sent is None else _FIELDS.dump_json(self.sent).decode()


async def stopped(request: Request) -> Stopped:
    """What this request was about."""
    query = f"?{request.url.query}" if request.url.query else ""
    to = own_path(quote(request.scope["path"]) + query)
    if request.method in LOOKING:
        return Stopped(to, to, is_form=False, sent=None)
    form = await request.form()
    named = form.get("back")
    back = own_path(named) if isinstance(named, str) else quote(page_above(request))
    fields = []
    for name, value in form.multi_items():
        if name == "csrf":
            # Each page says its own.
            continue
        if not isinstance(value, str) and not value.filename:
            # A place for a file that was left empty.
            continue
        if not isinstance(value, str) or (value and _SECRET.search(name)):
            return Stopped(to, back, is_form=True, sent=None)
        fields.append((name, value))
    found = Stopped(to, back, is_form=True, sent=tuple(fields))
    return found if len(found.kept) <= LONGEST else Stopped(to, back, is_form=True, sent=None)


def fields_of(kept: str) -> Fields | None:
    """The fields that a page has kept; None for what none has."""
    if not kept:
        return None
    try:
        return _FIELDS.validate_json(kept)
    except ValidationError:
        return None
