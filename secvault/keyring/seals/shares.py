"""The shares seal: the root is wrapped under a key that is split into SLIP-39 shares, k of n.

Each share is 33 words (SLIP-39, one group, no passphrase); fewer than k tell nothing about the key.
The shares are shown once, when they are made, and written nowhere. The splitting draws its own
randomness from the operating system.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import msgspec

from secvault.crypto import aead, shares
from secvault.crypto.secret import Secret
from secvault.crypto.shares import MOST_SHARES, Gathered, ShareSet
from secvault.errors import Damaged
from secvault.keyring.seals.seal import unwrap_under, wrap_under


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which set of shares opens the vault. identifier: of SLIP-39, 15 random bits of the set."""

    threshold: int
    shares: int
    identifier: int


@dataclass(frozen=True)
class SharesSeal:
    """Wraps under the key that `split` made and `Collected` puts together again."""

    parameters: str
    key: Secret
    random: aead.Random = field(default=os.urandom, repr=False)

    @property
    def kind(self) -> str:
        """See Seal."""
        return "shares"

    def wrap(self, root: Secret, vault_id: str) -> bytes:
        """See Seal."""
        return wrap_under(self.key, self, root, vault_id, self.random)

    def unwrap(self, wrapped: bytes, vault_id: str) -> Secret:
        """See Seal."""
        failed = (
            "the vault does not open with these shares: one of them is not of this vault's "
            "present set, or the stored root was changed"
        )
        return unwrap_under(self.key, self, wrapped, vault_id, failed)


def split(
    threshold: int, count: int, random: aead.Random = os.urandom
) -> tuple[SharesSeal, tuple[Secret, ...]]:
    """A new seal and its shares, of which `threshold` open it. Raises InvalidInput."""
    shares.require_sensible(threshold, count, "the vault")
    key = Secret(aead.draw(aead.KEY_BYTES, random))
    of, made = shares.split(key, threshold, count, "the vault")
    parameters = msgspec.json.encode(Parameters(threshold, count, of.identifier)).decode()
    return SharesSeal(parameters, key, random), made


def read_parameters(text: str) -> Parameters:
    """The stored parameters. Raises Damaged."""
    try:
        read = msgspec.json.decode(text, type=Parameters)
    except msgspec.MsgspecError:
        raise _changed() from None
    if not 1 <= read.threshold <= read.shares <= MOST_SHARES:
        raise _changed()
    return read


class Collected:
    """The shares that were given so far. Not for several threads at once."""

    def __init__(self, parameters: str, random: aead.Random = os.urandom) -> None:
        self.parameters = parameters
        wanted = read_parameters(parameters)
        self._random = random
        self._gathered = Gathered(
            ShareSet(wanted.threshold, wanted.shares, wanted.identifier),
            "this vault's present set of shares",
        )

    @property
    def progress(self) -> int:
        """How many different shares are there."""
        return self._gathered.progress

    @property
    def threshold(self) -> int:
        """How many are needed."""
        return self._gathered.wanted.threshold

    @property
    def shares(self) -> int:
        """How many were made."""
        return self._gathered.wanted.shares

    def add(self, words: Secret) -> SharesSeal | None:
        """Take one share; the seal when it was the last one needed, else None. See `Gathered`."""
        key = self._gathered.add(words)
        return None if key is None else SharesSeal(self.parameters, key, self._random)

    def forget(self) -> None:
        """Drop what was given."""
        self._gathered.forget()


def _changed() -> Damaged:
    return Damaged(
        "the stored parameters of the shares were changed; restore the store from a backup"
    )
