"""A named key with its versions unwrapped: what encrypting and signing work with. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from secvault.crypto import key_kind
from secvault.crypto.key_kind import KeyKind, PrivateKey, PublicKey
from secvault.crypto.secret import Secret
from secvault.crypto.transit import NamedCipher, named_cipher
from secvault.errors import Damaged, InvalidInput
from secvault.keyring.named_key import NamedKey

TOO_OLD = "ciphertext or signature version is disallowed by policy (too old)"


@dataclass(frozen=True)
class KeyVersion:
    """One version. material: None where only the public half was imported."""

    number: int
    kind: KeyKind
    material: Secret | None
    hmac_key: Secret
    public_text: str | None
    created_at: int
    certificate_chain: str | None = None

    def secret(self) -> Secret:
        """The private material. Raises InvalidInput where there is none."""
        if self.material is None:
            raise InvalidInput(
                "requested version for signing does not contain a private part: only its public "
                "half was imported"
            )
        return self.material

    @cached_property
    def cipher(self) -> NamedCipher:
        """The cipher of a kind that encrypts symmetrically. Raises InvalidInput."""
        return named_cipher(self.secret(), self.number, self.kind.cipher)

    @cached_property
    def private(self) -> PrivateKey:
        """The private key of a kind that signs."""
        return key_kind.private_key(self.kind, self.secret())

    @cached_property
    def public(self) -> PublicKey:
        """The public key of a kind that signs."""
        if self.public_text is None:
            return self.private.public_key()
        return key_kind.public_key(self.kind, self.public_text)


class Versions(Mapping[int, KeyVersion]):
    """Versions that are unwrapped when they are first asked for.

    So a damaged version fails those who need it, and nobody else.
    """

    def __init__(self, unwrap: Mapping[int, Callable[[], KeyVersion]]) -> None:
        """unwrap: gives each version; may raise Damaged."""
        self._unwrap = unwrap
        self._opened: dict[int, KeyVersion] = {}

    def __getitem__(self, number: int) -> KeyVersion:
        """The version. Raises KeyError, Damaged."""
        found = self._opened.get(number)
        if found is None:
            found = self._opened[number] = self._unwrap[number]()
        return found

    def __iter__(self) -> Iterator[int]:
        """The numbers of the versions that are stored."""
        return iter(self._unwrap)

    def __len__(self) -> int:
        """How many are stored."""
        return len(self._unwrap)


@dataclass(frozen=True)
class OpenKey:
    """The key, and those of its versions that the policy leaves available."""

    key: NamedKey
    versions: Mapping[int, KeyVersion]

    @cached_property
    def kind(self) -> KeyKind:
        """What the key can do."""
        return key_kind.kind_of(self.key.kind)

    def for_encryption(self, wanted: int, what: str = "encryption") -> KeyVersion:
        """The version to encrypt or sign with; 0 stands for the latest. Raises InvalidInput."""
        key = self.key
        if wanted < 0:
            raise InvalidInput(f"requested version for {what} is negative")
        if wanted > key.latest_version:
            raise InvalidInput(
                f"requested version for {what} is higher than the latest key version"
            )
        if wanted and wanted < key.min_encryption_version:
            raise InvalidInput(
                f"requested version for {what} is less than the minimum encryption key version"
            )
        if wanted and wanted < key.min_decryption_version:
            raise InvalidInput("no such key version: it is below the minimum for decryption")
        return self._available(wanted or key.latest_version)

    def for_decryption(self, version: int, what: str = "ciphertext") -> KeyVersion:
        """The version that a ciphertext or signature names. Raises InvalidInput."""
        if version > self.key.latest_version:
            raise InvalidInput(f"invalid {what}: version is too new")
        if version < self.key.min_decryption_version:
            raise InvalidInput(TOO_OLD)
        return self._available(version)

    def _available(self, version: int) -> KeyVersion:
        if version in self.versions:
            return self.versions[version]
        if version < self.key.min_available_version:
            raise InvalidInput("the key version is no longer available: it was trimmed")
        raise Damaged(f"version {version} of the key {self.key.resource} is gone")
