"""Making, limiting, moving and ending keys."""

from __future__ import annotations

from collections.abc import Iterator

from tests.contract.case import (
    CIPHERS,
    CONTEXT,
    EXPORTS,
    INPUT,
    PLAIN,
    SIGNERS,
    Case,
    Step,
    new_key,
    options_of,
    post,
)


def kinds() -> Iterator[Case]:
    for kind in (*CIPHERS, *SIGNERS, "hmac"):
        make = new_key(**options_of(kind), exportable=True, allow_plaintext_backup=True)
        read: Step = ("GET", "transit/keys/{k}", None)
        rotate: Step = ("POST", "transit/keys/{k}/rotate", {})
        yield Case(f"{kind}: made, read, rotated", (make, read, rotate, read))
        yield Case(f"{kind}: encrypted", (make, post("encrypt", PLAIN)))
        yield Case(f"{kind}: signed", (make, post("sign", INPUT)))
        yield Case(f"{kind}: HMAC", (make, post("hmac", INPUT)))
        yield Case(f"{kind}: decrypted", (make, post("decrypt", {"ciphertext": "vault:v1:AAAA"})))
        yield Case(
            f"{kind}: verified", (make, post("verify", {**INPUT, "signature": "vault:v1:AAAA"}))
        )
        yield Case(f"{kind}: data key", (make, post("datakey/plaintext")))
        yield Case(f"{kind}: backed up", (make, ("GET", "transit/backup/{k}", None)))
        for what in EXPORTS:
            yield Case(
                f"{kind}: exported as {what}", (make, ("GET", f"transit/export/{what}/{{k}}", None))
            )
        yield Case(f"{kind}: derived", (new_key(**options_of(kind), derived=True), read))
        yield Case(
            f"{kind}: convergent",
            (new_key(**options_of(kind), derived=True, convergent_encryption=True), read),
        )
        yield Case(f"{kind}: with a key size", (new_key(type=kind, key_size=64), read))
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
        yield Case(f"a new key: {name}", (new_key(**options), ("GET", "transit/keys/{k}", None)))
    yield Case("made twice", (new_key(), new_key(exportable=True)))
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
        yield Case(f"missing key: {what}", (post(what, body),))
    yield Case("encrypt makes the key", (post("encrypt", PLAIN), ("GET", "transit/keys/{k}", None)))
    yield Case(
        "encrypt makes a derived key",
        (post("encrypt", {**PLAIN, **CONTEXT}), ("GET", "transit/keys/{k}", None)),
    )
    yield Case(
        "encrypt makes a key of a kind",
        (
            post("encrypt", {**PLAIN, "type": "chacha20-poly1305"}),
            ("GET", "transit/keys/{k}", None),
        ),
    )


def limits() -> Iterator[Case]:
    rotate: Step = ("POST", "transit/keys/{k}/rotate", {})
    old = (new_key(), rotate, rotate, rotate)
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
        configure = post("keys", body, "/config")
        yield Case(f"configure: {name}", (*old, configure, ("GET", "transit/keys/{k}", None)))
        yield Case(
            f"configure: {name}, then encrypt with version 1",
            (*old, configure, post("encrypt", {**PLAIN, "key_version": 1})),
        )
    ready = (
        *old,
        post("keys", {"min_encryption_version": 3, "min_decryption_version": 3}, "/config"),
    )
    for name, body in {
        "nothing": {},
        "0": {"min_available_version": 0},
        "negative": {"min_available_version": -1},
        "too high": {"min_available_version": 9},
        "2": {"min_available_version": 2},
        "3": {"min_available_version": 3},
    }.items():
        trim = post("keys", body, "/trim")
        yield Case(f"trim: {name}", (*ready, trim, ("GET", "transit/keys/{k}", None)))
        yield Case(
            f"trim: {name}, then lower the minimum",
            (*ready, trim, post("keys", {"min_decryption_version": 1}, "/config")),
        )
        yield Case(f"trim: {name}, without minimum", (*old, trim))
    drop: Step = ("DELETE", "transit/keys/{k}", None)
    allow = post("keys", {"deletion_allowed": True}, "/config")
    yield Case("delete", (new_key(), drop))
    yield Case("delete when allowed", (new_key(), allow, drop, ("GET", "transit/keys/{k}", None)))
    shut: Step = ("DELETE", "transit/keys/{k}/soft-delete", None)
    back = post("keys", {}, "/soft-delete-restore")
    for name, step in {
        "read": ("GET", "transit/keys/{k}", None),
        "encrypt": post("encrypt", PLAIN),
        "rotate": rotate,
        "configure": allow,
    }.items():
        yield Case(f"soft-deleted: {name}", (new_key(), shut, step))
        yield Case(f"soft-deleted and back: {name}", (new_key(), shut, back, step))


def moving() -> Iterator[Case]:
    make = new_key(exportable=True, allow_plaintext_backup=True)
    backup: Step = ("GET", "transit/backup/{k}", None)
    for name, step in {
        "as it is": post("restore", {"backup": "<1.data.backup>"}),
        "under another name": ("POST", "transit/restore/{k}-b", {"backup": "<1.data.backup>"}),
        "without a backup": ("POST", "transit/restore", {}),
        "no base64": ("POST", "transit/restore/{k}-b", {"backup": "*"}),
    }.items():
        read: Step = ("GET", "transit/keys/{k}-b", None)
        yield Case(f"restore: {name}", (make, backup, step, read))
    yield Case("back up a key that is not exportable", (new_key(), backup))
    yield Case("back up without leave", (new_key(exportable=True), backup))
    for name, path in {
        "the latest": "encryption-key/{k}/latest",
        "a version": "encryption-key/{k}/1",
        "a version too high": "encryption-key/{k}/9",
        "a version in words": "encryption-key/{k}/x",
        "an unknown form": "other/{k}",
    }.items():
        yield Case(f"export: {name}", (make, ("GET", f"transit/export/{path}", None)))
        yield Case(
            f"export unexportable: {name}", (new_key(), ("GET", f"transit/export/{path}", None))
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
                new_key(type="ecdsa-p256"),
                ("POST", "transit/keys/{k}-i/import", body),
                ("GET", "transit/keys/{k}-i", None),
            ),
        )
    yield Case(
        "import over a key",
        (new_key(), ("POST", "transit/keys/{k}/import", {"ciphertext": "YWJj"})),
    )
