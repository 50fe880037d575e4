"""The sealer's heart: the stored root, the seal that opens it, the shares given so far.

No sockets and no threads: the sealer calls it under its lock.
"""

from __future__ import annotations

import os

from secvault.clock import Clock
from secvault.config import Settings
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput, Sealed
from secvault.keyring.root import Root, StoredRoot, find_stored, read_stored
from secvault.keyring.seals import passphrase, shares
from secvault.keyring.seals.configured import seal_of, unattended
from secvault.keyring.seals.seal import BY_PEOPLE, Seal, Wrapped, wrapped_by
from secvault.service.sealing.messages import Status
from secvault.service.sealing.throttle import Throttle
from secvault.store import Store


class Opener:
    """Opens the root and keeps it. `root` is None while the vault is sealed."""

    def __init__(
        self, settings: Settings, store: Store, clock: Clock, random: Random = os.urandom
    ) -> None:
        self.root: Root | None = None
        self._settings = settings
        self._store = store
        self._random = random
        self._throttle = Throttle(clock)
        # A seal that people opened, with its key: it wraps again after a rotation of the root.
        self._given: Seal | None = None
        self._collected: shares.Collected | None = None
        self._nonce = ""

    def status(self) -> Status:
        """How the vault is. Raises Unavailable, Damaged."""
        with self._store.read() as connection:
            stored = find_stored(connection)
        if stored is None:
            return Status(initialized=False, storage=self._store.dialect)
        kind, threshold, count = stored.wrapped.kind, 0, 0
        if kind == "passphrase":
            threshold = count = 1
        elif kind == "shares":
            wanted = shares.read_parameters(stored.wrapped.parameters)
            threshold, count = wanted.threshold, wanted.shares
        return Status(
            kind=kind,
            sealed=self.root is None,
            threshold=threshold,
            shares=count,
            progress=self._collected.progress if self._collected and self.root is None else 0,
            nonce=self._nonce,
            vault_id=stored.vault_id,
            storage=self._store.dialect,
        )

    def open_unattended(self) -> Root:
        """Open by a seal that needs nobody.

        Raises Sealed (people must open it, or its server cannot be reached), Damaged,
        ConfigurationError, Unavailable.
        """
        stored = self._stored()
        kind, parameters = stored.wrapped.kind, stored.wrapped.parameters
        seal = seal_of(self._settings, kind, parameters, self._random)
        return self._keep(stored.opened_by(seal), seal)

    def give(self, key: Secret, *, remote: bool) -> Root | None:
        """Take a share or the passphrase; the root when that was enough.

        Raises InvalidInput (what is wrong with it), TooManyAttempts, Sealed (this kind of seal
        is opened by nobody's key).
        """
        if not remote:
            return self._given_key(key)
        self._throttle.require()
        try:
            root = self._given_key(key)
        except InvalidInput:
            self._throttle.failed()
            raise
        if root is not None:
            self._throttle.succeeded()
        return root

    def forget_shares(self) -> None:
        """Begin the unsealing again."""
        self._collected = None
        self._nonce = ""

    def close(self) -> None:
        """Forget the root, the seal's key and the shares."""
        self.root = None
        self._given = None
        self.forget_shares()

    def refresh(self) -> Root:
        """The store's present root, which another process may have rotated. Raises Sealed, ..."""
        if self.root is None:
            raise Sealed("the vault is sealed; unseal it with `secvault unseal`")
        stored = self._stored()
        if stored.generation != self.root.generation:
            self.root = stored.opened_by(self._present_seal(stored))
        return self.root

    def wrap(self, key: Secret, generation: int) -> Wrapped:
        """A new root under the present seal, tried out. Raises Sealed, Conflict, Damaged."""
        root = self.refresh()
        if generation != root.generation + 1:
            raise Damaged(f"the next root is of generation {root.generation + 1}, not {generation}")
        return wrapped_by(self._present_seal(self._stored()), key, root.vault_id)

    def resealed(self, kind: str, parameters: str, key: Secret | None) -> None:
        """Take the key of the new seal. Raises Damaged when it is not the store's."""
        stored = self._stored()
        if self.root is None or (kind, parameters) != (
            stored.wrapped.kind,
            stored.wrapped.parameters,
        ):
            raise Damaged("this is not the seal that the store is under")
        if kind not in BY_PEOPLE:
            self._given = None
            return
        if key is None:
            raise InvalidInput.at("key", "a seal that people open needs it")
        seal = _of_people(kind, parameters, key, self._random)
        if stored.opened_by(seal).key != self.root.key:
            raise Damaged("the new seal opens another root")
        self._given = seal

    def _given_key(self, key: Secret) -> Root | None:
        stored = self._stored()
        if stored.wrapped.kind == "passphrase":
            seal: Seal | None = passphrase.derived(key, stored.wrapped.parameters, self._random)
        elif stored.wrapped.kind == "shares":
            seal = self._add_share(key, stored.wrapped.parameters)
        else:
            raise InvalidInput.at(
                "key",
                f"a vault under a seal of kind {stored.wrapped.kind} takes no key; on the server, "
                "run `secvault unseal`",
            )
        if seal is None:
            return None
        try:
            opened = stored.opened_by(seal)
        except Damaged as damage:
            self.forget_shares()
            raise InvalidInput.at("key", damage.detail) from None
        return self._keep(opened, seal)

    def _add_share(self, key: Secret, parameters: str) -> Seal | None:
        if self._collected is None or self._collected.parameters != parameters:
            self._collected = shares.Collected(parameters, self._random)
            self._nonce = self._random(16).hex()
        return self._collected.add(key)

    def _keep(self, root: Root, seal: Seal) -> Root:
        self.forget_shares()
        self._given = seal if seal.kind in BY_PEOPLE else None
        self.root = root
        return root

    def _present_seal(self, stored: StoredRoot) -> Seal:
        kind, parameters = stored.wrapped.kind, stored.wrapped.parameters
        if kind not in BY_PEOPLE:
            return unattended(self._settings, kind, self._random)
        if self._given is not None and (self._given.kind, self._given.parameters) == (
            kind,
            parameters,
        ):
            return self._given
        try:
            return seal_of(self._settings, kind, parameters, self._random)
        except Sealed:
            raise Sealed(
                "the seal was changed since the vault was opened: seal it with `secvault seal now` "
                "and open it again with `secvault unseal`"
            ) from None

    def _stored(self) -> StoredRoot:
        with self._store.read() as connection:
            return read_stored(connection)


def _of_people(kind: str, parameters: str, key: Secret, random: Random) -> Seal:
    if kind == "shares":
        return shares.SharesSeal(parameters, key, random)
    return passphrase.PassphraseSeal(parameters, key, random)
