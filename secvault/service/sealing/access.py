"""How one process comes to the root: by the sealer when one runs, else by the seal itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Protocol

from secvault.config import Settings
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.keyring.root import Root, read_stored
from secvault.keyring.seals.configured import seal_of
from secvault.keyring.seals.seal import Seal, Wrapped, wrapped_by
from secvault.service.sealing.client import SealerClient
from secvault.store import Store


class RootAccess(Protocol):
    """The way to the root."""

    def root(self) -> Root:
        """The store's present root. Raises Sealed, Damaged, Unavailable, ConfigurationError."""
        ...

    def wrap(self, root: Root) -> Wrapped:
        """A new root under the present seal, opened again to see that it opens. Raises the same."""
        ...

    def resealed(self, seal: Seal, key: Secret | None) -> None:
        """Tell the other processes that the store is under this seal now."""
        ...


@dataclass(frozen=True)
class BySealer:
    """Through the sealer of this machine."""

    client: SealerClient

    def root(self) -> Root:
        """See RootAccess; all who watch the sealer are told too."""
        return self.client.root()

    def wrap(self, root: Root) -> Wrapped:
        """See RootAccess."""
        return self.client.wrap(root)

    def resealed(self, seal: Seal, key: Secret | None) -> None:
        """See RootAccess."""
        self.client.resealed(seal.kind, seal.parameters, key)


@dataclass(frozen=True)
class BySeal:
    """Through the seal, in this process."""

    settings: Settings
    store: Store
    random: Random = os.urandom

    def root(self) -> Root:
        """See RootAccess."""
        with self.store.read() as connection:
            stored = read_stored(connection)
        return stored.opened_by(self._seal(stored.wrapped))

    def wrap(self, root: Root) -> Wrapped:
        """See RootAccess."""
        with self.store.read() as connection:
            stored = read_stored(connection)
        return wrapped_by(self._seal(stored.wrapped), root.key, root.vault_id)

    def resealed(self, seal: Seal, key: Secret | None) -> None:
        """Nobody else is there."""

    def _seal(self, wrapped: Wrapped) -> Seal:
        return seal_of(self.settings, wrapped.kind, wrapped.parameters, self.random)


@dataclass(frozen=True)
class GivenRoot:
    """A root that was made or opened in this process just now."""

    given: Root
    seal: Seal

    def root(self) -> Root:
        """See RootAccess."""
        return self.given

    def wrap(self, root: Root) -> Wrapped:
        """See RootAccess."""
        return wrapped_by(self.seal, root.key, root.vault_id)

    def resealed(self, seal: Seal, key: Secret | None) -> None:
        """Nobody else is there."""


def root_access(settings: Settings, store: Store, random: Random = os.urandom) -> RootAccess:
    """The sealer of the data folder, when one runs; else the seal. Raises Broken."""
    client = SealerClient(settings.data_folder)
    return BySealer(client) if client.running else BySeal(settings, store, random)
