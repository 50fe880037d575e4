"""The passwords of the repositories: drawn here, kept sealed in the store, changed in steps.

Each is sealed for the name of its repository. While one is changed, its row holds two: first the
one to come, which is written down before restic knows it; then, once the new one is in force, the
one that was. So a process that dies at any moment leaves a password in force that opens.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from secvault.clock import Clock
from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, NotFound
from secvault.store import Store, tables
from secvault.store.engine import insert_unless_there

PASSWORD_BYTES = 32


@dataclass(frozen=True)
class KeptPassword:
    """A repository's password as it is kept. Times in micros.

    coming: the one that is to replace it; former: the one that it replaced, until restic's key for
    that is gone. since: when it came into force. drawn: whether the present one is known to have
    been drawn here, so that nobody finds it by trying. escrowed_at: when it was last taken out, to
    be kept elsewhere; None where that was never done with the present one.
    """

    current: Secret
    coming: Secret | None
    former: Secret | None
    since: int
    drawn: bool
    escrowed_at: int | None


@dataclass(frozen=True)
class Passwords:
    """All of them. key: seals them."""

    store: Store
    clock: Clock
    key: Secret
    random: aead.Random

    def of(self, name: str, location: str) -> Secret:
        """The password in force of the repository, drawn at first use."""
        table = tables.backup_repository
        kept = select(table.c.sealed_password).where(table.c.name == name)
        with self.store.read() as connection:
            sealed = connection.execute(kept).scalar_one_or_none()
        if sealed is None:
            row = {
                "name": name,
                "location": location,
                "sealed_password": self._sealed(name, self._drawn()),
                "drawn": True,
                "created_at": self.clock.micros(),
            }
            with self.store.write() as connection:
                # Whoever is first: two plans may use a new repository at the same moment.
                insert_unless_there(connection, table, row)
                sealed = connection.execute(kept).scalar_one()
        return self._opened(name, sealed)

    def kept(self, name: str) -> KeptPassword | None:
        """All that is kept of the repository's password; None where none was drawn yet."""
        table = tables.backup_repository
        with self.store.read() as connection:
            row = connection.execute(select(table).where(table.c.name == name)).one_or_none()
        if row is None:
            return None
        since = row.password_since or row.created_at
        fresh = row.escrowed_at is not None and row.escrowed_at >= since
        return KeptPassword(
            self._opened(name, row.sealed_password),
            self._opened(name, row.sealed_next) if row.sealed_next is not None else None,
            self._opened(name, row.sealed_previous) if row.sealed_previous is not None else None,
            since,
            row.drawn,
            row.escrowed_at if fresh else None,
        )

    def adopt(self, name: str, location: str, password: Secret) -> None:
        """Keep a password that opens the repository already, in place of what was kept of it."""
        table, now = tables.backup_repository, self.clock.micros()
        sealed = self._sealed(name, password.expose())
        row = {"name": name, "location": location, "sealed_password": sealed, "created_at": now}
        with self.store.write() as connection:
            if not insert_unless_there(connection, table, row):
                connection.execute(
                    update(table)
                    .where(table.c.name == name)
                    .values(
                        sealed_password=sealed,
                        drawn=False,
                        sealed_next=None,
                        sealed_previous=None,
                        password_since=now,
                    )
                )

    def prepare(self, name: str) -> Secret:
        """The password to come: the one that was begun with, or a new one. Raises NotFound."""
        table = tables.backup_repository
        fresh = self._sealed(name, self._drawn())
        with self.store.write() as connection:
            connection.execute(
                update(table)
                .where(table.c.name == name, table.c.sealed_next.is_(None))
                .values(sealed_next=fresh)
            )
            coming = connection.execute(
                select(table.c.sealed_next).where(table.c.name == name)
            ).scalar_one_or_none()
        if coming is None:
            raise NotFound(f"no password of the repository {name} is kept here yet")
        return self._opened(name, coming)

    def put_in_force(self, name: str, coming: Secret) -> None:
        """Make the password to come that in force. Raises Conflict when it is another by now."""
        table = tables.backup_repository
        with self.store.write() as connection:
            row = connection.execute(
                select(table.c.sealed_password, table.c.sealed_next).where(table.c.name == name)
            ).one()
            if row.sealed_next is None or self._opened(name, row.sealed_next) != coming:
                raise Conflict(f"the password of {name} is being changed elsewhere; try again")
            changed = connection.execute(
                update(table)
                .where(table.c.name == name, table.c.sealed_next == row.sealed_next)
                .values(
                    sealed_password=row.sealed_next,
                    drawn=True,
                    sealed_previous=row.sealed_password,
                    sealed_next=None,
                    password_since=self.clock.micros(),
                )
            )
            if changed.rowcount != 1:
                raise Conflict(f"the password of {name} is being changed elsewhere; try again")

    def drop_former(self, name: str) -> None:
        """Keep the former password no longer: restic does not know it any more."""
        table = tables.backup_repository
        with self.store.write() as connection:
            connection.execute(
                update(table).where(table.c.name == name).values(sealed_previous=None)
            )

    @staticmethod
    def mark_escrowed(connection: Connection, names: Sequence[str], moment: int) -> None:
        """Note that the passwords of these repositories were taken out, as they were then."""
        table = tables.backup_repository
        connection.execute(update(table).where(table.c.name.in_(names)).values(escrowed_at=moment))

    def _drawn(self) -> bytes:
        return base64.urlsafe_b64encode(aead.draw(PASSWORD_BYTES, self.random))

    def _sealed(self, name: str, password: bytes) -> bytes:
        return aead.seal(password, self.key, _place(name), self.random)

    def _opened(self, name: str, sealed: bytes) -> Secret:
        what = f"The password of the repository {name}"
        return Secret(aead.open_sealed(sealed, self.key, _place(name), what))


def _place(name: str) -> bytes:
    return aead.bind("secvault/repository-password", name)
