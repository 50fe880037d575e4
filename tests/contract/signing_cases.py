"""Signatures, HMACs, hashes, random bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.contract.case import CONTEXT, HASHES, INPUT, SIGNERS, Case, b64, new_key, post


def signing() -> Iterator[Case]:
    for kind in SIGNERS:
        hashes = HASHES if kind == "ecdsa-p256" else ("sha2-256", "sha2-512")
        for name in hashes:
            for marshaling in ("asn1", "jws"):
                manner = {"hash_algorithm": name, "marshaling_algorithm": marshaling}
                yield _signed(kind, f"{name}, {marshaling}", manner)
        yield Case(
            f"{kind}: another input",
            (
                new_key(type=kind),
                post("sign", INPUT),
                post("verify", {"input": b64("x"), "signature": "<1.data.signature>"}),
            ),
        )
        for name, body in {
            "unknown hash": {**INPUT, "hash_algorithm": "md5"},
            "unknown marshaling": {**INPUT, "marshaling_algorithm": "pem"},
            "a version too high": {**INPUT, "key_version": 9},
            "no base64": {"input": "*"},
        }.items():
            yield Case(f"{kind}: sign: {name}", (new_key(type=kind), post("sign", body)))
        for name, text in {
            "no prefix": "zz",
            "too new": "vault:v9:AAAA",
            "not base64": "vault:v1:*",
        }.items():
            yield Case(
                f"{kind}: verify: {name}",
                (new_key(type=kind), post("verify", {**INPUT, "signature": text})),
            )
    for algorithm in ("pss", "pkcs1v15"):
        for name in HASHES[1:5]:
            manner = {"signature_algorithm": algorithm, "hash_algorithm": name}
            yield _signed("rsa-2048", f"{algorithm}, {name}", manner)
    for salt in ("auto", "hash", "20", "0", "-1"):
        yield _signed("rsa-2048", f"salt {salt}", {"salt_length": salt})
    for name, more in {
        "unknown algorithm": {"signature_algorithm": "raw"},
        "salt in words": {"salt_length": "long"},
        "salt too long": {"salt_length": "300"},
        "salt below -1": {"salt_length": "-2"},
        "prehashed but no hash": {"prehashed": True},
    }.items():
        yield Case(f"rsa-2048: {name}", (new_key(type="rsa-2048"), post("sign", {**INPUT, **more})))
    yield Case(
        "ed25519: derived, signed",
        (new_key(type="ed25519", derived=True), post("sign", {**INPUT, **CONTEXT})),
    )
    yield Case(
        "ed25519: derived without context",
        (new_key(type="ed25519", derived=True), post("sign", INPUT)),
    )
    yield Case("verify: nothing", (new_key(type="ecdsa-p256"), post("verify", INPUT)))


def _signed(kind: str, name: str, manner: dict[str, Any]) -> Case:
    check = {**INPUT, **manner, "signature": "<1.data.signature>"}
    return Case(
        f"{kind}: {name}, signed and verified",
        (new_key(type=kind), post("sign", {**INPUT, **manner}), post("verify", check)),
    )


def digests() -> Iterator[Case]:
    for name in HASHES:
        check = {**INPUT, "hmac": "<1.data.hmac>", "algorithm": name}
        yield Case(
            f"HMAC by {name}",
            (new_key(), post("hmac", {**INPUT, "algorithm": name}), post("verify", check)),
        )
        yield Case(f"HMAC by {name} in the path", (new_key(), post("hmac", INPUT, f"/{name}")))
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
        yield Case(f"verify an HMAC: {name}", (new_key(), post("verify", {**INPUT, "hmac": text})))
    for name, body in {
        "no input": {},
        "no base64": {"input": "*"},
        "a version too high": {**INPUT, "key_version": 7},
    }.items():
        yield Case(f"HMAC: {name}", (new_key(), post("hmac", body)))
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
