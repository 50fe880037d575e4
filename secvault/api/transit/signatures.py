"""Sign, verify, HMAC, hash, random bytes."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi.responses import Response

from secvault.api.declared import operation
from secvault.api.transit.paths import (
    Authenticated,
    Batch,
    Body,
    Mount,
    Name,
    Word,
    from_base64,
    input_of,
    to_base64,
    transit_router,
)
from secvault.api.vault import read_body, vault_answer, writes
from secvault.crypto.digest import DEFAULT_HASH
from secvault.crypto.signature import Manner
from secvault.errors import InvalidInput
from secvault.service import transit

router = transit_router()

_RESOURCE = "{department}/{mount}/{name}"
SOURCES = ("platform", "seal", "all")


class SignItem(msgspec.Struct):
    """One input, base64."""

    input: str | None = None
    context: str = ""
    reference: str = ""


class SignBody(SignItem):
    """One input or a batch, and how to sign."""

    batch_input: list[SignItem] | None = None
    key_version: int = 0
    hash_algorithm: str = ""
    algorithm: str = ""
    prehashed: bool = False
    signature_algorithm: str = "pss"
    marshaling_algorithm: str = "asn1"
    salt_length: str = "auto"


class VerifyItem(msgspec.Struct):
    """One input, base64, with its signature or its HMAC."""

    input: str | None = None
    signature: str = ""
    hmac: str = ""
    context: str = ""
    reference: str = ""


class VerifyBody(VerifyItem):
    """One input or a batch, and how it was signed."""

    batch_input: list[VerifyItem] | None = None
    hash_algorithm: str = ""
    algorithm: str = ""
    prehashed: bool = False
    signature_algorithm: str = "pss"
    marshaling_algorithm: str = "asn1"
    salt_length: str = "auto"


class HmacBody(SignItem):
    """One input or a batch."""

    batch_input: list[SignItem] | None = None
    key_version: int = 0
    algorithm: str = ""


class HashBody(msgspec.Struct):
    """One input, base64. format: of the answer, hex or base64."""

    input: str | None = None
    algorithm: str = ""
    format: str = "hex"


class RandomBody(msgspec.Struct):
    """How many bytes, and in which format, base64 or hex."""

    bytes: int = 32
    format: str = "base64"
    source: str = "platform"


@writes(router, "/{mount:path}/sign/{name}", SignBody)
@operation(_RESOURCE, "data.sign")
def data_sign(at: Authenticated, mount: Mount, name: Name, body: Body) -> Response:
    """Sign one input or a batch."""
    return _sign(at, mount, name, body, "")


@writes(router, "/{mount:path}/sign/{name}/{algorithm}", SignBody)
@operation(_RESOURCE, "data.sign")
def data_sign_by(
    at: Authenticated, mount: Mount, name: Name, algorithm: Word, body: Body
) -> Response:
    """The same with the hash function in the path."""
    return _sign(at, mount, name, body, algorithm)


@writes(router, "/{mount:path}/verify/{name}", VerifyBody)
@operation(_RESOURCE, "data.verify")
def data_verify(at: Authenticated, mount: Mount, name: Name, body: Body) -> Response:
    """Whether signatures or HMACs are the key's."""
    return _verify(at, mount, name, body, "")


@writes(router, "/{mount:path}/verify/{name}/{algorithm}", VerifyBody)
@operation(_RESOURCE, "data.verify")
def data_verify_by(
    at: Authenticated, mount: Mount, name: Name, algorithm: Word, body: Body
) -> Response:
    """The same with the hash function in the path."""
    return _verify(at, mount, name, body, algorithm)


@writes(router, "/{mount:path}/hmac/{name}", HmacBody)
@operation(_RESOURCE, "data.hmac")
def data_hmac(at: Authenticated, mount: Mount, name: Name, body: Body) -> Response:
    """The HMAC of one input or a batch."""
    return _hmac(at, mount, name, body, "")


@writes(router, "/{mount:path}/hmac/{name}/{algorithm}", HmacBody)
@operation(_RESOURCE, "data.hmac")
def data_hmac_by(
    at: Authenticated, mount: Mount, name: Name, algorithm: Word, body: Body
) -> Response:
    """The same with the hash function in the path."""
    return _hmac(at, mount, name, body, algorithm)


@writes(router, "/{mount:path}/hash", HashBody)
@operation("{department}/{mount}", "data.hash")
def data_hash(at: Authenticated, mount: Mount, body: Body) -> Response:
    """The hash of one input."""
    return answer_hash(at, mount, body, "")


@writes(router, "/{mount:path}/hash/{algorithm}", HashBody)
@operation("{department}/{mount}", "data.hash")
def data_hash_by(at: Authenticated, mount: Mount, algorithm: Word, body: Body) -> Response:
    """The same with the hash function in the path."""
    return answer_hash(at, mount, body, algorithm)


@writes(router, "/{mount:path}/random", RandomBody)
@operation("{department}/{mount}", "data.random")
def data_random(at: Authenticated, mount: Mount, body: Body) -> Response:
    """Fresh random bytes."""
    return answer_random(at, mount, body)


@writes(router, "/{mount:path}/random/{count_or_source}", RandomBody)
@operation("{department}/{mount}", "data.random")
def data_random_of(at: Authenticated, mount: Mount, count_or_source: Word, body: Body) -> Response:
    """The same with the number of bytes, or the source, in the path."""
    if count_or_source in SOURCES:
        return answer_random(at, mount, body, source=count_or_source)
    return answer_random(at, mount, body, count=count_or_source)


