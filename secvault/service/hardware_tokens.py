"""The stock of hardware tokens: filled from the maker's file, given out by an administrator."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Connection

from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.identity import hardware_tokens, people
from secvault.identity.devices import Device
from secvault.identity.hardware_tokens import HardwareToken
from secvault.identity.seed_files import read_csv, read_pskc
from secvault.service.approval import Terms
from secvault.service.people import in_use
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

FileFormat = Literal["csv", "pskc"]


def import_tokens(
    service: Service,
    caller: Caller,
    *,
    content: bytes,
    file_format: FileFormat,
    key: Secret | None = None,
) -> int:
    """Put the tokens of a file into the stock, all or none; returns how many.

    key: of an encrypted PSKC file, in hexadecimal. Raises InvalidInput, Conflict.
    """
    operation = _operation("hardware_token.import")
    service.spine.decide(caller, operation)
    if file_format == "csv":
        if key is not None:
            raise InvalidInput.at("key", "is for PSKC files; a CSV file is not encrypted")
        tokens = read_csv(content)
    else:
        tokens = read_pskc(content, None if key is None else _from_hex(key))

    def act(connection: Connection) -> Outcome[int]:
        count = hardware_tokens.import_tokens(
            connection, service.clock, service.entrance.keys, tokens, service.random
        )
        return Outcome(count, count=count, detail={"format": file_format})

    return service.spine.change(caller, operation, act)


def list_tokens(service: Service, caller: Caller) -> tuple[HardwareToken, ...]:
    """The stock, by serial number, without seeds."""

    def act(connection: Connection) -> Outcome[tuple[HardwareToken, ...]]:
        found = hardware_tokens.list_tokens(connection)
        return Outcome(found, count=len(found))

    return service.spine.read(caller, _operation("hardware_token.read"), act)


def assign_token(service: Service, caller: Caller, serial: str, person: str) -> Device:
    """Give a token to somebody, who confirms it by two codes. person: sign-in name or id.

    For an account in use that takes a second person, since whoever imported the token may know its
    seed: raises ApprovalRequired.
    """

    def act(connection: Connection) -> Outcome[Device]:
        found = people.by_name_or_id(connection, person)
        device = hardware_tokens.assign_token(
            connection, service.clock, service.entrance.keys, found, serial, service.random
        )
        return Outcome(device, detail={"device": device.id, "person": found.id})

    def terms(connection: Connection) -> Terms | None:
        found = people.by_name_or_id(connection, person)
        return {"subject": found.subject, "serial": serial} if in_use(connection, found) else None

    return service.spine.change(caller, _operation("hardware_token.assign"), act, terms)


def retire_token(service: Service, caller: Caller, serial: str) -> None:
    """Take a token that nobody uses out of the stock, with its seed."""

    def act(connection: Connection) -> Outcome[None]:
        hardware_tokens.retire_token(connection, serial)
        return Outcome(None)

    service.spine.change(caller, _operation("hardware_token.retire"), act)


def _operation(action: str) -> Operation:
    return Operation(action, "it", "people", "it/hardware-tokens")


def _from_hex(key: Secret) -> Secret:
    try:
        return Secret(bytes.fromhex(key.text()))
    except ValueError:
        raise InvalidInput.at("key", "must be hexadecimal") from None
