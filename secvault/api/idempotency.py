"""The header Idempotency-Key: draft-ietf-httpapi-idempotency-key-header-07."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Header

from secvault.records.once import HEADER, check_key

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias=HEADER,
        description="Your own name for this request, new for each: within a day, the same request "
        "under the same key does nothing again and is answered in the same way. Another request "
        "under it is refused.",
        examples=['"8e03978e-40d5-43dd-bc93-6894a57f9324"'],
    ),
]

# A string of RFC 9651, 3.3.3; many clients send its text without the quotes.
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')


def key_of(header: str | None) -> str:
    """The key in the header; empty without one. Raises InvalidInput."""
    if header is None:
        return ""
    text = header.strip()
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        return check_key(re.sub(r"\\(.)", r"\1", quoted[1]))
    return check_key("" if '"' in text else text)
