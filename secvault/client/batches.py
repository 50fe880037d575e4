"""The same for many values: a result for each, in their order.

As many requests are sent, one after another, as the size of a batch asks for. What fails as a whole
(no answer, no right, sealed) raises; what fails for one item is that item's result, and never
another's. The items are held in memory as JSON while they are sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from secvault.client.call import Answer, BatchSize, Call, Request
from secvault.client.errors import BadRequest, TooLarge, Unexpected, WrongUse
from secvault.client.item import Done, Failed, ToDecrypt, ToEncrypt, ToVerify
from secvault.client.paths import Envelope, at, body, read, to_bytes
from secvault.client.transit import MOUNT, decrypt_body, encrypt_body

T = TypeVar("T")
Item = TypeVar("Item")

_LARGEST_ENVELOPE = 256


class _Shown(msgspec.Struct):
    """What an item's result may hold."""

    error: str = ""
    ciphertext: str = ""
    plaintext: bytes | None = None
    hmac: str = ""
    signature: str = ""
    valid: bool | None = None


class _Results(msgspec.Struct):
    batch_results: list[_Shown]


class _InputItem(msgspec.Struct, omit_defaults=True):
    input: bytes
    context: bytes = b""
    signature: str = ""
    hmac: str = ""


_RESULTS = msgspec.json.Decoder(Envelope[_Results])


def encrypt_many(
    key: str, items: Iterable[ToEncrypt], *, mount: str = MOUNT
) -> Call[list[Done[str] | Failed]]:
    """The ciphertexts."""
    path = at(mount, "encrypt", key)
    return _batch(path, [encrypt_body(item) for item in items], {}, lambda it: it.ciphertext)


def decrypt_many(
    key: str, items: Iterable[ToDecrypt], *, mount: str = MOUNT
) -> Call[list[Done[bytes] | Failed]]:
    """The plaintexts as bytes."""
    path = at(mount, "decrypt", key)
    # An empty plaintext is left out of the answer.
    return _batch(path, [decrypt_body(item) for item in items], {}, lambda it: it.plaintext or b"")


def rewrap_many(
    key: str, items: Iterable[ToDecrypt], *, mount: str = MOUNT
) -> Call[list[Done[str] | Failed]]:
    """The ciphertexts under the latest, or the stated, key version."""
    path = at(mount, "rewrap", key)
    return _batch(path, [decrypt_body(item) for item in items], {}, lambda it: it.ciphertext)


def hmac_many(
    key: str,
    inputs: Iterable[bytes | str],
    *,
    algorithm: str = "",
    key_version: int = 0,
    mount: str = MOUNT,
) -> Call[list[Done[str] | Failed]]:
    """The HMACs."""
    path = at(mount, "hmac", key, *([algorithm] if algorithm else []))
    items = [_InputItem(to_bytes(each, "an input")) for each in inputs]
    beside = {"key_version": key_version} if key_version else {}
    return _batch(path, items, beside, lambda it: it.hmac)


def sign_many(
    key: str,
    inputs: Iterable[bytes | str],
    *,
    context: bytes | str = b"",
    key_version: int = 0,
    hash_algorithm: str = "",
    mount: str = MOUNT,
) -> Call[list[Done[str] | Failed]]:
    """The signatures. context: of a derived key, for all."""
    bound = to_bytes(context, "the context")
    items = [_InputItem(to_bytes(each, "an input"), bound) for each in inputs]
    given: dict[str, Any] = {"key_version": key_version, "hash_algorithm": hash_algorithm}
    beside = {name: value for name, value in given.items() if value}
    return _batch(at(mount, "sign", key), items, beside, lambda it: it.signature)


def verify_many(
    key: str, items: Iterable[ToVerify], *, hash_algorithm: str = "", mount: str = MOUNT
) -> Call[list[Done[bool] | Failed]]:
    """Whether each signature, or each HMAC, is the key's. All must be of one kind."""
    given = list(items)
    if any(bool(item.signature) == bool(item.hmac) for item in given):
        raise WrongUse("each item must have either signature or hmac")
    if len({bool(item.hmac) for item in given}) > 1:
        raise WrongUse("a batch verifies either signatures or HMACs")
    bodies = [
        _InputItem(
            to_bytes(item.input, "an input"),
            to_bytes(item.context, "a context"),
            item.signature,
            item.hmac,
        )
        for item in given
    ]
    beside = {"hash_algorithm": hash_algorithm} if hash_algorithm else {}
    return _batch(at(mount, "verify", key), bodies, beside, lambda it: bool(it.valid))


def _batch(
    path: str,
    items: Sequence[msgspec.Struct],
    beside: dict[str, Any],
    show: Callable[[_Shown], T],
) -> Call[list[Done[T] | Failed]]:
    def requests(size: BatchSize) -> Iterator[Request]:
        encoded = [msgspec.Raw(body(item)) for item in items]
        for chunk in _chunks(encoded, size):
            content = body({"batch_input": chunk, **beside})
            yield Request("POST", path, content, in_batch=True)

    def results(answers: Sequence[Answer]) -> list[Done[T] | Failed]:
        found = [result for answer in answers for result in _results(answer, show)]
        if len(found) != len(items):
            raise Unexpected(f"{len(found)} results came for {len(items)} items")
        return found

    return Call(requests, results)


def _results(answer: Answer, show: Callable[[_Shown], T]) -> Iterator[Done[T] | Failed]:
    for each in read(answer, _RESULTS).data.batch_results:
        if each.error:
            yield Failed(BadRequest(400, (each.error,), answer.request_id))
        else:
            yield Done(show(each))


def _chunks(items: Sequence[msgspec.Raw], size: BatchSize) -> Iterator[list[msgspec.Raw]]:
    """The items in portions. Raises TooLarge before the first when an item fits in none."""
    lengths = [len(memoryview(item)) + 1 for item in items]
    for place, length in enumerate(lengths):
        if length + _LARGEST_ENVELOPE > size.bytes:
            said = f"item {place} alone is larger than a request may be ({size.bytes} bytes)"
            raise TooLarge(413, (said,))
    chunk: list[msgspec.Raw] = []
    filled = _LARGEST_ENVELOPE
    for item, length in zip(items, lengths, strict=True):
        if chunk and (len(chunk) >= size.items or filled + length > size.bytes):
            yield chunk
            chunk, filled = [], _LARGEST_ENVELOPE
        chunk.append(item)
        filled += length
    if chunk:
        yield chunk
