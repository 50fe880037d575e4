"""What the lean path does with the bodies of encrypt, decrypt, rewrap and HMAC: data in, data out.

All of a body at once, with few objects: in a batch the cipher itself takes a third of the time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec

from secvault.api.transit.paths import MAX_BATCH
from secvault.crypto.aead import Random
from secvault.crypto.digest import DEFAULT_HASH
from secvault.crypto.transit import version_in
from secvault.errors import SecvaultError
from secvault.keyring import encryption, signing
from secvault.keyring.encryption import ToDecrypt, ToEncrypt
from secvault.keyring.message_count import MessageCount
from secvault.keyring.open_key import OpenKey


class _EncryptItem(ToEncrypt, frozen=True, forbid_unknown_fields=True, gc=False):
    reference: str = ""


class _EncryptBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    batch_input: list[_EncryptItem]


class _DecryptItem(ToDecrypt, frozen=True, forbid_unknown_fields=True, gc=False):
    reference: str = ""


class _DecryptBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    batch_input: list[_DecryptItem]


class _HmacItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    input: bytes
    reference: str = ""


class _HmacBody(_HmacItem, frozen=True, forbid_unknown_fields=True):
    key_version: int = 0


class _HmacBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    batch_input: list[_HmacItem]
    key_version: int = 0


class _Decrypted(msgspec.Struct, frozen=True, gc=False):
    plaintext: bytes


class _Hmac(msgspec.Struct, frozen=True, gc=False):
    hmac: str


class _SealedItem(msgspec.Struct, frozen=True, gc=False):
    ciphertext: str
    key_version: int
    reference: str


class _OpenedItem(msgspec.Struct, frozen=True, gc=False):
    plaintext: bytes
    reference: str


class _HmacedItem(msgspec.Struct, frozen=True, gc=False):
    hmac: str
    reference: str


class _BatchResults(msgspec.Struct, frozen=True):
    batch_results: list[Any]


_Versions = Mapping[int, int]
"""How many items were done with which version of the key."""


@dataclass(frozen=True, slots=True)
class Done:
    """data: as the answer gives it. count: of the items."""

    data: Any
    count: int
    versions: _Versions


@dataclass(frozen=True)
class Manner:
    """How the bodies of one action are read, and what is done with their items.

    each: what the answer says of each item of a body. in_batch: the same with the item's
    reference. seals: whether each item is one more message under the key.
    """

    single: msgspec.json.Decoder[Any]
    batch: msgspec.json.Decoder[Any]
    each: Callable[[OpenKey, Sequence[Any], Any, Random], tuple[list[Any], _Versions]]
    in_batch: Callable[[Sequence[Any], list[Any]], list[Any]]
    seals: bool

    def run(self, body: bytes, key: OpenKey, messages: MessageCount, random: Random) -> Done | None:
        """What comes of the body; None unless every item succeeds."""
        try:
            if b'"batch_input"' not in body:
                item = self.single.decode(body)
                if self.seals and not messages.take(key, (item,)):
                    return None
                results, versions = self.each(key, (item,), item, random)
                return Done(results[0], 1, versions)
            given = self.batch.decode(body)
            items = given.batch_input
            if not 0 < len(items) <= MAX_BATCH or (self.seals and not messages.take(key, items)):
                return None
            results, versions = self.each(key, items, given, random)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, SecvaultError):
            return None
        return Done(_BatchResults(self.in_batch(items, results)), len(items), versions)


def _encrypt(
    key: OpenKey, items: Sequence[_EncryptItem], _: Any, random: Random
) -> tuple[list[encryption.Encrypted], _Versions]:
    done = encryption.encrypt_each(key, items, random)
    return done, Counter(map(encryption.STATED_VERSION, done))


def _decrypt(
    key: OpenKey, items: Sequence[_DecryptItem], _: Any, __: Random
) -> tuple[list[_Decrypted], _Versions]:
    plaintexts, versions = encryption.decrypt_each(key, items)
    return [_Decrypted(plaintext) for plaintext in plaintexts], versions


def _rewrap(
    key: OpenKey, items: Sequence[_DecryptItem], _: Any, random: Random
) -> tuple[list[encryption.Encrypted], _Versions]:
    return encryption.rewrap_each(key, items, random)


def _hmac(
    key: OpenKey, items: Sequence[_HmacItem], given: _HmacBody | _HmacBatch, _: Random
) -> tuple[list[_Hmac], _Versions]:
    version = given.key_version
    codes = [signing.authenticate(key, item.input, DEFAULT_HASH, version) for item in items]
    return [_Hmac(code) for code in codes], Counter(map(version_in, codes))


def _sealed(items: Sequence[Any], results: list[encryption.Encrypted]) -> list[_SealedItem]:
    return [
        _SealedItem(done.ciphertext, done.key_version, item.reference)
        for item, done in zip(items, results, strict=True)
    ]


def _opened(items: Sequence[Any], results: list[_Decrypted]) -> list[_OpenedItem]:
    return [
        _OpenedItem(done.plaintext, item.reference)
        for item, done in zip(items, results, strict=True)
    ]


def _hmaced(items: Sequence[Any], results: list[_Hmac]) -> list[_HmacedItem]:
    return [
        _HmacedItem(done.hmac, item.reference) for item, done in zip(items, results, strict=True)
    ]


def _manner(
    single: type[msgspec.Struct],
    batch: type[msgspec.Struct],
    each: Callable[..., tuple[list[Any], _Versions]],
    in_batch: Callable[..., list[Any]],
    *,
    seals: bool,
) -> Manner:
    single_decoder, batch_decoder = msgspec.json.Decoder(single), msgspec.json.Decoder(batch)
    return Manner(single_decoder, batch_decoder, each, in_batch, seals)


MANNERS: Mapping[str, Manner] = MappingProxyType(
    {
        "encrypt": _manner(_EncryptItem, _EncryptBatch, _encrypt, _sealed, seals=True),
        "decrypt": _manner(_DecryptItem, _DecryptBatch, _decrypt, _opened, seals=False),
        "rewrap": _manner(_DecryptItem, _DecryptBatch, _rewrap, _sealed, seals=True),
        "hmac": _manner(_HmacBody, _HmacBatch, _hmac, _hmaced, seals=False),
    }
)
