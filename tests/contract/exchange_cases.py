"""Keys that are brought, shared with others, certified; and what is set for all of a mount."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from tests.contract.case import (
    BOUND,
    CIPHERS,
    CONTEXT,
    INPUT,
    PLAIN,
    READ,
    SIGNERS,
    Case,
    Step,
    b64,
    new_key,
    post,
    wrapped,
)
from tests.contract.material import (
    HASHES,
    certificate_of,
    material_of,
    public_of,
    request_template,
)

AES = "aes256-gcm96"
EC = "ecdsa-p256"
ROTATE: Step = ("POST", "transit/keys/{k}/rotate", {})


def _import(kind: str, body: dict[str, Any] | None = None, **more: Any) -> Step:
    given = wrapped(material_of(kind)) if body is None else body
    return post("keys", {"type": kind, **given, **more}, "/import")


def _add(body: dict[str, Any]) -> Step:
    return post("keys", body, "/import_version")


def bringing() -> Iterator[Case]:
    for kind in (*CIPHERS, *SIGNERS, "hmac"):
        yield Case(f"import {kind}", (_import(kind), READ, post("hmac", INPUT)))
    for name in HASHES:
        body = wrapped(material_of(AES), name)
        yield Case(f"import by {name}", (_import(AES, body), READ))
    body = wrapped(material_of(AES), "sha512")
    yield Case("import: a hash function in small letters", (_import(AES, body), READ))
    yield Case("import: a type in capitals", (_import(AES, type="AES256-GCM96"), READ))
    for name, more in {
        "derived": {"derived": True},
        "convergent": {"derived": True, "convergent_encryption": True},
        "not convergent": {"convergent_encryption": False},
        "rotating by itself, not allowed": {"auto_rotate_period": "24h"},
        "rotating by itself": {"auto_rotate_period": "24h", "allow_rotation": True},
        "exportable": {"exportable": True, "allow_plaintext_backup": True},
        "a public half beside": {"public_key": "zz"},
    }.items():
        yield Case(f"import: {name}", (_import(AES, **more), READ, post("encrypt", PLAIN)))
    for name, material in {
        "an AES key that is too short": wrapped(bytes(16)),
        "an AES key that is too long": wrapped(bytes(64)),
        "an ephemeral key that is too short": wrapped(bytes(32), key_bytes=16),
        "bytes for another wrapping key": {"ciphertext": base64.b64encode(bytes(560)).decode()},
        "no base64": {"ciphertext": "*"},
    }.items():
        yield Case(f"import: {name}", (_import(AES, material), READ))
    for kind, material in {
        EC: wrapped(b"no key"),
        "ecdsa-p384": wrapped(material_of(EC)),
        "rsa-3072": wrapped(material_of("rsa-2048")),
        "ed25519": wrapped(material_of(EC)),
        "mldsa-44": wrapped(material_of("mldsa-65")),
        "hmac": wrapped(bytes(16)),
    }.items():
        yield Case(f"import: what is no {kind}", (_import(kind, material), READ))
    for kind in (EC, "rsa-2048", "ed25519", "mldsa-44"):
        public = {"public_key": public_of(kind)}
        yield Case(f"import: the public half of {kind}", (_import(kind, public), READ))
    derived = _import(AES, derived=True)
    yield Case(
        "import: derived, there and back",
        (
            derived,
            post("encrypt", {**PLAIN, **CONTEXT}),
            post("decrypt", {"ciphertext": "<1.data.ciphertext>", **CONTEXT}),
        ),
    )
    yield Case("import: rotated", (_import(AES), ROTATE))
    yield Case(
        "import: rotated where it is allowed",
        (_import(AES, allow_rotation=True), ROTATE, _add(wrapped(bytes(32)))),
    )


def next_versions() -> Iterator[Case]:
    one, other = (wrapped(material_of(EC, number)) for number in (0, 1))
    public, other_public = (public_of(EC, number) for number in (0, 1))
    half = _import(EC, {"public_key": public})
    whole = _import(EC, one)
    for name, steps in {
        "of a cipher": (_import(AES), _add(wrapped(bytes(32)))),
        "of a key that is not imported": (new_key(), _add(wrapped(bytes(32)))),
        "of no key": (_add(wrapped(bytes(32))),),
        "a public half": (whole, _add({"public_key": other_public})),
        "a public half for a cipher": (_import(AES), _add({"public_key": public})),
        "the private half of the latest": (half, _add(one), post("sign", INPUT)),
        "another private half": (half, _add(other)),
        "the private half by number": (half, _add({**one, "version": 1}), post("sign", INPUT)),
        "another private half by number": (half, _add({**other, "version": 1})),
        "a public half by number": (half, _add({"public_key": other_public, "version": 1})),
        "a private half that is there": (whole, _add({**one, "version": 1})),
        "a version too high": (half, _add({**one, "version": 9})),
        "version 0": (half, _add({**one, "version": 0})),
        "a version in words": (half, _add({**one, "version": "one"})),
        "nothing": (whole, _add({})),
        "too short": (whole, _add({"ciphertext": "AAAA"})),
        "an unknown hash": (whole, _add({**one, "hash_function": "md5"})),
        "of a soft-deleted key": (
            _import(AES),
            ("DELETE", "transit/keys/{k}/soft-delete", None),
            _add(wrapped(bytes(32))),
        ),
    }.items():
        yield Case(f"import a version: {name}", (*steps, READ))
    yield Case("sign with a public half", (half, post("sign", INPUT)))


def sharing() -> Iterator[Case]:
    destination: Step = ("POST", "transit/keys/{k}-w", {"type": "rsa-2048"})
    for kind in (*CIPHERS, *SIGNERS, "hmac"):
        size = {"key_size": 32} if kind == "hmac" else {}
        make = new_key(type=kind, exportable=True, **size)
        yield Case(f"wrapped for another: {kind}", (destination, make, _byok("{k}-w/{k}")))
    exportable = new_key(exportable=True)
    ready = (destination, exportable, ROTATE)
    for tail in ("1", "latest", "v2", "0", "9", "x", "-1"):
        yield Case(f"wrapped for another: version {tail}", (*ready, _byok(f"{{k}}-w/{{k}}/{tail}")))
    for name in ("SHA1", "sha512", "md5"):
        yield Case(f"wrapped for another by {name}", (*ready, _byok(f"{{k}}-w/{{k}}?hash={name}")))
    shut: Step = ("DELETE", "transit/keys/{k}/soft-delete", None)
    shut_there: Step = ("DELETE", "transit/keys/{k}-w/soft-delete", None)
    for name, steps in {
        "not exportable": (destination, new_key()),
        "no source": (destination,),
        "no destination": (exportable,),
        "for a cipher": (("POST", "transit/keys/{k}-w", {}), exportable),
        "for an ECDSA key": (("POST", "transit/keys/{k}-w", {"type": EC}), exportable),
        "a source that was shut off": (*ready, shut),
        "a destination that was shut off": (*ready, shut_there),
        "old versions left out": (
            *ready,
            post("keys", {"min_decryption_version": 2}, "/config"),
        ),
        "only a public half": (
            destination,
            _import(EC, {"public_key": public_of(EC)}, exportable=True),
        ),
    }.items():
        yield Case(f"wrapped for another: {name}", (*steps, _byok("{k}-w/{k}")))
    yield Case("wrapped for another: by POST", (*ready, ("POST", "transit/byok-export/x/y", {})))


def _byok(tail: str) -> Step:
    return ("GET", f"transit/byok-export/{tail}", None)


def agreeing() -> Iterator[Case]:
    base: Step = ("POST", "transit/keys/{k}-b", {"type": EC})
    good = {"peer_public_key": public_of(EC), "base_key_name": "{k}-b"}
    for kind in CIPHERS:
        steps = (base, post("derive-key", {**good, "derived_key_type": kind}), READ)
        yield Case(f"agreed on: {kind}", (*steps, post("encrypt", PLAIN)))
    for curve in ("ecdsa-p384", "ecdsa-p521"):
        of_curve: Step = ("POST", "transit/keys/{k}-b", {"type": curve})
        body = {**good, "peer_public_key": public_of(curve)}
        yield Case(f"agreed on by {curve}", (of_curve, post("derive-key", body), READ))
    for name, changed in {
        "no peer": {"peer_public_key": ""},
        "no base": {"base_key_name": "{k}-none"},
        "no PEM": {"peer_public_key": "zz"},
        "an RSA peer": {"peer_public_key": public_of("rsa-2048")},
        "another curve": {"peer_public_key": public_of("ecdsa-p384")},
        "another algorithm": {"key_derivation_algorithm": "x25519"},
        "a kind that is no cipher": {"derived_key_type": "rsa-2048"},
        "an unknown kind": {"derived_key_type": "nope"},
        "a version too high": {"base_key_version": 9},
        "a negative version": {"base_key_version": -1},
        "version 1": {"base_key_version": 1},
    }.items():
        yield Case(f"agree: {name}", (base, post("derive-key", {**good, **changed}), READ))
    for kind in ("rsa-2048", "ed25519", AES):
        other: Step = ("POST", "transit/keys/{k}-b", {"type": kind})
        yield Case(f"agree: a base of {kind}", (other, post("derive-key", good)))
    twice = (base, post("derive-key", good), post("derive-key", good), READ, ROTATE)
    yield Case("agreed on twice", twice)
    shut: Step = ("DELETE", "transit/keys/{k}/soft-delete", None)
    yield Case("agree: over a key that was shut off", (*twice[:2], shut, post("derive-key", good)))
    yield Case("agree: read", (("GET", "transit/derive-key/{k}", None),))


def certifying() -> Iterator[Case]:
    for kind in (*SIGNERS, AES, "hmac"):
        size = {"key_size": 32} if kind == "hmac" else {}
        make = new_key(type=kind, **size)
        yield Case(f"{kind}: a certificate request", (make, post("keys", {}, "/csr")))
        yield Case(
            f"{kind}: a certificate of another key",
            (make, post("keys", {"certificate_chain": certificate_of(EC)}, "/set-certificate")),
        )
    make = new_key(type=EC)
    for name, body in {
        "with a template": {"csr": request_template()},
        "no PEM": {"csr": "zz"},
        "broken": {
            "csr": "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"
        },
        "version 1": {"version": 1},
        "version 0": {"version": 0},
        "a version too high": {"version": 9},
        "a version in words": {"version": "latest"},
    }.items():
        yield Case(f"certificate request: {name}", (make, post("keys", body, "/csr")))
    yield Case("certificate request: no key", (post("keys", {}, "/csr"),))
    derived = new_key(type="ed25519", derived=True)
    yield Case("certificate request: derived", (derived, post("keys", {}, "/csr")))
    half = _import(EC, {"public_key": public_of(EC)})
    yield Case("certificate request: only a public half", (half, post("keys", {}, "/csr")))
    own, authority = certificate_of(EC), certificate_of(EC, 99, authority=True)
    chain: Step = ("GET", "transit/export/certificate-chain/{k}", None)
    for name, text in {
        "its own": own,
        "with its authority": own + authority,
        "nothing": "",
        "no PEM": "zz",
        "a request": request_template(),
        "broken": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "an authority first": certificate_of(EC, authority=True),
        "no authority last": own + own,
        "another key's": certificate_of(EC, 1),
        "something after it": own + "more",
    }.items():
        given = post("keys", {"certificate_chain": text}, "/set-certificate")
        yield Case(f"certificate: {name}", (_import(EC), given, READ, chain))
    for number in (0, 9):
        body = {"certificate_chain": own, "version": number}
        yield Case(
            f"certificate: version {number}", (_import(EC), post("keys", body, "/set-certificate"))
        )
    given = post("keys", {"certificate_chain": own}, "/set-certificate")
    yield Case("certificate: no key", (given,))
    yield Case("certificate: derived", (derived, given))
    for kind in ("rsa-2048", "ed25519", "mldsa-44"):
        body = {"certificate_chain": certificate_of(kind)}
        given = post("keys", body, "/set-certificate")
        yield Case(f"certificate of {kind}", (_import(kind), given, READ))


def settings() -> Iterator[Case]:
    for path, bodies in {
        "config/keys": ({}, {"disable_upsert": "x"}, {"disable_upsert": False}, {"colour": 1}),
        "cache-config": ({}, {"size": 5}, {"size": -1}, {"size": "x"}, {"size": 100}, {"size": 0}),
    }.items():
        read: Step = ("GET", f"transit/{path}", None)
        for body in bodies:
            yield Case(f"{path} {body}", (("POST", f"transit/{path}", body), read))
        yield Case(f"{path}: delete", (("DELETE", f"transit/{path}", None),))
    off, on = ({"disable_upsert": value} for value in (True, False))
    yield Case(
        "encrypt makes no key where that is switched off",
        (
            ("POST", "transit/config/keys", off),
            post("encrypt", PLAIN),
            post("encrypt", {"batch_input": [PLAIN]}),
            READ,
            ("POST", "transit/config/keys", on),
            post("encrypt", PLAIN),
        ),
    )
    for name, body in {
        "bound": BOUND,
        "bound to no base64": {"associated_data": "*"},
        "of no base64 context": {"context": "*"},
    }.items():
        yield Case(f"a data key: {name}", (new_key(), post("datakey/wrapped", body)))
    yield Case(
        "a data key: bound for RSA", (new_key(type="rsa-2048"), post("datakey/wrapped", BOUND))
    )
    derived = new_key(type="ed25519", derived=True)
    context = "ZGVwYXJ0bWVudA=="
    for name, path in {
        "a context": f"?context={context}",
        "no base64": "?context=*",
        "no context": "",
    }.items():
        yield Case(
            f"read a derived key in {name}", (derived, ("GET", f"transit/keys/{{k}}{path}", None))
        )
    yield Case(
        "make a derived key and see it in a context",
        (new_key(type="ed25519", derived=True, context=context),),
    )
    for kind in ("ed25519", AES):
        yield Case(
            f"read {kind} in a context it has no use for",
            (new_key(type=kind), ("GET", f"transit/keys/{{k}}?context={context}", None)),
        )
    shut: Step = ("DELETE", "transit/keys/{k}/soft-delete", None)
    open_key = new_key(type=EC, exportable=True, allow_plaintext_backup=True)
    for path in ("export/public-key/{k}", "export/signing-key/{k}", "backup/{k}"):
        yield Case(f"soft-deleted: {path}", (open_key, shut, ("GET", f"transit/{path}", None)))
    yield Case("soft-deleted: certificate request", (open_key, shut, post("keys", {}, "/csr")))
    yield Case("export: version v1", (open_key, ("GET", "transit/export/signing-key/{k}/v1", None)))


def unhashed() -> Iterator[Case]:
    bare = {"prehashed": True, "signature_algorithm": "pkcs1v15", "hash_algorithm": "none"}
    mu = {"prehashed": True, "hash_algorithm": "mldsa-mu"}
    digest = {"input": base64.b64encode(bytes(32)).decode()}
    long = {"input": base64.b64encode(bytes(64)).decode()}
    for kind in SIGNERS:
        make = new_key(type=kind)
        check = {**digest, **bare, "signature": "<1.data.signature>"}
        yield Case(
            f"{kind}: a bare hash", (make, post("sign", {**digest, **bare}), post("verify", check))
        )
        for name, body in {
            "no hash function": {**digest, "hash_algorithm": "none"},
            "prehashed without a hash function": {
                **digest,
                "hash_algorithm": "none",
                "prehashed": True,
            },
            "a mu": {**long, **mu},
            "a mu that was not prehashed": {**long, "hash_algorithm": "mldsa-mu"},
            "a mu that is too short": {**digest, **mu},
        }.items():
            yield Case(f"{kind}: sign {name}", (make, post("sign", body)))
            there = {**body, "signature": "vault:v1:" + b64("x" * 64)}
            yield Case(f"{kind}: verify {name}", (make, post("verify", there)))
        batch = {"hash_algorithm": "none", "batch_input": [digest]}
        yield Case(f"{kind}: sign a batch without a hash function", (make, post("sign", batch)))
    for name in ("none", "mldsa-mu", "md5"):
        yield Case(f"HMAC by no function: {name}", (new_key(), post("hmac", INPUT, f"/{name}")))
        check = {**INPUT, "hmac": "<1.data.hmac>", "algorithm": name}
        yield Case(
            f"verify an HMAC by no function: {name}",
            (new_key(), post("hmac", INPUT), post("verify", check)),
        )
        yield Case(f"hash by no function: {name}", (("POST", f"transit/hash/{name}", INPUT),))
    batch = {"batch_input": [INPUT]}
    yield Case("sign a batch with a cipher", (new_key(), post("sign", batch)))
