"""The proof that a request of a cookie session comes from a page of ours, not from another's.

A browser sends a cookie with whatever a page makes it send. A page of another origin can make it
send much, but cannot read this token, which the service gives to its own pages only: in the answer
to a sign-in, in that to `GET /sessions/self`, and in each form (OWASP ASVS 5.0, 3.5.1).

It is HMAC-SHA-256(token pepper, `secvault/csrf`, 0x00, key id of the session) in base64url without
padding, 43 characters: nothing is stored, and a session that is renewed has another.
"""

from __future__ import annotations

import base64
import hmac

from secvault.crypto.secret import Secret
from secvault.identity.keys import IdentityKeys

HEADER_NAME = "X-CSRF-Token"
FIELD_NAME = "csrf_token"
"""Where a page sends it: in this header, or a form in a hidden field of this name."""


def csrf_token(keys: IdentityKeys, key_id: str) -> Secret:
    """The token of the session with this key id, for its own pages."""
    said = b"secvault/csrf\x00" + key_id.encode()
    digest = hmac.digest(keys.token_pepper.expose(), said, "sha256")
    return Secret(base64.urlsafe_b64encode(digest).rstrip(b"="))


def is_csrf_token(keys: IdentityKeys, key_id: str, presented: str) -> bool:
    """Whether this is that session's token; takes as long for every wrong one of its length."""
    return hmac.compare_digest(
        csrf_token(keys, key_id).expose(), presented.encode("utf-8", "surrogateescape")
    )
