"""What a user would seal one value with instead: Fernet, Tink, the AWS Encryption SDK, the cipher.

Each binds the same place, where it can bind one, and is set up once, as a program would.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aws_encryption_sdk
import tink
from aws_encryption_sdk.caches.local import LocalCryptoMaterialsCache
from aws_encryption_sdk.identifiers import Algorithm, EncryptionKeyType, WrappingAlgorithm
from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
from aws_encryption_sdk.key_providers.raw import RawMasterKey
from aws_encryption_sdk.materials_managers.caching import CachingCryptoMaterialsManager
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tink import aead

# With a key commitment, which is the SDK's rule; without the signature that is its default, which
# no other here makes and which costs most of the time.
_SUITE = Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY
_MOST_CACHED = 100
_LONGEST_SECONDS = 3600.0
_MOST_MESSAGES = 2**32


@dataclass(frozen=True)
class Way:
    """One way to seal a value, and to open what it sealed."""

    seal: Callable[[], Any]
    open: Callable[[], bytes]


def peers(plain: bytes, place: Mapping[str, str]) -> Mapping[str, Way]:
    """The peers by name. place: what the sealed value is bound to."""
    bound = repr(sorted(place.items())).encode()
    return {
        "Fernet": _fernet(plain),
        "Tink": _tink(plain, bound),
        **_aws(plain, place),
        "bare AES-GCM": _bare(plain, bound),
    }


def _fernet(plain: bytes) -> Way:
    # It binds nothing.
    fernet = Fernet(Fernet.generate_key())
    token = fernet.encrypt(plain)
    return Way(lambda: fernet.encrypt(plain), lambda: fernet.decrypt(token))


def _tink(plain: bytes, bound: bytes) -> Way:
    aead.register()
    cipher = tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM).primitive(aead.Aead)
    sealed = cipher.encrypt(plain, bound)
    return Way(lambda: cipher.encrypt(plain, bound), lambda: cipher.decrypt(sealed, bound))


def _aws(plain: bytes, place: Mapping[str, str]) -> Mapping[str, Way]:
    client = aws_encryption_sdk.EncryptionSDKClient()
    key = RawMasterKey(
        provider_id="bench",
        key_id=b"key",
        wrapping_key=WrappingKey(
            WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING,
            os.urandom(32),
            EncryptionKeyType.SYMMETRIC,
        ),
    )
    cached = CachingCryptoMaterialsManager(
        cache=LocalCryptoMaterialsCache(_MOST_CACHED),
        max_age=_LONGEST_SECONDS,
        max_messages_encrypted=_MOST_MESSAGES,
        master_key_provider=key,
    )

    def way(**by: Any) -> Way:
        def seal() -> Any:
            return client.encrypt(
                source=plain, algorithm=_SUITE, encryption_context=dict(place), **by
            )

        sealed, _ = seal()
        return Way(seal, lambda: bytes(client.decrypt(source=sealed, **by)[0]))

    return {
        "AWS Encryption SDK": way(key_provider=key),
        "AWS SDK, keys cached": way(materials_manager=cached),
    }


def _bare(plain: bytes, bound: bytes) -> Way:
    cipher, nonce = AESGCM(os.urandom(32)), os.urandom(12)
    sealed = cipher.encrypt(nonce, plain, bound)
    return Way(
        lambda: cipher.encrypt(os.urandom(12), plain, bound),
        lambda: cipher.decrypt(nonce, sealed, bound),
    )
