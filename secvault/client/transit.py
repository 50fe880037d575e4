"""Encrypt, decrypt, rewrap, HMAC, sign, verify, data keys, random bytes: one value at a time.

Each function makes the `Call` of an operation; the clients have them as methods. Text stands for
its UTF-8 bytes. mount: of the transit engine. key_version: 0 for the latest. All raise Refusal
(BadRequest, NotAllowed, NotFound, Sealed...) and Unreachable when sent, WrongUse before.
"""

from __future__ import annotations

import base64
import binascii

import msgspec

from secvault.client.call import Answer, Call, Request, one
from secvault.client.errors import Unexpected, WrongUse
from secvault.client.item import ToDecrypt, ToEncrypt
from secvault.client.paths import Envelope, at, body, read, to_bytes
from secvault.client.secret import Secret

MOUNT = "transit"


class EncryptBody(msgspec.Struct, omit_defaults=True):
    """What is sent for one plaintext: nothing that is not needed, for the service's lean path."""

    plaintext: bytes
    associated_data: bytes = b""
    context: bytes = b""
    key_version: int = 0


class DecryptBody(msgspec.Struct, omit_defaults=True):
    """What is sent for one ciphertext."""

    ciphertext: str
    associated_data: bytes = b""
    context: bytes = b""
    key_version: int = 0


class SignBody(msgspec.Struct, omit_defaults=True):
    """What is sent for one input to sign or authenticate, and how."""

    input: bytes
    context: bytes = b""
    key_version: int = 0
    hash_algorithm: str = ""
    prehashed: bool = False
    signature_algorithm: str = ""
    marshaling_algorithm: str = ""
    salt_length: str = ""


class VerifyBody(SignBody, omit_defaults=True):
    """What is sent for one input with its signature or HMAC."""

    signature: str = ""
    hmac: str = ""


class _DataKeyBody(msgspec.Struct):
    bits: int
    context: bytes


class Ciphertext(msgspec.Struct):
    """The data of an answer."""

    ciphertext: str


class Plaintext(msgspec.Struct):
    """The data of an answer."""

    plaintext: bytes


class Hmac(msgspec.Struct):
    """The data of an answer."""

    hmac: str


class Signature(msgspec.Struct):
    """The data of an answer."""

    signature: str


class Valid(msgspec.Struct):
    """The data of an answer."""

    valid: bool


class _DataKey(msgspec.Struct):
    ciphertext: str
    plaintext: bytes = b""


class _Random(msgspec.Struct):
    random_bytes: bytes


class DataKey(msgspec.Struct, frozen=True):
    """A fresh key, and its ciphertext to keep: `decrypt` of it gives the key again."""

    key: Secret
    ciphertext: str


_CIPHERTEXT = msgspec.json.Decoder(Envelope[Ciphertext])
_PLAINTEXT = msgspec.json.Decoder(Envelope[Plaintext])
_HMAC = msgspec.json.Decoder(Envelope[Hmac])
_SIGNATURE = msgspec.json.Decoder(Envelope[Signature])
_VALID = msgspec.json.Decoder(Envelope[Valid])
_DATA_KEY = msgspec.json.Decoder(Envelope[_DataKey])
_RANDOM = msgspec.json.Decoder(Envelope[_Random])


def encrypt(
    key: str,
    plaintext: bytes | str,
    *,
    associated_data: bytes | str = b"",
    context: bytes | str = b"",
    key_version: int = 0,
    mount: str = MOUNT,
) -> Call[str]:
    """The ciphertext, `vault:v<version>:<base64>`.

    associated_data: must be given again to decrypt; name the place of the value, and a ciphertext
    that is moved elsewhere does not open. context: of a derived key.
    """
    item = ToEncrypt(plaintext, associated_data, context, key_version)
    asked = Request("POST", at(mount, "encrypt", key), body(encrypt_body(item)))
    return one(asked, lambda answer: read(answer, _CIPHERTEXT).data.ciphertext)


def decrypt(
    key: str,
    ciphertext: str,
    *,
    associated_data: bytes | str = b"",
    context: bytes | str = b"",
    mount: str = MOUNT,
) -> Call[bytes]:
    """The plaintext as bytes. Raises BadRequest when it does not open with just these."""
    item = ToDecrypt(ciphertext, associated_data, context)
    asked = Request("POST", at(mount, "decrypt", key), body(decrypt_body(item)))
    return one(asked, lambda answer: read(answer, _PLAINTEXT).data.plaintext)


def decrypt_text(
    key: str,
    ciphertext: str,
    *,
    associated_data: bytes | str = b"",
    context: bytes | str = b"",
    mount: str = MOUNT,
) -> Call[str]:
    """The plaintext as text. Raises BadRequest as `decrypt`, Unexpected when it is not UTF-8."""
    opened = decrypt(key, ciphertext, associated_data=associated_data, context=context, mount=mount)
    return Call(opened.requests, lambda answers: text_of(opened.read(answers)))


def rewrap(
    key: str,
    ciphertext: str,
    *,
    associated_data: bytes | str = b"",
    context: bytes | str = b"",
    key_version: int = 0,
    mount: str = MOUNT,
) -> Call[str]:
    """The same plaintext under the latest, or the stated, key version; it is not shown.

    OpenBao cannot rewrap what has associated data.
    """
    item = ToDecrypt(ciphertext, associated_data, context, key_version)
    asked = Request("POST", at(mount, "rewrap", key), body(decrypt_body(item)))
    return one(asked, lambda answer: read(answer, _CIPHERTEXT).data.ciphertext)


