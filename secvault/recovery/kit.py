"""What a recovery kit holds: an open part for people and machines, and a sealed one for k of n."""

from __future__ import annotations

import base64

import msgspec

from secvault.crypto.secret import Secret

FORMAT = "secvault recovery kit v1"
BESIDE = "secvault-recovery-kit.json"
"""What it is called in a repository's bucket or folder, where restic passes over it."""
KIND = "recovery-kit"
"""Of the evidence that the signed note of a kit is."""


class KitRepository(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A repository as a bare machine finds it. No secret.

    credentials: in words, where they are to be had ("the safe of the accounting office").
    access_key_id: whose secret is needed, or that of another who may read there; may be empty.
    identity: restic's id of the repository, so that another one in its place is known for that.
    """

    name: str
    location: str
    keys_location: str
    region: str
    path_style: bool
    ca_pem: str
    identity: str
    keys_identity: str
    needs_credentials: bool
    access_key_id: str
    credentials: str


class KitPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A plan in the order in which it comes back. repositories: names, the first one first."""

    name: str
    service: str
    repositories: tuple[str, ...]
    vault: bool
    sources: tuple[str, ...]
    rpo_hours: int
    rto_minutes: int


class KitShares(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the sealed part is opened. set_id: the SLIP-39 identifier, which each share begins with.

    holders: in words, share by share; may be empty. checks: what each share can be known by
    without telling anything of it (`crypto.shares.check_of`).
    """

    threshold: int
    shares: int
    set_id: int
    holders: tuple[str, ...]
    checks: tuple[str, ...]


class KitHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The open part. issued_at: micros. digest: of what the kit is about, to tell when it is stale.

    origin: of the audit log; audit_keys: public keys (vkey text) that ever signed it, the newest
    first, and last the one of the vault's evidence, `evidence_key`, which signed the kit as well.
    seal: the kind in use. version: of the program. database: its kind. schema: its revision.
    services: in the order in which they come back, "plan: what it is".
    """

    format: str
    kit: str
    company: str
    version: str
    issued_at: int
    digest: str
    origin: str
    audit_keys: tuple[str, ...]
    seal: str
    database: str
    schema: str
    repositories: tuple[KitRepository, ...]
    plans: tuple[KitPlan, ...]
    shares: KitShares
    contacts: tuple[str, ...]
    services: tuple[str, ...]
    evidence_key: str


class KitPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The restic password of a repository, or of that of its data keys (name with `KEYS`)."""

    repository: str
    password: str

    def __repr__(self) -> str:
        return f"KitPassword({self.repository!r}, ***)"


class KitSecrets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sealed part. roots: base64 of the vault's root keys, the newest first.

    vault: its id. generation: of the first root; each further one is of the generation before.
    """

    vault: str
    generation: int
    roots: tuple[str, ...]
    passwords: tuple[KitPassword, ...]

    def __repr__(self) -> str:
        return "KitSecrets(***)"

    def root_keys(self) -> tuple[Secret, ...]:
        """The roots as they are, the newest first."""
        return tuple(Secret(base64.b64decode(one)) for one in self.roots)


class Kit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The machine-readable file, as canonical JSON.

    sealed: base64 of 0x01 || nonce[12] || ciphertext || tag[16]: AES-256-GCM under HKDF-SHA-256 of
    the 256-bit secret that the shares give (info: `secvault/recovery-kit` and the kit's id,
    length-prefixed); AAD: the canonical JSON of `head`. note: the signed note (evidence of kind
    `recovery-kit`) over the canonical JSON of kind, head and sealed, by the vault's evidence key.
    """

    head: KitHead
    sealed: str
    note: str
