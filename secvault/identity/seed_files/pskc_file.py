"""Seeds as a Portable Symmetric Key Container (RFC 6030), plain or under a pre-shared key.

Encrypted containers must be AES-CBC with a MAC over each seed (RFC 6030, 6.1): a ciphertext without
one could have been changed on its way. Passphrases (6.2) are refused, because how much work they
cost would be the sender's choice. Entities and document types are refused before the container is
read, whatever XML library does that.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.identity.seed_files.token import LARGEST_FILE, FromFile, each_once, serial_of
from secvault.identity.totp import COMMON, Shape, seed_of

if TYPE_CHECKING:
    from pskc import PSKC
    from pskc.key import Key

KEY_BYTES = (16, 24, 32)
"""Lengths of a pre-shared key: AES-128, -192, -256."""

_TOTP = re.compile(r"(?:.*[:#/])?totp", re.IGNORECASE)
_SUITES = {"": "SHA1", "hmac-sha1": "SHA1", "hmac-sha256": "SHA256", "hmac-sha512": "SHA512"}
_MACS = {"hmac-sha1", "hmac-sha256", "hmac-sha512"}
_CBC = re.compile(r".*aes(?:128|192|256)-cbc")


def read_pskc(content: bytes, preshared_key: Secret | None = None) -> tuple[FromFile, ...]:
    """The TOTP tokens in the container. preshared_key: the bytes that it is encrypted under.

    Raises InvalidInput, never with any of a seed: for what is no container, a wrong or missing key,
    a MAC that is wrong or missing, and a token that is no TOTP token.
    """
    from defusedxml.common import DefusedXmlException  # noqa: PLC0415 - for this file only
    from defusedxml.ElementTree import ParseError as NoXml  # noqa: PLC0415
    from defusedxml.ElementTree import fromstring  # noqa: PLC0415
    from pskc import PSKC  # noqa: PLC0415
    from pskc.exceptions import PSKCError  # noqa: PLC0415

    if len(content) > LARGEST_FILE:
        raise InvalidInput.at("file", f"has more than {LARGEST_FILE} bytes")
    if preshared_key is not None and len(preshared_key.expose()) not in KEY_BYTES:
        raise InvalidInput.at("key", "must be 16, 24 or 32 bytes, in hexadecimal")
    try:
        fromstring(content, forbid_dtd=True)
        container = PSKC(io.BytesIO(content))
    except (DefusedXmlException, NoXml, PSKCError, ValueError, LookupError):
        raise InvalidInput.at("file", "is no PSKC container (RFC 6030), version 1.0") from None
    _require_sound(container, preshared_key)
    try:
        return each_once(list(_tokens(container)))
    except (PSKCError, ValueError):
        raise InvalidInput.at(
            "key", "does not open the container, or a seed in it was changed"
        ) from None


def _require_sound(container: PSKC, preshared_key: Secret | None) -> None:
    encrypted = bool(container.encryption.algorithm)
    if container.encryption.derivation.algorithm:
        raise InvalidInput.at("file", "is under a passphrase; ask for one under a pre-shared key")
    if not encrypted:
        if preshared_key is not None:
            raise InvalidInput.at("key", "was given, but the container is not encrypted")
        return
    if not _CBC.fullmatch(container.encryption.algorithm or ""):
        raise InvalidInput.at("file", "is not encrypted by AES-CBC")
    if preshared_key is None:
        raise InvalidInput.at("key", "is needed: the container is encrypted")
    mac = (container.mac.algorithm or "").rpartition("#")[2].lower()
    if mac not in _MACS:
        raise InvalidInput.at("file", "has no MAC by HMAC; its seeds could have been changed")
    container.encryption.key = preshared_key.expose()


def _tokens(container: PSKC) -> Iterator[FromFile]:
    from pskc.key import EncryptedValue  # noqa: PLC0415

    encrypted = bool(container.encryption.algorithm)
    for number, key in enumerate(container.keys, start=1):
        where = f"key {number}"
        kept = getattr(key, "_secret", None)
        if encrypted and not (isinstance(kept, EncryptedValue) and kept.mac_value):
            raise InvalidInput.at(where, "has no MAC beside its encrypted seed")
        if not encrypted and isinstance(kept, EncryptedValue):
            raise InvalidInput.at(where, "is encrypted, but the container does not say how")
        yield _token(key, where)


def _token(key: Key, where: str) -> FromFile:
    serial = serial_of(key.serial or key.id, where)
    if not _TOTP.fullmatch(key.algorithm or ""):
        raise InvalidInput.at(where, "is no TOTP key")
    if key.time_offset:
        raise InvalidInput.at(where, "counts its steps from another moment than 1970")
    suite = (key.algorithm_suite or "").rpartition("#")[2].lower()
    if key.response_encoding not in (None, "DECIMAL") or suite not in _SUITES:
        raise InvalidInput.at(where, "does not show decimal codes by HMAC with a SHA hash")
    try:
        shape = Shape.of(
            _SUITES[suite],
            COMMON.digits if key.response_length is None else key.response_length,
            COMMON.period if key.time_interval is None else key.time_interval,
        )
        return FromFile(serial, seed_of(key.secret or b""), shape)
    except InvalidInput as error:
        raise InvalidInput.at(
            where, "; ".join(f"{fault.field} {fault.detail}" for fault in error.fields)
        ) from None