@writes(router, "/{mount:path}/random/{source}/{count}", RandomBody)
@operation("{department}/{mount}", "data.random")
def data_random_from(
    at: Authenticated, mount: Mount, source: Word, count: Word, body: Body
) -> Response:
    """The same with both in the path."""
    return answer_random(at, mount, body, count=count, source=source)


def _sign(at: Authenticated, mount: str, name: str, body: bytes, algorithm: str) -> Response:
    given = read_body(body, SignBody)
    asked = given.body
    manner = _manner(asked, algorithm)
    many = asked.batch_input is not None

    def show(done: transit.Signed) -> dict[str, Any]:
        shown: dict[str, Any] = {"signature": done.signature, "key_version": done.key_version}
        if done.public_key is not None:
            shown["publickey" if many else "public_key"] = done.public_key
        return shown

    batch = Batch(
        lambda item: transit.ToSign(
            input_of(item.input, "missing input"), from_base64(item.context)
        ),
        lambda service, caller, items: transit.sign(
            service, caller, mount, name, items, manner, asked.key_version
        ),
        show,
        failed=(("key_version", 0),),
    )
    return batch.answer(at, asked, asked.batch_input, given.warnings)


def _verify(at: Authenticated, mount: str, name: str, body: bytes, algorithm: str) -> Response:
    given = read_body(body, VerifyBody)
    asked = given.body
    items = asked.batch_input if asked.batch_input is not None else [asked]
    if any(item.signature and item.hmac for item in items):
        raise InvalidInput("provide one of 'signature' and 'hmac', not both")
    by_hmac = any(item.hmac for item in items)
    if by_hmac and any(item.signature for item in items):
        raise InvalidInput(
            "elements of batch_input must all provide 'signature' or all provide 'hmac'"
        )

    def parse(item: VerifyItem) -> transit.ToVerify:
        if not (item.signature or item.hmac):
            raise InvalidInput("neither a 'signature' nor an 'hmac' were given to verify")
        return transit.ToVerify(
            input_of(item.input, "missing input"),
            item.signature or item.hmac,
            from_base64(item.context),
        )

    if by_hmac:
        chosen = algorithm or asked.algorithm or asked.hash_algorithm or DEFAULT_HASH
        batch = Batch(
            parse,
            lambda service, caller, good: transit.verify_codes(
                service, caller, mount, name, good, chosen
            ),
            _valid,
            failed=(("valid", False),),
        )
    else:
        manner = _manner(asked, algorithm)
        batch = Batch(
            parse,
            lambda service, caller, good: transit.verify(
                service, caller, mount, name, good, manner
            ),
            _valid,
            failed=(("valid", False),),
        )
    return batch.answer(at, asked, asked.batch_input, given.warnings)


def _hmac(at: Authenticated, mount: str, name: str, body: bytes, algorithm: str) -> Response:
    given = read_body(body, HmacBody)
    asked = given.body
    chosen = algorithm or asked.algorithm or DEFAULT_HASH
    batch = Batch(
        lambda item: input_of(item.input, "missing input for HMAC"),
        lambda service, caller, items: transit.authenticate(
            service, caller, mount, name, items, chosen, asked.key_version
        ),
        lambda code: {"hmac": code},
    )
    return batch.answer(at, asked, asked.batch_input, given.warnings)


def answer_hash(at: Authenticated, mount: str | None, body: bytes, algorithm: str) -> Response:
    """Answer `hash` of a mount, or of the service itself, which takes no input for an empty one."""
    service, caller = at
    given = read_body(body, HashBody)
    asked = given.body
    given_input = "" if mount is None and asked.input is None else asked.input
    data = input_of(given_input, "input missing")
    if asked.format not in ("hex", "base64"):
        raise InvalidInput(
            f'unsupported encoding format {asked.format[:32]}; must be "hex" or "base64"'
        )
    chosen = algorithm or asked.algorithm or DEFAULT_HASH
    made = transit.hash_data(service, caller, mount, data, chosen)
    return vault_answer(caller, {"sum": _in_format(made, asked.format)}, warnings=given.warnings)


def answer_random(
    at: Authenticated, mount: str | None, body: bytes, *, count: str = "", source: str = ""
) -> Response:
    """Answer `random` of a mount, or of the service itself. count, source: of the path."""
    service, caller = at
    given = read_body(body, RandomBody)
    asked = given.body
    if asked.format not in ("hex", "base64"):
        raise InvalidInput(
            f'unsupported encoding format "{asked.format[:32]}"; must be "hex" or "base64"'
        )
    chosen = source or asked.source
    if chosen not in SOURCES:
        raise InvalidInput(
            f'unsupported entropy source "{chosen[:32]}"; must be "platform" or "seal", or "all"'
        )
    if count and not (count.isascii() and count.isdigit() and len(count) < 10):
        raise InvalidInput(f'error parsing url-set byte count: "{count}" is no number')
    made = transit.random_bytes(service, caller, mount, int(count) if count else asked.bytes)
    shown = {"random_bytes": _in_format(made, asked.format)}
    return vault_answer(caller, shown, warnings=given.warnings)


def _manner(asked: SignBody | VerifyBody, algorithm: str) -> Manner:
    return Manner(
        hash_name=algorithm or asked.hash_algorithm or asked.algorithm or DEFAULT_HASH,
        prehashed=asked.prehashed,
        marshaling=asked.marshaling_algorithm,
        rsa_algorithm=asked.signature_algorithm or "pss",
        salt_length=asked.salt_length,
    )


def _valid(valid: bool) -> dict[str, Any]:  # noqa: FBT001 - one result
    return {"valid": valid}


def _in_format(data: bytes, form: str) -> str:
    return data.hex() if form == "hex" else to_base64(data)