def hmac(
    key: str,
    input: bytes | str,  # noqa: A002 - as the engine names it
    *,
    algorithm: str = "",
    key_version: int = 0,
    mount: str = MOUNT,
) -> Call[str]:
    """The HMAC, `vault:v<version>:<base64>`. algorithm: such as sha2-512; empty for sha2-256."""
    asked = Request(
        "POST",
        _by_algorithm(mount, "hmac", key, algorithm),
        body(SignBody(to_bytes(input, "the input"), key_version=key_version)),
    )
    return one(asked, lambda answer: read(answer, _HMAC).data.hmac)


def sign(
    key: str,
    input: bytes | str,  # noqa: A002 - as the engine names it
    *,
    context: bytes | str = b"",
    key_version: int = 0,
    hash_algorithm: str = "",
    prehashed: bool = False,
    signature_algorithm: str = "",
    marshaling_algorithm: str = "",
    salt_length: str = "",
    mount: str = MOUNT,
) -> Call[str]:
    """The signature, `vault:v<version>:<base64>`. What is left empty is as the engine has it:
    sha2-256, pss, asn1, auto. prehashed: the input is the hash, as raw bytes.
    """
    given = SignBody(
        to_bytes(input, "the input"),
        to_bytes(context, "the context"),
        key_version,
        hash_algorithm,
        prehashed,
        signature_algorithm,
        marshaling_algorithm,
        salt_length,
    )
    asked = Request("POST", at(mount, "sign", key), body(given))
    return one(asked, lambda answer: read(answer, _SIGNATURE).data.signature)


def verify(
    key: str,
    input: bytes | str,  # noqa: A002 - as the engine names it
    *,
    signature: str = "",
    hmac: str = "",
    context: bytes | str = b"",
    hash_algorithm: str = "",
    prehashed: bool = False,
    signature_algorithm: str = "",
    marshaling_algorithm: str = "",
    salt_length: str = "",
    mount: str = MOUNT,
) -> Call[bool]:
    """Whether the signature, or the HMAC, is the key's for this input.

    Raises WrongUse unless just one of both is given.
    """
    if bool(signature) == bool(hmac):
        raise WrongUse("give either signature or hmac")
    given = VerifyBody(
        to_bytes(input, "the input"),
        context=to_bytes(context, "the context"),
        hash_algorithm=hash_algorithm,
        prehashed=prehashed,
        signature_algorithm=signature_algorithm,
        marshaling_algorithm=marshaling_algorithm,
        salt_length=salt_length,
        signature=signature,
        hmac=hmac,
    )
    asked = Request("POST", at(mount, "verify", key), body(given))
    return one(asked, lambda answer: read(answer, _VALID).data.valid)


def data_key(
    key: str, *, bits: int = 256, context: bytes | str = b"", mount: str = MOUNT
) -> Call[DataKey]:
    """A fresh key of 128, 256 or 512 bits in clear, and encrypted under `key`."""
    given = _DataKeyBody(bits, to_bytes(context, "the context"))
    asked = Request("POST", at(mount, "datakey", "plaintext", key), body(given))

    def made(answer: Answer) -> DataKey:
        data = read(answer, _DATA_KEY).data
        return DataKey(Secret(data.plaintext), data.ciphertext)

    return one(asked, made)


def wrapped_data_key(
    key: str, *, bits: int = 256, context: bytes | str = b"", mount: str = MOUNT
) -> Call[str]:
    """A fresh key, encrypted only, for whoever may decrypt it later."""
    given = _DataKeyBody(bits, to_bytes(context, "the context"))
    asked = Request("POST", at(mount, "datakey", "wrapped", key), body(given))
    return one(asked, lambda answer: read(answer, _DATA_KEY).data.ciphertext)


def random(count: int = 32, *, mount: str = MOUNT) -> Call[bytes]:
    """So many random bytes of the server's."""
    asked = Request("POST", at(mount, "random", str(count)), b"{}")
    return one(asked, lambda answer: read(answer, _RANDOM).data.random_bytes)


def encrypt_body(item: ToEncrypt) -> EncryptBody:
    """What is sent for the item. Raises WrongUse."""
    return EncryptBody(
        to_bytes(item.plaintext, "the plaintext"),
        to_bytes(item.associated_data, "the associated data"),
        to_bytes(item.context, "the context"),
        item.key_version,
    )


def decrypt_body(item: ToDecrypt) -> DecryptBody:
    """What is sent for the item. Raises WrongUse."""
    if not isinstance(item.ciphertext, str):
        raise WrongUse(f"the ciphertext must be str, not {type(item.ciphertext).__name__}")
    return DecryptBody(
        item.ciphertext,
        to_bytes(item.associated_data, "the associated data"),
        to_bytes(item.context, "the context"),
        item.key_version,
    )


def text_of(plaintext: bytes) -> str:
    """The text. Raises Unexpected, without the bytes, when it is not UTF-8."""
    try:
        return plaintext.decode()
    except UnicodeDecodeError:
        raise Unexpected("the plaintext is not UTF-8: decrypt it as bytes") from None


def base64_of(text: str) -> bytes:
    """The bytes after the last colon. Raises Unexpected."""
    try:
        return base64.b64decode(text.rpartition(":")[2], validate=True)
    except binascii.Error:
        raise Unexpected("not of the form vault:v<version>:<base64>") from None


def _by_algorithm(mount: str, operation: str, key: str, algorithm: str) -> str:
    return at(mount, operation, key, algorithm) if algorithm else at(mount, operation, key)
