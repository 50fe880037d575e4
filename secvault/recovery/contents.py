"""What a kit is about, part by part, and in which parts it differs from what is so by now.

A part is named `what` or `what:subject` (`password:offsite`) and has a digest; the digest of a
secret is keyed, so that nothing of it can be guessed back from what is kept to compare with.
"""

from __future__ import annotations

import hmac
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Literal, cast

import msgspec

from secvault.crypto.canonical import JsonValue, canonical_json
from secvault.crypto.derivation import derive
from secvault.crypto.secret import Secret
from secvault.recovery.kit import KitHead, KitSecrets

Parts = Mapping[str, str]
What = Literal[
    "root",
    "password",
    "repository",
    "shares",
    "plan",
    "services",
    "contacts",
    "holders",
    "seal",
    "database",
    "schema",
    "audit-keys",
    "company",
    "old",
]
"""What changed; `old` is for a kit that is of an age to be taken out anew."""

GRAVE: frozenset[What] = frozenset({"root", "password", "repository", "shares"})
"""What keeps an older kit from opening what is saved by now; of the rest it only says less."""

_PURPOSE = b"secvault/recovery-kit/parts"


@dataclass(frozen=True)
class Change:
    """What is not as the kit has it. subject: of which repository or plan; empty for the whole.

    how: whether it came, went, or is another.
    """

    what: What
    subject: str
    how: Literal["added", "removed", "changed"]

    @property
    def grave(self) -> bool:
        """Whether the kit opens less than it should: see `GRAVE`."""
        return self.what in GRAVE and self.how != "removed"

    @property
    def name(self) -> str:
        """As parts are named."""
        return f"{self.what}:{self.subject}" if self.subject else self.what


def parts_of(head: KitHead, secrets: KitSecrets, secret: Secret) -> dict[str, str]:
    """Each part and its digest. secret: what the shares give; keys the digests of secrets.

    What is new in each kit (its id, its moment) and the program's version are no parts.
    """
    key = derive(secret, _PURPOSE, 32)
    shares = msgspec.structs.replace(head.shares, holders=())
    open_parts: dict[str, Hashable] = {
        "company": head.company,
        "seal": head.seal,
        "database": head.database,
        "schema": head.schema,
        "audit-keys": (head.origin, *head.audit_keys),
        "contacts": head.contacts,
        "services": head.services,
        "holders": head.shares.holders,
        "shares": shares,
        **{f"repository:{one.name}": one for one in head.repositories},
        **{f"plan:{one.name}": one for one in head.plans},
    }
    parts = {name: _digest(value) for name, value in open_parts.items()}
    parts["root"] = _keyed(key, secrets.roots[0])
    for one in secrets.passwords:
        parts[f"password:{one.repository}"] = _keyed(key, one.password)
    return parts


def digest_of(parts: Parts) -> str:
    """One digest for all parts, SHA-256 in hexadecimal: equal where nothing changed."""
    return sha256(canonical_json({**parts})).hexdigest()


def changes(kit: Parts, present: Parts) -> tuple[Change, ...]:
    """What differs, the grave ones first."""
    if kit == present:
        return ()
    found = sorted(_differing(kit, present), key=lambda one: (not one.grave, one.name))
    return tuple(found)


def _differing(kit: Parts, present: Parts) -> Iterator[Change]:
    for name in kit.keys() | present.keys():
        if kit.get(name) != present.get(name):
            what, _, subject = name.partition(":")
            how: Literal["added", "removed", "changed"] = (
                "added" if name not in kit else "removed" if name not in present else "changed"
            )
            yield Change(cast("What", what), subject, how)


@lru_cache(maxsize=4096, typed=True)
def _digest(value: Hashable) -> str:
    """Kept: hundreds of plans are the same from one look to the next."""
    plain = cast("JsonValue", msgspec.json.decode(msgspec.json.encode(value)))
    return sha256(canonical_json(plain)).hexdigest()


def _keyed(key: Secret, value: str) -> str:
    return hmac.new(key.expose(), value.encode(), "sha256").hexdigest()
