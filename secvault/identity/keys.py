"""The keys that identity works with; they come from the keyring, never from a setting."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from secvault.crypto import token
from secvault.crypto.secret import Secret


@dataclass(frozen=True)
class IdentityKeys:
    """Independent keys of 32 bytes, so that the leak of one opens nothing of the others.

    password_pepper: mixed into passwords before they are hashed. token_pepper: key of the stored
    digests of sessions and tokens. totp: seals the seeds of TOTP devices. contacts: seals
    addresses.
    """

    password_pepper: Secret
    token_pepper: Secret
    totp: Secret
    contacts: Secret

    def is_genuine(self, presented: token.PresentedToken, stored_digest: bytes | None) -> bool:
        """Whether the presented secret is the stored one; in constant time.

        stored_digest: None when there is no such key id, which takes as long as a wrong secret.
        """
        digest = token.secret_digest(presented.secret, self.token_pepper)
        alike = hmac.compare_digest(digest, stored_digest or bytes(len(digest)))
        return alike and stored_digest is not None
