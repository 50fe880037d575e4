"""Encrypting, decrypting, rewrapping, data keys, batches."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from tests.contract.case import (
    BOUND,
    CIPHERS,
    CONTEXT,
    INPUT,
    NO_CONTEXT_NEEDED,
    PLAIN,
    Case,
    Step,
    b64,
    new_key,
    post,
)


def encryption() -> Iterator[Case]:
    for kind in CIPHERS:
        make, derived = new_key(type=kind), new_key(type=kind, derived=True)
        convergent = new_key(type=kind, derived=True, convergent_encryption=True)
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
                (made, post("encrypt", {**PLAIN, **more}), post("decrypt", back)),
            )
            yield Case(
                f"{kind}: {name} rewrapped",
                (
                    made,
                    post("encrypt", {**PLAIN, **more}),
                    ("POST", "transit/keys/{k}/rotate", {}),
                    post("rewrap", back),
                    post("decrypt", {**back, "ciphertext": "<3.data.ciphertext>"}),
                ),
            )
            yield Case(
                f"{kind}: {name} opened with other associated data",
                (
                    made,
                    post("encrypt", {**PLAIN, **more}),
                    post("decrypt", {**back, "associated_data": b64("other")}),
                ),
            )
        yield Case(f"{kind}: derived without context", (derived, post("encrypt", PLAIN)))
        yield Case(
            f"{kind}: derived opened without context",
            (
                derived,
                post("encrypt", {**PLAIN, **CONTEXT}),
                post("decrypt", {"ciphertext": "<1.data.ciphertext>"}),
            ),
        )
        yield Case(
            f"{kind}: derived opened with another context",
            (
                derived,
                post("encrypt", {**PLAIN, **CONTEXT}),
                post("decrypt", {"ciphertext": "<1.data.ciphertext>", "context": b64("other")}),
            ),
        )
        for bits in (128, 256, 512, 3):
            for form in ("plaintext", "wrapped"):
                yield Case(
                    f"{kind}: data key, {form}, {bits}",
                    (make, post(f"datakey/{form}", {"bits": bits})),
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
        yield Case(f"encrypt: {name}", (new_key(), post("encrypt", body)))
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
            yield Case(f"{what}: {name}", (new_key(), post(what, {"ciphertext": text})))
    yield Case("rsa-2048: there and back", _there_and_back("rsa-2048"))
    yield Case("rsa-2048: bound", (new_key(type="rsa-2048"), post("encrypt", {**PLAIN, **BOUND})))
    yield Case("a data key in no form", (new_key(), post("datakey/other")))


def _there_and_back(kind: str) -> tuple[Step, ...]:
    back = {"ciphertext": "<1.data.ciphertext>"}
    return (new_key(type=kind), post("encrypt", PLAIN), post("decrypt", back))


def batches() -> Iterator[Case]:
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
        yield Case(f"encrypt a batch: {name}", (new_key(), post("encrypt", body)))
    sealed = {"ciphertext": "<1.data.ciphertext>", "reference": "a"}
    broken = {"ciphertext": "vault:v1:AAAA", "reference": "b"}
    for what in ("decrypt", "rewrap"):
        for name, items in {"all good": [sealed, sealed], "one bad": [sealed, broken]}.items():
            yield Case(
                f"{what} a batch: {name}",
                (new_key(), post("encrypt", PLAIN), post(what, {"batch_input": items})),
            )
    inputs = [INPUT, {"reference": "r"}, {"input": "*", "reference": "q"}]
    yield Case("HMAC of a batch", (new_key(), post("hmac", {"batch_input": inputs})))
    for kind in ("ed25519", "ecdsa-p256"):
        yield Case(
            f"{kind}: sign a batch", (new_key(type=kind), post("sign", {"batch_input": inputs}))
        )
