"""Whose root key opens a copy: one of those in escrow, else that of the running service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, select

from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, SecvaultError
from secvault.keyring.place import material_place
from secvault.keyring.root import Root, StoredRoot, earlier, read_stored
from secvault.keyring.roots import Roots
from secvault.service.drill_levels.findings import Findings
from secvault.service.recovery_kits import Escrowed
from secvault.service.service import Service
from secvault.store import Store, tables

Escrow = Callable[[], Escrowed | None]
"""Gives the root keys that the newest recovery kit has, opened from it; None without a kit."""

NO_KIT = (
    "the keys in escrow: no recovery kit was issued; the copy was opened with the root key of the "
    "running service, which is lost together with it"
)
_TRIED = 200


@dataclass(frozen=True)
class OpenedBy:
    """The root that opens a copy, and where it is from."""

    root: Root
    source: Literal["kit", "service"]


def root_for(
    service: Service, copy: Store, stored: StoredRoot, escrow: Escrow, found: Findings
) -> OpenedBy | None:
    """The root that opens the copy; None, with a fault, when none that is known does.

    stored: the vault's row in the copy. That the root is not in escrow is a fault, too.
    """
    in_escrow = _in_escrow(escrow, found)
    with copy.read() as connection:
        for key in in_escrow or ():
            root = Root(stored.vault_id, key, stored.generation)
            if _opens(connection, copy, root):
                return OpenedBy(root, "kit")
    if in_escrow is not None:
        found.fault(
            "root-not-in-escrow",
            f"root key of generation {stored.generation}",
            "no root key in the newest recovery kit opens the copy: issue the kit again",
        )
    try:
        present = _of_service(service, stored)
    except SecvaultError as error:
        found.fault("keys-missing", f"root key of generation {stored.generation}", error.detail)
        return None
    with copy.read() as connection:
        if not _opens(connection, copy, present):
            found.fault(
                "keys-swapped",
                f"root key of generation {stored.generation}",
                "the keys of the copy are not under a root key of this vault",
            )
            return None
    return OpenedBy(present, "service")


def _in_escrow(escrow: Escrow, found: Findings) -> tuple[Secret, ...] | None:
    """The root keys in escrow, the newest first; None when there is no kit."""
    try:
        escrowed = escrow()
    except Damaged as damage:
        found.fault(
            "root-not-in-escrow", "the newest recovery kit", f"it does not open: {damage.detail}"
        )
        return ()
    if escrowed is None:
        found.leave_open(NO_KIT)
        return None
    return escrowed.roots


def _of_service(service: Service, stored: StoredRoot) -> Root:
    """The running service's root of the copy's generation. Raises Damaged, Sealed."""
    root = service.keyring.roots.present
    if stored.generation == root.generation:
        return root
    with service.store.read() as connection:
        return earlier(connection, root, stored.generation)


def _opens(connection: Connection, copy: Store, root: Root) -> bool:
    """Whether the root opens any key of the copy; some of them may be damaged."""
    if len(root.key.expose()) != aead.KEY_BYTES:
        return False
    version, key = tables.named_key_version.c, tables.named_key.c
    rows = connection.execute(
        select(version.mount, version.name, version.version, version.wrapped, key.sealed_options)
        .join_from(tables.named_key_version, tables.named_key)
        .order_by(version.mount, version.name, version.version)
        .limit(_TRIED)
    ).all()
    roots = Roots(copy, root)
    for row in rows:
        if not row.wrapped:
            continue
        bound = row.sealed_options is not None
        try:
            roots.open(row.wrapped, material_place(row.mount, row.name, row.version, bound=bound))
        except Damaged:
            continue
        return True
    return False


def stored_root(copy: Store) -> StoredRoot:
    """The vault's row in a copy. Raises Sealed when there is none."""
    with copy.read() as connection:
        return read_stored(connection)
