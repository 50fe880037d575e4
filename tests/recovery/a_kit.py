"""A kit of a small company, for tests: two repositories, three shares of which two open it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.crypto.shares import check_of, split
from secvault.recovery.kit import (
    FORMAT,
    KitHead,
    KitPassword,
    KitPlan,
    KitRepository,
    KitSecrets,
    KitShares,
)
from secvault.recovery.sealed import make_kit

SIGNER = NoteSigner("acme/v1/evidence", Secret(bytes(range(32))))
SECRET = Secret(bytes(range(100, 132)))
SECRETS = KitSecrets(
    vault="0190f3c2b5d17c2d8e6a1f2b3c4d5e6f",
    generation=2,
    roots=tuple(base64.b64encode(bytes([n]) * 32).decode() for n in (2, 1)),
    passwords=(
        KitPassword("local", "opens-the-local-one"),
        KitPassword("local/data-keys", "opens-the-keys"),
    ),
)


@dataclass(frozen=True)
class MadeKit:
    """A kit's file, what was put into it, and the words of its shares."""

    file: bytes
    head: KitHead
    words: tuple[Secret, ...]


def repository(name: str, location: str, **values: Any) -> KitRepository:
    """A repository of the kit."""
    of = {
        "keys_location": f"{location}-keys",
        "region": "us-east-1",
        "path_style": True,
        "ca_pem": "",
        "identity": "a" * 64,
        "keys_identity": "b" * 64,
        "needs_credentials": location.startswith("s3:"),
        "access_key_id": "AKIA" if location.startswith("s3:") else "",
        "credentials": "",
    }
    return KitRepository(name=name, location=location, **{**of, **values})


def made_kit(threshold: int = 2, shares: int = 3, **values: Any) -> MadeKit:
    """A kit, with these values of its head in place of the usual ones."""
    of, words = split(SECRET, threshold, shares)
    kept_by = tuple(f"Holder {number}" for number in range(1, shares + 1))
    checks = tuple(check_of(each) for each in words)
    usual: dict[str, Any] = {
        "format": FORMAT,
        "kit": "kit-1",
        "company": "Công ty Ánh Dương",
        "version": "0.9.0",
        "issued_at": 1_790_000_000_000_000,
        "digest": "d" * 64,
        "origin": "acme/v1/audit",
        "audit_keys": ("acme/v1/audit+...", SIGNER.verifier().vkey),
        "seal": "file",
        "database": "sqlite",
        "schema": "0051",
        "repositories": (
            repository("local", "/srv/backup"),
            repository("offsite", "s3:https://s3.example.com/acme", credentials="the safe"),
        ),
        "plans": (
            KitPlan("vault", "secvault", ("local", "offsite"), True, ("files",), 24, 240),
            KitPlan("erp", "The ERP", ("offsite",), False, ("erp-db",), 4, 120),
        ),
        "shares": KitShares(threshold, shares, of.identifier, kept_by, checks),
        "contacts": ("hosting: +84 24 0000 0000",),
        "services": ("vault: secvault", "erp: The ERP"),
        "evidence_key": SIGNER.verifier().vkey,
    }
    head = KitHead(**{**usual, **values})
    return MadeKit(make_kit(head, SECRETS, SECRET, SIGNER), head, words)
