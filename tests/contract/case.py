"""Requests that a real OpenBao and secvault must answer alike.

A case is a few steps (method, path below `/v1/`, body). `{k}` is a key of the case's own. A text
`<n.a.b>` stands for the value at `a.b` in the answer of step n.
"""

from __future__ import annotations

import base64
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

CIPHERS = ("aes128-gcm96", "aes256-gcm96", "chacha20-poly1305", "xchacha20-poly1305")
SIGNERS = ("ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-2048")
SIGNERS += ("mldsa-44", "mldsa-65", "mldsa-87")
HASHES = ("sha1", "sha2-224", "sha2-256", "sha2-384", "sha2-512")
HASHES += ("sha3-224", "sha3-256", "sha3-384", "sha3-512")
EXPORTS = ("encryption-key", "signing-key", "hmac-key", "public-key", "certificate-chain")


def options_of(kind: str) -> dict[str, Any]:
    """What a key of this kind needs to be made."""
    return {"type": kind, **({"key_size": 32} if kind == "hmac" else {})}


READ: Step = ("GET", "transit/keys/{k}", None)


def wrapped(material: bytes, hash_function: str = "SHA256", key_bytes: int = 32) -> dict[str, str]:
    """Material for `import`; each side gets it wrapped for its own wrapping key."""
    text = base64.b64encode(material).decode()
    return {"wrapped": text, "hash_function": hash_function, "key_bytes": str(key_bytes)}


def new_key(**options: Any) -> Step:
    return ("POST", "transit/keys/{k}", options)


def post(what: str, body: Any = None, tail: str = "") -> Step:
    return ("POST", f"transit/{what}/{{k}}{tail}", body if body is not None else {})
