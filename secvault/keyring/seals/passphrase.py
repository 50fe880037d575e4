"""The passphrase seal: the root is wrapped under a key that argon2id makes of a passphrase.

A passphrase is read as NFKC, so that Vietnamese letters typed composed or with separate marks, in
full or half width, are the same passphrase. Nothing else is changed about it: no trimming, no
case-folding.
"""

from __future__ import annotations

import base64
import binascii
import os
import unicodedata
from dataclasses import dataclass, field

import msgspec
from argon2.low_level import Type, hash_secret_raw

from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput
from secvault.keyring.seals.seal import unwrap_under, wrap_under

SHORTEST = 14
LONGEST = 1024
_SALT_BYTES = 16
# What a changed row could ask for at most: an argon2 of more would take the machine down.
_MOST_MIB = 4096
_MOST_PASSES = 64


@dataclass(frozen=True)
class PassphraseCost:
    """What one guess costs. memory_mib: at least 19 (OWASP ASVS 5.0, appendix C)."""

    memory_mib: int = 256
    passes: int = 4
    lanes: int = 4


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the key is made, stored beside the wrapped root. salt: base64 of 16 bytes."""

    salt: str
    memory_mib: int
    passes: int
    lanes: int
    argon2: str = "id-19"


@dataclass(frozen=True)
class PassphraseSeal:
    """Wraps under the key that `derived` or `chosen` made. Holds the key, not the passphrase."""

    parameters: str
    key: Secret
    random: aead.Random = field(default=os.urandom, repr=False)

    @property
    def kind(self) -> str:
        """See Seal."""
        return "passphrase"

    def wrap(self, root: Secret, vault_id: str) -> bytes:
        """See Seal."""
        return wrap_under(self.key, self, root, vault_id, self.random)

    def unwrap(self, wrapped: bytes, vault_id: str) -> Secret:
        """Return the root. Raises Damaged: a wrong passphrase and a changed row look alike."""
        failed = (
            "the vault does not open with this passphrase: it is not the right one, or the "
            "stored root was changed"
        )
        return unwrap_under(self.key, self, wrapped, vault_id, failed)


def chosen(
    passphrase: Secret, cost: PassphraseCost, random: aead.Random = os.urandom
) -> PassphraseSeal:
    """The seal of a passphrase that somebody chose just now. Raises InvalidInput."""
    text = _normal(passphrase)
    if not SHORTEST <= len(text) <= LONGEST:
        raise InvalidInput.at(
            "passphrase",
            f"must have {SHORTEST} to {LONGEST} characters; four or five random words do well",
        )
    made = Parameters(
        base64.b64encode(aead.draw(_SALT_BYTES, random)).decode(),
        cost.memory_mib,
        cost.passes,
        cost.lanes,
    )
    return PassphraseSeal(msgspec.json.encode(made).decode(), _key(text, made), random)


def derived(
    passphrase: Secret, parameters: str, random: aead.Random = os.urandom
) -> PassphraseSeal:
    """The seal of a passphrase with the stored parameters; whether it is right, `unwrap` says.

    Takes the time and memory that the parameters name. Raises InvalidInput for what cannot be a
    passphrase, Damaged for parameters that were changed.
    """
    return PassphraseSeal(parameters, _key(_normal(passphrase), _read(parameters)), random)


def _normal(passphrase: Secret) -> str:
    exposed = passphrase.expose()
    if not exposed or len(exposed) > 16 * LONGEST:
        raise InvalidInput.at("passphrase", f"must have 1 to {LONGEST} characters")
    try:
        return unicodedata.normalize("NFKC", exposed.decode())
    except UnicodeDecodeError:
        raise InvalidInput.at("passphrase", "must be text in UTF-8") from None


def _key(text: str, cost: Parameters) -> Secret:
    return Secret(
        hash_secret_raw(
            text.encode(),
            base64.b64decode(cost.salt),
            time_cost=cost.passes,
            memory_cost=cost.memory_mib * 1024,
            parallelism=cost.lanes,
            hash_len=aead.KEY_BYTES,
            type=Type.ID,
        )
    )


def _read(text: str) -> Parameters:
    try:
        read = msgspec.json.decode(text, type=Parameters)
        salt = base64.b64decode(read.salt, validate=True)
    except (msgspec.MsgspecError, binascii.Error, ValueError):
        raise _changed() from None
    sane = (
        len(salt) == _SALT_BYTES
        and 1 <= read.memory_mib <= _MOST_MIB
        and 1 <= read.passes <= _MOST_PASSES
        and 1 <= read.lanes <= 64
        and read.argon2 == "id-19"
    )
    if not sane:
        raise _changed()
    return read


def _changed() -> Damaged:
    return Damaged(
        "the stored parameters of the passphrase were changed; restore the store from a backup"
    )
