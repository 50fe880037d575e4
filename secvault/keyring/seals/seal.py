"""What every seal is, and the form of what it wraps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import Damaged

KINDS = ("file", "passphrase", "shares", "vault", "aws-kms", "pkcs11")
"""Every kind, by its name in the settings and the store."""

BY_PEOPLE = frozenset({"passphrase", "shares"})
"""The kinds that people open: such a vault starts sealed."""

# More than any remote seal's wrapped key takes; a longer one is refused before it is sent.
_LONGEST_WRAPPED_KEY = 16 * 1024
_REMOTE = b"\x02"


@dataclass(frozen=True)
class Wrapped:
    """A root as the store keeps it. parameters: what the seal needs beside it, as JSON or empty."""

    kind: str
    parameters: str
    root: bytes


class Seal(Protocol):
    """Wraps and unwraps the root key."""

    @property
    def kind(self) -> str:
        """Its name in the settings and the store."""
        ...

    @property
    def parameters(self) -> str:
        """What is stored beside the wrapped root: JSON that holds nothing secret, or empty."""
        ...

    def wrap(self, root: Secret, vault_id: str) -> bytes:
        """Return the root sealed for this vault. Raises Sealed when the seal's key is missing."""
        ...

    def unwrap(self, wrapped: bytes, vault_id: str) -> Secret:
        """Return the root. Raises Sealed without the seal's key, Damaged for another's bytes."""
        ...


def wrapped_by(seal: Seal, root: Secret, vault_id: str) -> Wrapped:
    """The root under this seal, as the store keeps it, opened again to see that it opens.

    A seal that wraps and does not open (a token that may encrypt only) would lose the vault.
    Raises InvalidInput for a root that is not 32 bytes long, and what `wrap` and `unwrap` raise.
    """
    aead.aes_256_key(root)
    wrapped = seal.wrap(root, vault_id)
    if seal.unwrap(wrapped, vault_id) != root:
        raise Damaged(f"the seal of kind {seal.kind} does not give back what it wrapped")
    return Wrapped(seal.kind, seal.parameters, wrapped)


def place(vault_id: str, kind: str, parameters: str) -> bytes:
    """The associated data of a wrapped root: the vault, the kind of seal and its parameters.

    So that none of them can be exchanged in the store. The file seal, older than the others,
    names the vault alone.
    """
    return aead.bind("secvault/root", vault_id, kind, parameters)


def wrap_under(key: Secret, seal: Seal, root: Secret, vault_id: str, random: aead.Random) -> bytes:
    """The root under a key that this machine holds while the seal is open."""
    where = place(vault_id, seal.kind, seal.parameters)
    return aead.seal(root.expose(), key, where, random)


def unwrap_under(key: Secret, seal: Seal, wrapped: bytes, vault_id: str, failed: str) -> Secret:
    """The root that `wrap_under` wrapped. Raises Damaged with the words of `failed`."""
    where = place(vault_id, seal.kind, seal.parameters)
    try:
        return Secret(aead.open_sealed(wrapped, key, where))
    except Damaged:
        raise Damaged(failed) from None


def join_remote(wrapped_key: bytes, envelope: bytes) -> bytes:
    """`0x02 || u32be length || wrapped key || envelope`: of a seal that keeps its key elsewhere.

    The envelope holds the root under a key of its own, made for this one wrapping; only that key
    travels to the server or the HSM, never the root.
    """
    return _REMOTE + len(wrapped_key).to_bytes(4, "big") + wrapped_key + envelope


def split_remote(wrapped: bytes) -> tuple[bytes, bytes]:
    """The wrapped key and the envelope. Raises Damaged."""
    length = int.from_bytes(wrapped[1:5], "big")
    if wrapped[:1] != _REMOTE or not 0 < length <= _LONGEST_WRAPPED_KEY:
        raise Damaged("the stored root is damaged; restore the store from a backup")
    if len(wrapped) <= 5 + length:
        raise Damaged("the stored root is cut off; restore the store from a backup")
    return wrapped[5 : 5 + length], wrapped[5 + length :]
