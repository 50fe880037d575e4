"""Derivation by published vectors, and what convergent encryption rests on."""

from __future__ import annotations

import pytest

from secvault.crypto.derivation import convergent_keys, convergent_nonce, derive
from secvault.crypto.digest import HASHES, authenticate, digest, is_authentic
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput


def test_keys_are_derived_as_rfc_5869_says() -> None:
    # Appendix A.3: no salt, no info.
    made = derive(Secret(bytes([0x0B] * 22)), b"", 42)
    assert made.expose().hex() == (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    )


def test_contexts_have_keys_of_their_own() -> None:
    key = Secret(bytes(32))
    assert derive(key, b"a", 32) != derive(key, b"b", 32)
    cipher, nonces = convergent_keys(key, b"a", 16)
    assert len(cipher.expose()) == 16
    assert len(nonces.expose()) == 32
    assert convergent_nonce(nonces, b"x", 12) == convergent_nonce(nonces, b"x", 12)
    assert convergent_nonce(nonces, b"x", 12) != convergent_nonce(nonces, b"y", 12)


def test_hmac_is_that_of_rfc_4231() -> None:
    # Test case 2.
    key, data = Secret(b"Jefe"), b"what do ya want for nothing?"
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert authenticate("sha2-256", key, data).hex() == expected
    assert is_authentic("sha2-256", key, data, bytes.fromhex(expected))
    assert not is_authentic("sha2-256", key, data, bytes.fromhex(expected)[:31])


@pytest.mark.parametrize("name", [name for name in HASHES if name != "sha1"])
def test_every_hash_has_its_length(name: str) -> None:
    assert len(digest(name, b"abc")) == int(name.rpartition("-")[2]) // 8


def test_a_broken_or_unknown_hash_is_refused() -> None:
    for name in ("sha1", "md5", ""):
        with pytest.raises(InvalidInput, match="unsupported algorithm"):
            digest(name, b"")
