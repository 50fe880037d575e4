"""The shares seal: the root is wrapped under a key that is split into SLIP-39 shares, k of n.

Each share is 33 words (SLIP-39, one group, no passphrase); fewer than k tell nothing about the key.
The shares are shown once, when they are made, and written nowhere. The splitting draws its own
randomness from the operating system.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
from shamir_mnemonic import MnemonicError, combine_mnemonics, generate_mnemonics
from shamir_mnemonic.share import Share

from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput
from secvault.keyring.seals.seal import unwrap_under, wrap_under

MOST_SHARES = 16
"""Of one group; the limit of SLIP-39."""

# 10,000 rounds of PBKDF2 over a key of 256 random bits, which needs none.
_ITERATION_EXPONENT = 0
_LONGEST_WORDS = 1024


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
    threshold: int, shares: int, random: aead.Random = os.urandom
) -> tuple[SharesSeal, tuple[Secret, ...]]:
    """A new seal and its shares, of which `threshold` open it. Raises InvalidInput."""
    if not 1 <= shares <= MOST_SHARES:
        raise InvalidInput.at("shares", f"use 1 to {MOST_SHARES}")
    if not 1 <= threshold <= shares:
        raise InvalidInput.at("threshold", f"use 1 to {shares}, the number of shares")
    if threshold == 1 and shares > 1:
        raise InvalidInput.at(
            "threshold", "with 1, every share alone opens the vault; use 2 or more, or one share"
        )
    key = Secret(aead.draw(aead.KEY_BYTES, random))
    [made] = generate_mnemonics(
        1, [(threshold, shares)], key.expose(), iteration_exponent=_ITERATION_EXPONENT
    )
    identifier = Share.from_mnemonic(made[0]).identifier
    parameters = msgspec.json.encode(Parameters(threshold, shares, identifier)).decode()
    return SharesSeal(parameters, key, random), tuple(map(Secret.of, made))


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
        self._wanted = read_parameters(parameters)
        self._random = random
        self._given: dict[int, str] = {}

    @property
    def progress(self) -> int:
        """How many different shares are there."""
        return len(self._given)

    @property
    def threshold(self) -> int:
        """How many are needed."""
        return self._wanted.threshold

    @property
    def shares(self) -> int:
        """How many were made."""
        return self._wanted.shares

    def add(self, words: Secret) -> SharesSeal | None:
        """Take one share; the seal when it was the last one needed, else None.

        The same share again changes nothing. When the shares do not fit together, all are
        forgotten. Raises InvalidInput, which tells a mistyped share from a foreign one, and no
        word of it.
        """
        text = _normal(words)
        try:
            share = Share.from_mnemonic(text)
        except (MnemonicError, ValueError, IndexError):
            raise InvalidInput.at(
                "key",
                "these words are not a share; check their spelling and order, and that all "
                "of them are there",
            ) from None
        if not self._fits(share):
            raise InvalidInput.at(
                "key", "this share does not belong to this vault's present set of shares"
            )
        if self._given.setdefault(share.index, text) != text:
            raise self._mixed()
        if self.progress < self.threshold:
            return None
        return SharesSeal(self.parameters, self._combine(self._given.values()), self._random)

    def forget(self) -> None:
        """Drop what was given."""
        self._given.clear()

    def _fits(self, share: Share) -> bool:
        wanted = self._wanted
        return (
            share.identifier == wanted.identifier
            and share.member_threshold == wanted.threshold
            and share.index < wanted.shares
            and (share.group_index, share.group_count, share.group_threshold) == (0, 1, 1)
            and len(share.value) == aead.KEY_BYTES
        )

    def _combine(self, given: Iterable[str]) -> Secret:
        try:
            return Secret(combine_mnemonics(given))
        except (MnemonicError, ValueError):
            raise self._mixed() from None

    def _mixed(self) -> InvalidInput:
        self.forget()
        return InvalidInput.at(
            "key", "the shares do not belong together; all are forgotten, begin again"
        )


def _normal(words: Secret) -> str:
    exposed = words.expose()
    if len(exposed) > _LONGEST_WORDS:
        raise InvalidInput.at("key", "too long for a share; give one share at a time")
    try:
        return " ".join(exposed.decode("ascii").lower().split())
    except UnicodeDecodeError:
        raise InvalidInput.at("key", "a share has only the letters a to z and spaces") from None


def _changed() -> Damaged:
    return Damaged(
        "the stored parameters of the shares were changed; restore the store from a backup"
    )
