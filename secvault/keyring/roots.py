"""The open root of one process: taken again when it was rotated elsewhere, dropped when sealed."""

from __future__ import annotations

import os
from collections.abc import Callable

from sqlalchemy import Connection, select

from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, Damaged, Sealed
from secvault.keyring.root import Root
from secvault.store import Store, tables

Renew = Callable[[], Root]
"""Gives the store's present root again; raises Sealed, Damaged or Unavailable."""


class Roots:
    """Wraps and opens under the root. Safe for several threads."""

    def __init__(
        self, store: Store, root: Root, renew: Renew | None = None, random: aead.Random = os.urandom
    ) -> None:
        self._store = store
        # Newest first; one earlier root, for those who read rows of the moment before a rotation.
        # Replaced as a whole and never changed, so that no lock is needed.
        self._known: tuple[Root, ...] = (root,)
        self._renew = renew
        self._random = random

    @property
    def present(self) -> Root:
        """The newest root that this process knows. Raises Sealed after `close`."""
        known = self._known
        if not known:
            raise Sealed("the vault was sealed; unseal it with `secvault unseal`")
        return known[0]

    def adopt(self, root: Root) -> None:
        """Use this root from now on, if it is newer. Raises Damaged for another vault's."""
        present = self.present
        if root.vault_id != present.vault_id:
            raise Damaged("the root key of another vault was given; look at the store's address")
        if root.generation > present.generation:
            self._known = (root, present)

    def close(self) -> None:
        """Forget the root: nothing is wrapped or opened any more."""
        self._known = ()

    def open(self, wrapped: bytes, place: bytes) -> Secret:
        """What was wrapped for this place. Raises Damaged, Sealed."""
        known = self._known
        try:
            return self._open_with_any(wrapped, place)
        except Damaged:
            # Rotated by another process, which this one has not been told of yet, or only since?
            if not self._renewed(self._generation()) and self._known is known:
                raise
        return self._open_with_any(wrapped, place)

    def seal(self, connection: Connection, secret: Secret, place: bytes) -> bytes:
        """Wrap under the root that is the store's until the caller's transaction ends.

        Without that, what is wrapped while another process rotates the root would be lost.
        Raises Conflict, Sealed.
        """
        return aead.seal(secret.expose(), self.current(connection).key, place, self._random)

    def current(self, connection: Connection, *, held: bool = True) -> Root:
        """The root that is the store's until the caller's transaction ends.

        held: False in a transaction that only reads: then it is the store's at this moment.
        Raises Conflict, Sealed.
        """
        generation = select(tables.vault.c.root_generation)
        if held:
            generation = generation.with_for_update(read=True)
        wanted = connection.execute(generation).scalar_one_or_none()
        if wanted is not None and wanted != self.present.generation:
            self._renewed(wanted)
            if wanted != self.present.generation:
                raise Conflict("the root key was rotated at this moment; try again")
        return self.present

    def _open_with_any(self, wrapped: bytes, place: bytes) -> Secret:
        known = self._known
        first = self.present
        for root in known[1:]:
            try:
                return Secret(aead.open_sealed(wrapped, first.key, place))
            except Damaged:
                first = root
        return Secret(aead.open_sealed(wrapped, first.key, place))

    def _generation(self) -> int | None:
        with self._store.read() as connection:
            return connection.execute(select(tables.vault.c.root_generation)).scalar_one_or_none()

    def _renewed(self, generation: int | None) -> bool:
        if generation is None or generation <= self.present.generation or self._renew is None:
            return False
        self.adopt(self._renew())
        return True
