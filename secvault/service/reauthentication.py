"""Showing one's factors once more, for what an open session alone must not do."""

from __future__ import annotations

from sqlalchemy import Connection

from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.identity import Reason, SignInRefused, people, reauthentication
from secvault.identity.reauthentication import Proof, ShownPassword
from secvault.identity.sign_in import Credentials
from secvault.service.authentication import recording_refusals
from secvault.service.origin import origin_of
from secvault.service.service import Service
from secvault.service.spine import Caller


def both_factors(
    service: Service, caller: Caller, password: Secret, code: Secret, address: str
) -> Proof:
    """The caller's password and code, shown and right. Raises as `sign_in` does."""
    given = Credentials(caller.principal.name, password, code, address)
    with recording_refusals(service, caller.request_id, origin=origin_of(caller)):
        proof = reauthentication.prove(service.entrance, given)
        _require_own(caller, proof.known.id)
        return proof


def password_again(
    service: Service, caller: Caller, password: Secret | None, address: str
) -> ShownPassword | None:
    """The caller's password, shown and right; None where none is asked for (see `needs_password`).

    Raises InvalidInput when it is left out, NotAuthenticated or TooManyAttempts when it is wrong.
    """
    if not needs_password(service, caller):
        return None
    if password is None:
        raise InvalidInput.at("password", "type your present password, too")
    name = caller.principal.name
    with recording_refusals(service, caller.request_id, origin=origin_of(caller)):
        shown = reauthentication.show_password(service.entrance, name, password, address)
        _require_own(caller, shown.known.id)
        return shown


def settle(service: Service, connection: Connection, shown: ShownPassword | None) -> None:
    """Let the password count for what the transaction does. Raises SignInRefused."""
    if shown is not None:
        shown.settle(service.entrance, connection)


def needs_password(service: Service, caller: Caller) -> bool:
    """Whether the caller must show a password: a person who has one, and did not come in by it and
    a recovery code a moment ago.
    """
    if caller.principal.kind != "user" or caller.principal.recovering:
        return False
    with service.store.read() as connection:
        return people.has_password(connection, caller.principal.id)


def _require_own(caller: Caller, person: str) -> None:
    if person != caller.principal.id:
        # The sign-in name was given to somebody else since this session was looked up.
        raise SignInRefused(Reason.NOT_YOURSELF, person)
