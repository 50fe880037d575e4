"""The content of an attachment between the caller and storage: sealed and judged on its way in,
any part of it opened on its way out. Neither holds more than a few segments.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import closing

from secvault.crypto.aead import Random
from secvault.crypto.content_key import ContentAddress
from secvault.crypto.secret import Secret
from secvault.crypto.streaming import HEADER_BYTES, Layout, Opener, Sealer
from secvault.errors import Damaged, InvalidInput, TooLarge
from secvault.records.attachment_storage import Pieces, Storage
from secvault.records.content_type import Evidence


class Incoming:
    """Takes in a content of at most `most` bytes."""

    def __init__(
        self,
        storage: Storage,
        address: ContentAddress,
        key: Secret,
        declared: str,
        most: int,
        random: Random = os.urandom,
    ) -> None:
        """declared: the type that it must turn out to be of. Raises Unavailable."""
        self.size = 0
        self._address, self._most = address, most
        self._evidence = Evidence(declared, address.field)
        self._digest = hashlib.sha256()
        self._sealer = Sealer(key, address.bound(), random=random)
        self._upload = storage.begin(address.attachment)

    @property
    def sha256(self) -> str:
        """Of what came in until now, as hexadecimal."""
        return self._digest.hexdigest()

    def write(self, content: bytes) -> None:
        """More of it. Raises InvalidInput, TooLarge, Unavailable."""
        self.size += len(content)
        require_within(self.size, self._most)
        self._evidence.add(content)
        self._digest.update(content)
        sealed = self._sealer.update(content)
        if sealed:
            self._upload.write(sealed)

    def finish(self) -> None:
        """It is whole: make it durable. Raises InvalidInput, Unavailable."""
        if not self.size:
            raise InvalidInput.at(self._address.field, "is empty; send a file")
        self._evidence.finish()
        self._upload.write(self._sealer.finish())
        self._upload.finish()

    def abandon(self) -> None:
        """Remove what there is of it, as far as that can be done now."""
        self._upload.abandon()


class Content:
    """A stored content of a known size."""

    def __init__(self, storage: Storage, address: ContentAddress, key: Secret, size: int) -> None:
        """size: as the record has it. Raises Damaged when storage has another; Unavailable."""
        self._storage, self._address = storage, address
        self._what = f"the attachment {address}"
        self._layout = Layout(size)
        found = storage.size(address.attachment)
        if found is None:
            raise Damaged(f"{self._what} is damaged: its content is gone; restore it from a backup")
        if found != self._layout.sealed_size:
            raise Damaged(
                f"{self._what} is damaged: it was cut off or added to; restore it from a backup"
            )
        header = b"".join(storage.read(address.attachment, 0, HEADER_BYTES))
        self._opener = Opener(key, address.bound(), header, self._layout, self._what)

    def read(self, start: int, stop: int) -> Pieces:
        """The bytes from `start` to before `stop`, in pieces, each verified before it is given.

        Raises InvalidInput when they do not lie within, Damaged, Unavailable.
        """
        begin, end = self._layout.sealed_part(start, stop)
        waiting = bytearray()
        with closing(self._storage.read(self._address.attachment, begin, end)) as sealed:
            for span in self._layout.spans(start, stop):
                length = span.stop - span.start
                while len(waiting) < length and (piece := next(sealed, b"")):
                    waiting += piece
                yield self._opener.open(span, bytes(waiting[:length]))
                del waiting[:length]


def require_within(size: int, most: int) -> None:
    """Return if a content of `size` bytes may come in. Raises TooLarge."""
    if size > most:
        raise TooLarge(f"the file has more than the {most} bytes that this field takes")
