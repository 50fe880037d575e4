"""What people do about their own password and TOTP devices.

An open session is enough to look, and to confirm what was begun. To change something, both factors
are shown once more: whoever finds an unlocked screen can neither stay nor shut its owner out.
"""

from __future__ import annotations

from sqlalchemy import Connection

from secvault.audit.event import Actor, Event, Personal
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput, Refused
from secvault.identity import (
    devices,
    enrolment,
    passkeys,
    people,
    resync,
)
from secvault.identity.devices import Device
from secvault.identity.enrolment import Enrolment
from secvault.identity.sign_in import prove_password
from secvault.identity.totp import COMMON, Shape
from secvault.service.authentication import recording_refusals
from secvault.service.origin import Origin
from secvault.service.people import context_words
from secvault.service.reauthentication import both_factors
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome


def change_password(
    service: Service,
    caller: Caller,
    *,
    password: Secret,
    code: Secret,
    new: Secret,
    address: str = "",
) -> int:
    """Set a new password of one's own; every other session ends. Returns how many ended.

    Raises NotAuthenticated when password or code are not right, InvalidInput for a new password
    that is easy to guess.
    """
    operation = _operation(caller, "password.change")
    service.spine.decide(caller, operation)
    with service.store.read() as connection:
        person = people.read_person(connection, _own_id(caller))
    hashed = service.entrance.hasher.hash_new(new, context_words(service, person))
    proof = both_factors(service, caller, password, code, address)

    def act(connection: Connection) -> Outcome[int]:
        proof.settle(service.entrance, connection)
        ended = people.set_password(
            connection, service.clock, person.id, hashed, keep=caller.principal.credential
        )
        return Outcome(ended, detail={"person": person.id})

    return service.spine.change(caller, operation, act)


def list_devices(service: Service, caller: Caller) -> tuple[Device, ...]:
    """One's own devices, those that wait to be confirmed too."""

    def act(connection: Connection) -> Outcome[tuple[Device, ...]]:
        found = devices.list_devices(connection, _own_id(caller))
        return Outcome(found, count=len(found))

    return service.spine.read(caller, _operation(caller, "totp.read"), act)


def enrol_device(
    service: Service,
    caller: Caller,
    *,
    name: str,
    password: Secret,
    code: Secret,
    shape: Shape = COMMON,
    address: str = "",
) -> Enrolment:
    """Begin one more device of one's own; its seed is shown once."""
    operation = _operation(caller, "totp.enrol")
    service.spine.decide(caller, operation)
    proof = both_factors(service, caller, password, code, address)

    def act(connection: Connection) -> Outcome[Enrolment]:
        proof.settle(service.entrance, connection)
        person = people.read_person(connection, proof.known.id)
        begun = enrolment.begin_enrolment(
            connection,
            service.clock,
            service.entrance.keys,
            person,
            name=name,
            issuer=service.settings.organisation,
            shape=shape,
            random=service.random,
        )
        return Outcome(begun, detail={"device": begun.device.id, "person": person.id})

    return service.spine.change(caller, operation, act)


def confirm_device(
    service: Service, caller: Caller, device: str, codes: tuple[Secret, Secret]
) -> Device:
    """Put a device of one's own into use, shown by two codes that follow one another."""
    operation = _operation(caller, "totp.confirm")
    service.spine.decide(caller, operation)
    own = _own_id(caller)

    def act() -> Outcome[Device]:
        confirmed = enrolment.confirm_enrolment(
            service.store,
            service.clock,
            service.entrance.keys,
            person_id=own,
            device_id=device,
            codes=codes,
            limits=service.entrance.attempts,
        )
        return Outcome(confirmed, detail={"device": confirmed.id, "person": own})

    return service.spine.work(caller, operation, act)


def remove_device(
    service: Service,
    caller: Caller,
    device: str,
    *,
    password: Secret,
    code: Secret,
    address: str = "",
) -> Device:
    """Take a device of one's own out of use for good; never the last factor."""
    operation = _operation(caller, "totp.remove")
    service.spine.decide(caller, operation)
    proof = both_factors(service, caller, password, code, address)

    def act(connection: Connection) -> Outcome[Device]:
        proof.settle(service.entrance, connection)
        passkey = bool(passkeys.list_passkeys(connection, proof.known.id))
        gone = devices.remove_device(connection, proof.known.id, device, other_factor=passkey)
        return Outcome(gone, detail={"device": gone.id, "person": gone.person})

    return service.spine.change(caller, operation, act)


def confirm_first_device(
    service: Service,
    name: str,
    password: Secret,
    codes: tuple[Secret, Secret],
    *,
    request_id: str = "",
    address: str = "",
    agent: str = "",
) -> Device:
    """Put the first device of somebody into use who cannot sign in yet: a token that was assigned.

    Whoever has a device in use is refused like somebody unknown. Opens nothing. Raises as `sign_in`
    does; InvalidInput when the codes are of no device that waits.
    """
    entrance, origin = service.entrance, Origin(address, agent)
    said = origin.personal(name)
    with recording_refusals(service, request_id, origin=origin):
        person = prove_password(entrance, name, password, address)
    with service.store.read() as connection:
        waiting = [
            device.id
            for device in devices.list_devices(connection, person.id)
            if device.state == devices.PENDING and device.confirm_by > service.clock.micros()
        ]

    def record(connection: Connection, device: Device) -> None:
        service.audit.enqueue(
            connection, _event("totp.confirm", person.id, device.id, request_id, said)
        )

    refused = InvalidInput.at("codes", "there is no device that waits to be confirmed")
    for device_id in waiting:
        try:
            confirmed = enrolment.confirm_enrolment(
                service.store,
                service.clock,
                entrance.keys,
                person_id=person.id,
                device_id=device_id,
                codes=codes,
                limits=entrance.attempts,
                record=record,
            )
        except InvalidInput as error:
            refused = error
        else:
            service.audit.kick()
            return confirmed
    raise refused


def resync_device(
    service: Service,
    name: str,
    password: Secret,
    codes: tuple[Secret, Secret],
    *,
    request_id: str = "",
    address: str = "",
    agent: str = "",
) -> str:
    """Follow the clock of a device that has run away; the device's id. Opens nothing.

    Raises as `sign_in` does.
    """
    origin = Origin(address, agent)
    said = origin.personal(name)

    def record(connection: Connection, person: str, device: str) -> None:
        service.audit.enqueue(connection, _event("totp.resync", person, device, request_id, said))

    with recording_refusals(service, request_id, origin=origin):
        found = resync.resync(
            service.entrance, name, password, codes, address=address, record=record
        )
    service.audit.kick()
    return found


def _own_id(caller: Caller) -> str:
    if caller.principal.kind != "user":
        raise Refused("only a person has a password and devices; sign in as one")
    return caller.principal.id


def _operation(caller: Caller, action: str) -> Operation:
    return Operation(action, "it", "session", f"it/people/{_own_id(caller)}")


def _event(
    kind: str, person: str, device: str, request_id: str, personal: Personal | None
) -> Event:
    return Event(
        kind=kind,
        outcome="ok",
        actor=Actor("user", person),
        resource=f"it/people/{person}",
        department="it",
        request=request_id,
        detail={"device": device, "person": person},
        personal=personal,
    )
