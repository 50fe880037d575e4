"""Requests that a real OpenBao and secvault must answer alike.

A case is a few steps (method, path below `/v1/`, body). `{k}` is a key of the case's own. A text
`<n.a.b>` stands for the value at `a.b` in the answer of step n.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Step = tuple[str, str, Any]


@dataclass(frozen=True)
class Case:
    """A name, and what is asked in order."""

    name: str
    steps: tuple[Step, ...]


def b64(text: str) -> str:
    """Text as the engine wants it."""
    return base64.b64encode(text.encode()).decode()


PLAIN = {"plaintext": b64("lương tháng 11")}
INPUT = {"input": b64("lương tháng 11")}
CONTEXT = {"context": b64("phòng kế toán")}
BOUND = {"associated_data": b64("payroll/7")}
NO_CONTEXT_NEEDED = {"context": b64("unused")}

CIPHERS = ("aes128-gcm96", "aes256-gcm96", "chacha20-poly1305")
SIGNERS = ("ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-2048")
HASHES = ("sha1", "sha2-224", "sha2-256", "sha2-384", "sha2-512")
HASHES += ("sha3-224", "sha3-256", "sha3-384", "sha3-512")
EXPORTS = ("encryption-key", "signing-key", "hmac-key", "public-key")


def options_of(kind: str) -> dict[str, Any]:
    """What a key of this kind needs to be made."""
    return {"type": kind, **({"key_size": 32} if kind == "hmac" else {})}


def _made(**options: Any) -> Step:
    return ("POST", "transit/keys/{k}", options)


def _post(what: str, body: Any = None, tail: str = "") -> Step:
    return ("POST", f"transit/{what}/{{k}}{tail}", body if body is not None else {})


def all_cases() -> list[Case]:
    """Every case; names are unique."""
    groups = (_kinds(), _encryption(), _batches(), _signing(), _digests(), _limits(), _moving())
    return [case for group in groups for case in group]


def _kinds() -> Iterator[Case]:
    for kind in (*CIPHERS, *SIGNERS, "hmac"):
        make = _made(**options_of(kind), exportable=True, allow_plaintext_backup=True)
        read: Step = ("GET", "transit/keys/{k}", None)
        rotate: Step = ("POST", "transit/keys/{k}/rotate", {})
        yield Case(f"{kind}: made, read, rotated", (make, read, rotate, read))
        yield Case(f"{kind}: encrypted", (make, _post("encrypt", PLAIN)))
        yield Case(f"{kind}: signed", (make, _post("sign", INPUT)))
        yield Case(f"{kind}: HMAC", (make, _post("hmac", INPUT)))
        yield Case(f"{kind}: decrypted", (make, _post("decrypt", {"ciphertext": "vault:v1:AAAA"})))
        yield Case(
            f"{kind}: verified", (make, _post("verify", {**INPUT, "signature": "vault:v1:AAAA"}))
        )
        yield Case(f"{kind}: data key", (make, _post("datakey/plaintext")))
        yield Case(f"{kind}: backed up", (make, ("GET", "transit/backup/{k}", None)))
        for what in EXPORTS:
            yield Case(
                f"{kind}: exported as {what}", (make, ("GET", f"transit/export/{what}/{{k}}", None))
            )
        yield Case(f"{kind}: derived", (_made(**options_of(kind), derived=True), read))
        yield Case(
            f"{kind}: convergent",
            (_made(**options_of(kind), derived=True, convergent_encryption=True), read),
        )
        yield Case(f"{kind}: with a key size", (_made(type=kind, key_size=64), read))
    for name, options in {
        "unknown kind": {"type": "nope"},
        "convergent without derived": {"convergent_encryption": True},
        "rotation too often": {"auto_rotate_period": "5m"},
        "rotation in words": {"auto_rotate_period": "often"},
        "rotation daily": {"auto_rotate_period": "24h"},
        "rotation in seconds": {"auto_rotate_period": 7200},
        "HMAC key too small": {"type": "hmac", "key_size": 3},
        "HMAC key too large": {"type": "hmac", "key_size": 513},
        "flags as text": {"exportable": "true"},
        "unknown parameter": {"colour": "red", "beside": 1},
    }.items():
        yield Case(f"a new key: {name}", (_made(**options), ("GET", "transit/keys/{k}", None)))
    yield Case("made twice", (_made(), _made(exportable=True)))
    for method, path in (
        ("GET", "transit/keys/{k}"),
        ("POST", "transit/keys/{k}/rotate"),
        ("POST", "transit/keys/{k}/config"),
        ("POST", "transit/keys/{k}/trim"),
        ("DELETE", "transit/keys/{k}"),
        ("GET", "transit/export/encryption-key/{k}"),
        ("GET", "transit/backup/{k}"),
        ("LIST", "transit/nothing"),
        ("GET", "transit/nothing/{k}"),
        ("GET", "nowhere/keys/{k}"),
    ):
        yield Case(f"missing: {method} {path}", ((method, path, {} if method == "POST" else None),))
    for what, body in (
        ("decrypt", {"ciphertext": "vault:v1:AAAA"}),
        ("rewrap", {"ciphertext": "vault:v1:AAAA"}),
        ("sign", INPUT),
        ("hmac", INPUT),
        ("datakey/plaintext", {}),
        ("datakey/wrapped", {}),
    ):
        yield Case(f"missing key: {what}", (_post(what, body),))
    yield Case(
        "encrypt makes the key", (_post("encrypt", PLAIN), ("GET", "transit/keys/{k}", None))
    )
    yield Case(
        "encrypt makes a derived key",
        (_post("encrypt", {**PLAIN, **CONTEXT}), ("GET", "transit/keys/{k}", None)),
    )
    yield Case(
        "encrypt makes a key of a kind",
        (
            _post("encrypt", {**PLAIN, "type": "chacha20-poly1305"}),
            ("GET", "transit/keys/{k}", None),
        ),
    )


def _encryption() -> Iterator[Case]:
    for kind in CIPHERS:
        make, derived = _made(type=kind), _made(type=kind, derived=True)
        convergent = _made(type=kind, derived=True, convergent_encryption=True)
        for name, made, more in (
            ("plain", make, {}),
            ("bound", make, BOUND),
            ("with an unused context", make, NO_CONTEXT_NEEDED),
            ("derived", derived, CONTEXT),
            ("derived and bound", derived, {**CONTEXT, **BOUND}),
            ("convergent", convergent, CONTEXT),
        ):
            back = {"ciphertext": "<1.data.ciphertext>", **more}
            yield Case(
                f"{kind}: {name} there and back",
                (made, _post("encrypt", {**PLAIN, **more}), _post("decrypt", back)),
            )
            yield Case(
                f"{kind}: {name} rewrapped",
                (
                    made,
                    _post("encrypt", {**PLAIN, **more}),
                    ("POST", "transit/keys/{k}/rotate", {}),
                    _post("rewrap", back),
                    _post("decrypt", {**back, "ciphertext": "<3.data.ciphertext>"}),
                ),
            )
            yield Case(
                f"{kind}: {name} opened with other associated data",
                (
                    made,
                    _post("encrypt", {**PLAIN, **more}),
                    _post("decrypt", {**back, "associated_data": b64("other")}),
                ),
            )
        yield Case(f"{kind}: derived without context", (derived, _post("encrypt", PLAIN)))
        yield Case(
            f"{kind}: derived opened without context",
            (
                derived,
                _post("encrypt", {**PLAIN, **CONTEXT}),
                _post("decrypt", {"ciphertext": "<1.data.ciphertext>"}),
            ),
        )
        yield Case(
            f"{kind}: derived opened with another context",
            (
                derived,
                _post("encrypt", {**PLAIN, **CONTEXT}),
                _post("decrypt", {"ciphertext": "<1.data.ciphertext>", "context": b64("other")}),
            ),
        )
        for bits in (128, 256, 512, 3):
            for form in ("plaintext", "wrapped"):
                yield Case(
                    f"{kind}: data key, {form}, {bits}",
                    (make, _post(f"datakey/{form}", {"bits": bits})),
                )
    for name, body in {
        "no plaintext": {},
        "no base64": {"plaintext": "*"},
        "no base64 context": {**PLAIN, "context": "*"},
        "a version too high": {**PLAIN, "key_version": 3},
        "a negative version": {**PLAIN, "key_version": -1},
        "the first version": {**PLAIN, "key_version": 1},
        "a version as text": {**PLAIN, "key_version": "1"},
        "an empty plaintext": {"plaintext": ""},
        "a nonce": {**PLAIN, "nonce": b64("123456789012")},
    }.items():
        yield Case(f"encrypt: {name}", (_made(), _post("encrypt", body)))
    for name, text in {
        "no prefix": "zzz",
        "no version": "vault:v:AAAA",
        "too short": "vault:v1:AAAA",
        "too new": "vault:v9:" + base64.b64encode(bytes(40)).decode(),
        "not base64": "vault:v1:*",
        "another key's": "vault:v1:" + base64.b64encode(bytes(40)).decode(),
        "empty": "",
    }.items():
        for what in ("decrypt", "rewrap"):
            yield Case(f"{what}: {name}", (_made(), _post(what, {"ciphertext": text})))
    yield Case("rsa-2048: there and back", _there_and_back("rsa-2048"))
    yield Case("rsa-2048: bound", (_made(type="rsa-2048"), _post("encrypt", {**PLAIN, **BOUND})))
    yield Case("a data key in no form", (_made(), _post("datakey/other")))


def _there_and_back(kind: str) -> tuple[Step, ...]:
    back = {"ciphertext": "<1.data.ciphertext>"}
    return (_made(type=kind), _post("encrypt", PLAIN), _post("decrypt", back))


def _batches() -> Iterator[Case]:
    good, bad = {**PLAIN, "reference": "a"}, {"plaintext": "*", "reference": "b"}
    for name, body in {
        "all good": {"batch_input": [good, PLAIN]},
        "one bad": {"batch_input": [good, bad]},
        "one bad, with a status": {
            "batch_input": [good, bad],
            "partial_failure_response_code": 207,
        },
        "all bad": {"batch_input": [bad]},
        "all bad, with a status": {"batch_input": [bad], "partial_failure_response_code": 207},
        "empty": {"batch_input": []},
        "no list": {"batch_input": "x"},
        "versions": {"batch_input": [{**PLAIN, "key_version": 1}, {**PLAIN, "key_version": 9}]},
    }.items():
        yield Case(f"encrypt a batch: {name}", (_made(), _post("encrypt", body)))
    sealed = {"ciphertext": "<1.data.ciphertext>", "reference": "a"}
    broken = {"ciphertext": "vault:v1:AAAA", "reference": "b"}
    for what in ("decrypt", "rewrap"):
        for name, items in {"all good": [sealed, sealed], "one bad": [sealed, broken]}.items():
            yield Case(
                f"{what} a batch: {name}",
                (_made(), _post("encrypt", PLAIN), _post(what, {"batch_input": items})),
            )
    inputs = [INPUT, {"reference": "r"}, {"input": "*", "reference": "q"}]
    yield Case("HMAC of a batch", (_made(), _post("hmac", {"batch_input": inputs})))
    for kind in ("ed25519", "ecdsa-p256"):
        yield Case(
            f"{kind}: sign a batch", (_made(type=kind), _post("sign", {"batch_input": inputs}))
        )


def _signing() -> Iterator[Case]:
    for kind in SIGNERS:
        hashes = HASHES if kind == "ecdsa-p256" else ("sha2-256", "sha2-512")
        for name in hashes:
            for marshaling in ("asn1", "jws"):
                manner = {"hash_algorithm": name, "marshaling_algorithm": marshaling}
                yield _signed(kind, f"{name}, {marshaling}", manner)
        yield Case(
            f"{kind}: another input",
            (
                _made(type=kind),
                _post("sign", INPUT),
                _post("verify", {"input": b64("x"), "signature": "<1.data.signature>"}),
            ),
        )
        for name, body in {
            "unknown hash": {**INPUT, "hash_algorithm": "md5"},
            "unknown marshaling": {**INPUT, "marshaling_algorithm": "pem"},
            "a version too high": {**INPUT, "key_version": 9},
            "no base64": {"input": "*"},
        }.items():
            yield Case(f"{kind}: sign: {name}", (_made(type=kind), _post("sign", body)))
        for name, text in {
            "no prefix": "zz",
            "too new": "vault:v9:AAAA",
            "not base64": "vault:v1:*",
        }.items():
            yield Case(
                f"{kind}: verify: {name}",
                (_made(type=kind), _post("verify", {**INPUT, "signature": text})),
            )
    for algorithm in ("pss", "pkcs1v15"):
        for name in HASHES[1:5]:
            manner = {"signature_algorithm": algorithm, "hash_algorithm": name}
            yield _signed("rsa-2048", f"{algorithm}, {name}", manner)
    for salt in ("auto", "hash", "20"):
        yield _signed("rsa-2048", f"salt {salt}", {"salt_length": salt})
    for name, more in {
        "unknown algorithm": {"signature_algorithm": "raw"},
        "salt in words": {"salt_length": "long"},
        "salt too long": {"salt_length": "300"},
        "prehashed but no hash": {"prehashed": True},
    }.items():
        yield Case(f"rsa-2048: {name}", (_made(type="rsa-2048"), _post("sign", {**INPUT, **more})))
    yield Case(
        "ed25519: derived, signed",
        (_made(type="ed25519", derived=True), _post("sign", {**INPUT, **CONTEXT})),
    )
    yield Case(
        "ed25519: derived without context",
        (_made(type="ed25519", derived=True), _post("sign", INPUT)),
    )
    yield Case("verify: nothing", (_made(type="ecdsa-p256"), _post("verify", INPUT)))


def _signed(kind: str, name: str, manner: dict[str, Any]) -> Case:
    check = {**INPUT, **manner, "signature": "<1.data.signature>"}
    return Case(
        f"{kind}: {name}, signed and verified",
        (_made(type=kind), _post("sign", {**INPUT, **manner}), _post("verify", check)),
    )


def _digests() -> Iterator[Case]:
    for name in HASHES:
        check = {**INPUT, "hmac": "<1.data.hmac>", "algorithm": name}
        yield Case(
            f"HMAC by {name}",
            (_made(), _post("hmac", {**INPUT, "algorithm": name}), _post("verify", check)),
        )
        yield Case(f"HMAC by {name} in the path", (_made(), _post("hmac", INPUT, f"/{name}")))
        for form in ("hex", "base64"):
            yield Case(
                f"hash {name}, {form}",
                (("POST", f"transit/hash/{name}", {**INPUT, "format": form}),),
            )
    for name, text in {
        "no prefix": "zz",
        "too new": "vault:v9:AAAA",
        "not base64": "vault:v1:*",
        "another": "vault:v1:AAAA",
    }.items():
        yield Case(f"verify an HMAC: {name}", (_made(), _post("verify", {**INPUT, "hmac": text})))
    for name, body in {
        "no input": {},
        "no base64": {"input": "*"},
        "a version too high": {**INPUT, "key_version": 7},
    }.items():
        yield Case(f"HMAC: {name}", (_made(), _post("hmac", body)))
    for name, body in {
        "nothing": {},
        "unknown": {**INPUT, "algorithm": "md5"},
        "unknown format": {**INPUT, "format": "octal"},
        "no base64": {"input": "*"},
    }.items():
        yield Case(f"hash: {name}", (("POST", "transit/hash", body),))
    for path, body in (
        ("random", {}),
        ("random/16", {}),
        ("random/16", {"format": "hex"}),
        ("random/0", {}),
        ("random/200000", {}),
        ("random/many", {}),
        ("random/platform/8", {}),
        ("random/all/8", {}),
        ("random/moon/8", {}),
        ("random", {"format": "octal"}),
        ("random", {"bytes": "x"}),
        ("random", {"bytes": "8"}),
    ):
        yield Case(f"{path} {body}", (("POST", f"transit/{path}", body),))


def _limits() -> Iterator[Case]:
    rotate: Step = ("POST", "transit/keys/{k}/rotate", {})
    old = (_made(), rotate, rotate, rotate)
    for name, body in {
        "nothing": {},
        "decryption 0": {"min_decryption_version": 0},
        "decryption negative": {"min_decryption_version": -1},
        "decryption too high": {"min_decryption_version": 9},
        "decryption 2": {"min_decryption_version": 2},
        "encryption too high": {"min_encryption_version": 9},
        "encryption negative": {"min_encryption_version": -1},
        "encryption 2": {"min_encryption_version": 2},
        "encryption below decryption": {"min_encryption_version": 2, "min_decryption_version": 3},
        "both": {"min_encryption_version": 3, "min_decryption_version": 3},
        "deletion": {"deletion_allowed": True},
        "exportable": {"exportable": True},
        "backup": {"allow_plaintext_backup": True, "exportable": True},
        "rotation": {"auto_rotate_period": "48h"},
        "rotation too often": {"auto_rotate_period": "1m"},
    }.items():
        configure = _post("keys", body, "/config")
        yield Case(f"configure: {name}", (*old, configure, ("GET", "transit/keys/{k}", None)))
        yield Case(
            f"configure: {name}, then encrypt with version 1",
            (*old, configure, _post("encrypt", {**PLAIN, "key_version": 1})),
        )
    ready = (
        *old,
        _post("keys", {"min_encryption_version": 3, "min_decryption_version": 3}, "/config"),
    )
    for name, body in {
        "nothing": {},
        "0": {"min_available_version": 0},
        "negative": {"min_available_version": -1},
        "too high": {"min_available_version": 9},
        "2": {"min_available_version": 2},
        "3": {"min_available_version": 3},
    }.items():
        trim = _post("keys", body, "/trim")
        yield Case(f"trim: {name}", (*ready, trim, ("GET", "transit/keys/{k}", None)))
        yield Case(
            f"trim: {name}, then lower the minimum",
            (*ready, trim, _post("keys", {"min_decryption_version": 1}, "/config")),
        )
        yield Case(f"trim: {name}, without minimum", (*old, trim))
    drop: Step = ("DELETE", "transit/keys/{k}", None)
    allow = _post("keys", {"deletion_allowed": True}, "/config")
    yield Case("delete", (_made(), drop))
    yield Case("delete when allowed", (_made(), allow, drop, ("GET", "transit/keys/{k}", None)))
    shut: Step = ("DELETE", "transit/keys/{k}/soft-delete", None)
    back = _post("keys", {}, "/soft-delete-restore")
    for name, step in {
        "read": ("GET", "transit/keys/{k}", None),
        "encrypt": _post("encrypt", PLAIN),
        "rotate": rotate,
        "configure": allow,
    }.items():
        yield Case(f"soft-deleted: {name}", (_made(), shut, step))
        yield Case(f"soft-deleted and back: {name}", (_made(), shut, back, step))


def _moving() -> Iterator[Case]:
    make = _made(exportable=True, allow_plaintext_backup=True)
    backup: Step = ("GET", "transit/backup/{k}", None)
    for name, step in {
        "as it is": _post("restore", {"backup": "<1.data.backup>"}),
        "under another name": ("POST", "transit/restore/{k}-b", {"backup": "<1.data.backup>"}),
        "without a backup": ("POST", "transit/restore", {}),
        "no base64": ("POST", "transit/restore/{k}-b", {"backup": "*"}),
    }.items():
        read: Step = ("GET", "transit/keys/{k}-b", None)
        yield Case(f"restore: {name}", (make, backup, step, read))
    yield Case("back up a key that is not exportable", (_made(), backup))
    yield Case("back up without leave", (_made(exportable=True), backup))
    for name, path in {
        "the latest": "encryption-key/{k}/latest",
        "a version": "encryption-key/{k}/1",
        "a version too high": "encryption-key/{k}/9",
        "a version in words": "encryption-key/{k}/x",
        "an unknown form": "other/{k}",
    }.items():
        yield Case(f"export: {name}", (make, ("GET", f"transit/export/{path}", None)))
        yield Case(
            f"export unexportable: {name}", (_made(), ("GET", f"transit/export/{path}", None))
        )
    public = "<0.data.keys.1.public_key>"
    for name, body in {
        "a public half": {"public_key": public, "type": "ecdsa-p256"},
        "a public half of another kind": {"public_key": public, "type": "rsa-2048"},
        "a public half for a cipher": {"public_key": public, "type": "aes256-gcm96"},
        "no PEM": {"public_key": "zz", "type": "ecdsa-p256"},
        "an unknown kind": {"ciphertext": "YWJj", "type": "nope"},
        "an unknown hash": {"ciphertext": "YWJj", "hash_function": "md5"},
        "too short": {"ciphertext": "YWJj"},
        "nothing": {},
    }.items():
        yield Case(
            f"import: {name}",
            (
                _made(type="ecdsa-p256"),
                ("POST", "transit/keys/{k}-i/import", body),
                ("GET", "transit/keys/{k}-i", None),
            ),
        )
    yield Case(
        "import over a key",
        (_made(), ("POST", "transit/keys/{k}/import", {"ciphertext": "YWJj"})),
    )
