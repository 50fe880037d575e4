"""What an encrypted column does with a value, whichever library maps it.

A value is bound to its column by associated data, so that a ciphertext that is moved to another
column does not open. Each value is a request; inside `sealed_ahead` and `opened_ahead` those of
many rows go in batches, and the column finds its value there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from secvault.client.client import Client
from secvault.client.item import Done, Failed, ToDecrypt, ToEncrypt, value_of

_OPENED: ContextVar[dict[tuple[Sealing, str], bytes] | None] = ContextVar("opened", default=None)
_SEALED: ContextVar[dict[tuple[Sealing, bytes], list[str]] | None] = ContextVar(
    "sealed", default=None
)


@dataclass(frozen=True)
class Sealing:
    """How a column is encrypted: by whom, with which key, and for which place.

    index_version: of the key, for a column that holds HMACs in the place of ciphertexts; else 0.
    """

    client: Client
    key: str
    mount: str
    place: str
    index_version: int = 0

    def seal(self, plaintext: bytes) -> str:
        """The ciphertext, each made for one use: equal values never show as equal. Or the HMAC."""
        ahead = (_SEALED.get() or {}).get((self, plaintext))
        if ahead:
            return ahead.pop()
        if self.index_version:
            return self.client.hmac(
                self.key, self._bound(plaintext), key_version=self.index_version, mount=self.mount
            )
        return self.client.encrypt(
            self.key, plaintext, associated_data=self.place, mount=self.mount
        )

    def open(self, ciphertext: str) -> bytes:
        """The plaintext. Raises BadRequest when it was sealed for another place."""
        found = (_OPENED.get() or {}).get((self, ciphertext))
        if found is not None:
            return found
        return self.client.decrypt(
            self.key, ciphertext, associated_data=self.place, mount=self.mount
        )

    def seal_many(self, plaintexts: Sequence[bytes]) -> Sequence[Done[str] | Failed]:
        """The same for many, in their order."""
        if self.index_version:
            bound = [self._bound(each) for each in plaintexts]
            return self.client.hmac_many(
                self.key, bound, key_version=self.index_version, mount=self.mount
            )
        items = [ToEncrypt(each, associated_data=self.place) for each in plaintexts]
        return self.client.encrypt_many(self.key, items, mount=self.mount)

    def _bound(self, value: bytes) -> bytes:
        return self.place.encode() + b"\0" + value


@contextmanager
def opened_ahead(columns: Iterable[tuple[Sealing, Iterable[str]]]) -> Iterator[None]:
    """Inside, these ciphertexts of the columns need no request; what does not open fails when read.

    The plaintexts are held until the end of the block.
    """
    opened = dict(_OPENED.get() or {})
    for sealing, ciphertexts in columns:
        wanted = list(dict.fromkeys(ciphertexts))
        items = [ToDecrypt(each, associated_data=sealing.place) for each in wanted]
        results = sealing.client.decrypt_many(sealing.key, items, mount=sealing.mount)
        for ciphertext, result in zip(wanted, results, strict=True):
            if isinstance(result, Done):
                opened[sealing, ciphertext] = result.value
    token = _OPENED.set(opened)
    try:
        yield
    finally:
        _OPENED.reset(token)


@contextmanager
def sealed_ahead(columns: Iterable[tuple[Sealing, Iterable[bytes]]]) -> Iterator[None]:
    """Inside, these values of the columns can be written without a request, each as often as given.

    Raises the error of the first value that cannot be encrypted.
    """
    sealed = dict(_SEALED.get() or {})
    for sealing, plaintexts in columns:
        given = list(plaintexts)
        for plaintext, result in zip(given, sealing.seal_many(given), strict=True):
            sealed.setdefault((sealing, plaintext), []).append(value_of(result))
    token = _SEALED.set(sealed)
    try:
        yield
    finally:
        _SEALED.reset(token)
