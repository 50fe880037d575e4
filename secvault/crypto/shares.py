"""A secret split into SLIP-39 shares, k of n: words that people can write on paper.

One group, no passphrase. A share of 256 bits is 33 words. Fewer than k tell nothing about the
secret. The splitting draws its own randomness from the operating system.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from shamir_mnemonic import MnemonicError, combine_mnemonics, generate_mnemonics
from shamir_mnemonic.share import Share

from secvault.crypto.aead import KEY_BYTES, bind
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput

MOST_SHARES = 16
"""Of one group; the limit of SLIP-39."""

# 10,000 rounds of PBKDF2 over a secret of 256 random bits, which needs none.
_ITERATION_EXPONENT = 0
_LONGEST_WORDS = 1024
_CHECK_HEX = 32


@dataclass(frozen=True)
class ShareSet:
    """Which shares belong together. identifier: of SLIP-39, 15 random bits of the set."""

    threshold: int
    shares: int
    identifier: int


@dataclass(frozen=True)
class ReadShare:
    """One share that is spelt right. index: from 0. check: see `check_of`."""

    identifier: int
    index: int
    threshold: int
    check: str


def require_sensible(threshold: int, shares: int, opens: str) -> None:
    """Raise InvalidInput for numbers that make no set. opens: what they open, for the words."""
    if not 1 <= shares <= MOST_SHARES:
        raise InvalidInput.at("shares", f"use 1 to {MOST_SHARES}")
    if not 1 <= threshold <= shares:
        raise InvalidInput.at("threshold", f"use 1 to {shares}, the number of shares")
    if threshold == 1 and shares > 1:
        raise InvalidInput.at(
            "threshold", f"with 1, every share alone opens {opens}; use 2 or more, or one share"
        )


def split(
    secret: Secret, threshold: int, shares: int, opens: str = "it"
) -> tuple[ShareSet, tuple[Secret, ...]]:
    """The shares of a 256-bit secret, of which `threshold` give it back. Raises InvalidInput."""
    require_sensible(threshold, shares, opens)
    [made] = generate_mnemonics(
        1, [(threshold, shares)], secret.expose(), iteration_exponent=_ITERATION_EXPONENT
    )
    identifier = Share.from_mnemonic(made[0]).identifier
    return ShareSet(threshold, shares, identifier), tuple(map(Secret.of, made))


def read_share(words: Secret, at: str = "key") -> ReadShare:
    """One share by itself. Raises InvalidInput at the field for what is none, without a word of it.

    at: what the field is called by whoever reads the error.
    """
    return _read(_parsed(_normal(words, at), at))


def check_of(words: Secret) -> str:
    """What a share can be known by without telling anything of it: 128 bits in hexadecimal.

    SHA-256 over the set, its number and its 256 random bits, cut off: it cannot be guessed back.
    """
    return read_share(words).check


class Gathered:
    """The shares that were given so far. Not for several threads at once.

    whose: how the set is called in errors, "this kit's set of shares". at: the field of errors.
    """

    def __init__(self, wanted: ShareSet, whose: str, at: str = "key") -> None:
        self.wanted = wanted
        self._whose = whose
        self._at = at
        self._given: dict[int, str] = {}

    @property
    def progress(self) -> int:
        """How many different shares are there."""
        return len(self._given)

    def add(self, words: Secret) -> Secret | None:
        """Take one share; the secret when it was the last one needed, else None.

        The same share again changes nothing. When the shares do not fit together, all are
        forgotten. Raises InvalidInput, which tells a mistyped share from a foreign one, and no
        word of it.
        """
        text = _normal(words, self._at)
        share = _parsed(text, self._at)
        if not self._fits(share):
            raise InvalidInput.at(self._at, f"this share does not belong to {self._whose}")
        if self._given.setdefault(share.index, text) != text:
            raise self._mixed()
        if self.progress < self.wanted.threshold:
            return None
        try:
            return Secret(combine_mnemonics(self._given.values()))
        except (MnemonicError, ValueError):
            raise self._mixed() from None

    def forget(self) -> None:
        """Drop what was given."""
        self._given.clear()

    def _fits(self, share: Share) -> bool:
        wanted = self.wanted
        return (
            share.identifier == wanted.identifier
            and share.member_threshold == wanted.threshold
            and share.index < wanted.shares
            and (share.group_index, share.group_count, share.group_threshold) == (0, 1, 1)
            and len(share.value) == KEY_BYTES
        )

    def _mixed(self) -> InvalidInput:
        self.forget()
        return InvalidInput.at(
            self._at, "the shares do not belong together; all are forgotten, begin again"
        )


def _parsed(text: str, at: str) -> Share:
    try:
        return Share.from_mnemonic(text)
    except (MnemonicError, ValueError, IndexError):
        raise InvalidInput.at(
            at,
            "these words are not a share; check their spelling and order, and that all "
            "of them are there",
        ) from None


def _read(share: Share) -> ReadShare:
    place = bind("secvault/share", str(share.identifier), str(share.index))
    check = sha256(place + share.value).hexdigest()[:_CHECK_HEX]
    return ReadShare(share.identifier, share.index, share.member_threshold, check)


def _normal(words: Secret, at: str) -> str:
    exposed = words.expose()
    if len(exposed) > _LONGEST_WORDS:
        raise InvalidInput.at(at, "too long for a share; give one share at a time")
    try:
        return " ".join(exposed.decode("ascii").lower().split())
    except UnicodeDecodeError:
        raise InvalidInput.at(at, "a share has only the letters a to z and spaces") from None
