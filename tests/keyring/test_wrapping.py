"""Key material that travels under the RSA wrapping key, wrapped here by hand."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.keywrap import aes_key_wrap, aes_key_wrap_with_padding
from sqlalchemy import update

from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput
from secvault.keyring import Keyring
from secvault.keyring.wrapping import HASHES, public_pem, unwrap_import, wrapping_key
from secvault.store import Store, tables

TARGET = Secret(bytes(range(32)))


@pytest.fixture(scope="module")
def private() -> rsa.RSAPrivateKey:
    # Small, to be made quickly: the format is the same.
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def wrapped(
    key: rsa.RSAPublicKey,
    target: bytes = TARGET.expose(),
    algorithm: type[hashes.HashAlgorithm] = hashes.SHA256,
    ephemeral: bytes | None = None,
) -> bytes:
    """What the documentation of the transit engine's import tells the other side to do."""
    ephemeral = ephemeral or os.urandom(32)
    oaep = padding.OAEP(padding.MGF1(algorithm()), algorithm(), None)
    return key.encrypt(ephemeral, oaep) + aes_key_wrap_with_padding(ephemeral, target)


@pytest.mark.parametrize("name", HASHES)
def test_what_was_wrapped_for_us_opens_with_each_hash(
    private: rsa.RSAPrivateKey, name: str
) -> None:
    assert unwrap_import(wrapped(private.public_key(), algorithm=HASHES[name]), private, name) == (
        TARGET
    )


def test_the_hash_is_sha256_unless_said_otherwise(private: rsa.RSAPrivateKey) -> None:
    assert unwrap_import(wrapped(private.public_key()), private) == TARGET
    with pytest.raises(InvalidInput, match=r"^ciphertext: it does not open"):
        unwrap_import(wrapped(private.public_key(), algorithm=hashes.SHA1), private)


@pytest.mark.parametrize("length", [1, 7, 8, 16, 31, 33, 64, 2400])
def test_material_of_any_length_comes_back_whole(private: rsa.RSAPrivateKey, length: int) -> None:
    target = os.urandom(length)
    assert unwrap_import(wrapped(private.public_key(), target), private).expose() == target


def test_an_unknown_hash_is_refused_with_those_that_are_known(private: rsa.RSAPrivateKey) -> None:
    with pytest.raises(
        InvalidInput, match=r"^unknown hash function: MD5; use one of SHA1, .*SHA512$"
    ):
        unwrap_import(b"", private, "MD5")


@pytest.mark.parametrize("length", [0, 100, 256])
def test_what_is_too_short_to_hold_a_key_says_so(private: rsa.RSAPrivateKey, length: int) -> None:
    with pytest.raises(InvalidInput, match="provided ciphertext is too short"):
        unwrap_import(wrapped(private.public_key())[:length], private)


def test_whatever_is_wrong_the_answer_is_the_same(private: rsa.RSAPrivateKey) -> None:
    good = wrapped(private.public_key())
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    strange = private.public_key().encrypt(bytes(20), oaep)
    wrong = [
        good[:257],
        good[:-1],
        good[:-8],
        good + b"x",
        good + bytes(8),
        wrapped(other.public_key()),
        bytes([good[0] ^ 1]) + good[1:],
        good[:-1] + bytes([good[-1] ^ 1]),
        strange + good[256:],
        # RFC 3394, without padding, is another format.
        private.public_key().encrypt(bytes(32), oaep) + aes_key_wrap(bytes(32), TARGET.expose()),
        bytes(100_000),
    ]
    told = set()
    for one in wrong:
        with pytest.raises(InvalidInput) as caught:
            unwrap_import(one, private)
        told.add(str(caught.value))
        assert caught.value.__suppress_context__
    assert told == {"ciphertext: it does not open with the wrapping key; wrap for this vault's key"}


def test_the_vault_has_one_wrapping_key_of_4096_bits_and_shows_its_public_half(
    any_store: Store, keyring: Keyring
) -> None:
    key = wrapping_key(keyring)
    assert key.key_size == 4096
    assert public_pem(key) == public_pem(wrapping_key(keyring))
    public = serialization.load_pem_public_key(public_pem(key).encode())
    assert isinstance(public, rsa.RSAPublicKey)
    assert "PRIVATE" not in public_pem(key)
    assert unwrap_import(wrapped(public), key) == TARGET
    with any_store.write() as connection:
        brought = keyring.create(
            connection, "transit", "theirs", material=unwrap_import(wrapped(public), key)
        )
        assert keyring.material(connection, "transit", "theirs", 1) == TARGET
    assert brought.imported


def test_a_wrapping_key_that_was_changed_is_damage(any_store: Store, keyring: Keyring) -> None:
    keyring.internal("import-wrapping")
    with any_store.write() as connection:
        connection.execute(update(tables.named_key_version).values(wrapped=bytes(2000)))
    with pytest.raises(Damaged, match="internal/import-wrapping"):
        wrapping_key(keyring)
