"""The key of one attachment: random, wrapped under the data key of the record that it belongs to.

Wrapped form: an envelope of `aead`, under HKDF-SHA-256(data key, no salt, info
"secvault/content-key", 32 bytes), tied to the attachment's place. What the attachment's content is
sealed under (`streaming`) is tied to the same place. So without the data key, which erasure
deletes, no attachment of the record opens; and a record that gets another data key has its content
keys wrapped anew, and no content sealed again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from secvault.crypto.aead import KEY_BYTES, Random, bind, draw, open_sealed, seal
from secvault.crypto.derivation import derive
from secvault.crypto.secret import Secret

_INFO = b"secvault/content-key"


@dataclass(frozen=True, slots=True)
class ContentAddress:
    """The only place where a content opens: of this attachment, in this field of this record."""

    collection: str
    record: str
    field: str
    attachment: str

    def __str__(self) -> str:
        return f"{self.collection}/{self.record}/{self.field}"

    def bound(self) -> bytes:
        """Associated data of the content."""
        return bind("secvault/content", *self._parts())

    def bound_key(self) -> bytes:
        """Associated data of its wrapped key."""
        return bind("secvault/content-key", *self._parts())

    def _parts(self) -> tuple[str, ...]:
        return (self.collection, self.record, self.field, self.attachment)


def new_content_key(random: Random = os.urandom) -> Secret:
    """A fresh 256-bit key, for one content."""
    return Secret(draw(KEY_BYTES, random))


def wrap_content_key(
    key: Secret, data_key: Secret, at: ContentAddress, random: Random = os.urandom
) -> bytes:
    """The 61 bytes that keep the key. data_key: of the record's subject, 32 bytes."""
    return seal(key.expose(), derive(data_key, _INFO, KEY_BYTES), at.bound_key(), random)


def unwrap_content_key(envelope: bytes, data_key: Secret, at: ContentAddress) -> Secret:
    """The key that was wrapped for exactly this attachment. Raises Damaged."""
    wrapping = derive(data_key, _INFO, KEY_BYTES)
    return Secret(
        open_sealed(envelope, wrapping, at.bound_key(), f"the key of the attachment {at}")
    )
