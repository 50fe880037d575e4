"""What an import is done under: who asked for it, with which rights, and how its file is read."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.identity.principal import Principal
from secvault.records.imports import import_row, source
from secvault.records.imports.import_row import Import
from secvault.records.imports.spec import OnConflict, Spec
from secvault.service.service import Service
from secvault.service.spine import Caller


class Commission(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sealed with the file, so that nobody who can write to the database imports as another.

    The work is done with the rights that the principal's subject has at that moment, within what
    the credential was narrowed to; its second factor counts as old as it is by then.
    """

    collection: str
    on_conflict: OnConflict
    spec: Spec
    principal: Principal
    address: str = ""
    ticket: str = ""

    def caller(self) -> Caller:
        """Whoever asked, as the one that the program acts for."""
        return Caller(self.principal, address=self.address, ticket=self.ticket, commissioned=True)

    def by(self, caller: Caller) -> Commission:
        """The same, asked for anew by this caller."""
        return msgspec.structs.replace(
            self,
            principal=caller.principal,
            address=caller.address,
            ticket=caller.ticket,
        )


def sealed(service: Service, commission: Commission, key: Secret, import_id: str) -> bytes:
    """The commission as it is kept."""
    return source.seal_terms(msgspec.json.encode(commission), key, import_id, service.random)


def read_commission(service: Service, connection: Connection, found: Import) -> Commission:
    """The commission of an import that has not ended.

    Raises Damaged when it does not open, or is not that of this row.
    """
    key = source.key_of(connection, service.keyring, found.collection, found.id)
    kept = import_row.terms_of(connection, found.id)
    opened = source.open_terms(kept, key, found.id)
    try:
        commission = msgspec.json.decode(opened, type=Commission)
    except msgspec.DecodeError:
        raise Damaged(f"the terms of the import {found.id} cannot be read") from None
    said = (commission.collection, commission.on_conflict, commission.principal.subject)
    if said != (found.collection, found.on_conflict, found.requested_by):
        raise Damaged(f"the import {found.id} is damaged: its row and its terms do not agree")
    return commission
