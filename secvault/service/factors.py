"""A person's own factors: what there is, new passkeys, recovery codes; what administrators see.

What changes one takes the present password beside a second factor of the last minutes, which the
policy asks for; see `reauthentication.password_again` for who has no password to show.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput
from secvault.identity import (
    challenges,
    devices,
    enrolment,
    passkeys,
    people,
    recovery_codes,
    relying_party,
)
from secvault.identity.challenges import Challenge, Purpose
from secvault.identity.devices import Device
from secvault.identity.enrolment import Enrolment
from secvault.identity.passkeys import Passkey
from secvault.identity.principal import PASSKEY, TOTP
from secvault.identity.recovery_codes import RecoveryState
from secvault.identity.relying_party import Answer, InvalidAnswer, User
from secvault.service.passkey_sign_in import party_of
from secvault.service.reauthentication import password_again, settle
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome


@dataclass(frozen=True)
class Factors:
    """All that a person can show besides the password; names and dates, no keys."""

    devices: tuple[Device, ...]
    passkeys: tuple[Passkey, ...]
    recovery: RecoveryState

    def lets_in_without(self, factor: str) -> bool:
        """Whether its owner could still sign in without this one. factor: id."""
        used = [one.id for one in self.devices if one.state == devices.ACTIVE]
        used += [one.id for one in self.passkeys]
        return any(one != factor for one in used)

    @property
    def dispensable(self) -> frozenset[str]:
        """The ids of those that are not the last one. One that was never confirmed is no factor."""
        pending = {one.id for one in self.devices if one.state == devices.PENDING}
        every = {one.id for one in self.devices} | {one.id for one in self.passkeys}
        return frozenset(one for one in every if one in pending or self.lets_in_without(one))


def own_factors(service: Service, caller: Caller) -> Factors:
    """The caller's own factors. Raises InvalidInput for a system."""
    who = _person(caller)

    def act(connection: Connection) -> Outcome[Factors]:
        return Outcome(factors_in(service, connection, who), detail={"person": who})

    return service.spine.read(caller, _own("factor.read"), act)


def has_spare(service: Service, connection: Connection, person: str) -> bool:
    """Whether they could still get in after the loss of one thing: by a second one, or by codes."""
    found = factors_in(service, connection, person)
    usable = [one for one in found.devices if one.state == devices.ACTIVE]
    return len(usable) + len(found.passkeys) > 1 or found.recovery.left > 0


def factors_of(service: Service, caller: Caller, person: str) -> Factors:
    """Somebody's factors, for an administrator. person: sign-in name or id."""

    def act(connection: Connection) -> Outcome[Factors]:
        found = people.by_name_or_id(connection, person)
        return Outcome(factors_in(service, connection, found.id), detail={"person": found.id})

    return service.spine.read(caller, Operation("person.read", "it", "people", "it/people"), act)


def begin_passkey(
    service: Service, caller: Caller, name: str, *, password: Secret | None, address: str = ""
) -> Mapping[str, Any]:
    """What the browser needs to make a passkey of the caller's, to be called `name`."""
    who = _person(caller)
    service.spine.decide(caller, _own("factor.enrol"))
    shown = password_again(service, caller, password, address)

    def act(connection: Connection) -> Outcome[Mapping[str, Any]]:
        settle(service, connection, shown)
        somebody = people.read_person(connection, who)
        shown_as = passkeys.check_name(connection, who, name)
        about = Challenge(Purpose.ENROL, who, caller.principal.credential, shown_as)
        challenge = challenges.issue(connection, service.clock, about, service.random)
        options = relying_party.creation_options(
            party_of(service),
            User(who.encode(), somebody.name, somebody.display_name),
            challenge,
            passkeys.credential_ids(connection, who),
        )
        return Outcome(options, detail={"person": who, "factor": PASSKEY})

    return service.spine.change(caller, _own("factor.enrol"), act)


def finish_passkey(service: Service, caller: Caller, answer: Mapping[str, Any]) -> Passkey:
    """Keep the passkey that the browser made; it works from now on.

    Raises InvalidInput when the answer is not valid, or not to a challenge of this session.
    """
    who = _person(caller)
    service.spine.decide(caller, _own("factor.enrol"))
    given = _read(answer)
    asked = challenges.take(service.store, service.clock, given.challenge) if given else None
    ours = Challenge(Purpose.ENROL, who, caller.principal.credential)

    def act(connection: Connection) -> Outcome[Passkey]:
        if given is None or asked is None or replace(asked, name=None) != ours:
            raise InvalidInput.at(
                "credential", "does not answer a challenge of this session; begin again"
            )
        try:
            registered = relying_party.check_registration(party_of(service), given)
        except InvalidAnswer:
            raise InvalidInput.at(
                "credential", "is not valid: it must verify its user, on a page of this service"
            ) from None
        made = passkeys.add_passkey(connection, service.clock, who, asked.name or "", registered)
        return Outcome(made, detail={"person": who, "factor": PASSKEY, "device": made.id})

    return service.spine.change(caller, _own("factor.enrol"), act)


def remove_passkey(
    service: Service, caller: Caller, passkey: str, *, password: Secret | None, address: str = ""
) -> None:
    """Remove one of the caller's passkeys. Raises Conflict for the last factor there is."""
    who = _person(caller)
    service.spine.decide(caller, _own("factor.remove"))
    shown = password_again(service, caller, password, address)

    def act(connection: Connection) -> Outcome[None]:
        settle(service, connection, shown)
        # Of the last two factors, removed at the same moment, one stays.
        people.hold_person(connection, who)
        removed = passkeys.remove_passkey(connection, who, passkey)
        left = factors_in(service, connection, who)
        if not left.passkeys and all(each.state != devices.ACTIVE for each in left.devices):
            raise Conflict("this is your last factor; enrol another one first")
        return Outcome(None, detail={"person": who, "factor": PASSKEY, "device": removed.id})

    return service.spine.change(caller, _own("factor.remove"), act)


def make_recovery_codes(
    service: Service, caller: Caller, *, password: Secret | None, address: str = ""
) -> tuple[Secret, ...]:
    """Ten new recovery codes of the caller's, shown once; those from before are void."""
    who = _person(caller)
    service.spine.decide(caller, _own("recovery.make"))
    shown = password_again(service, caller, password, address)

    def act(connection: Connection) -> Outcome[tuple[Secret, ...]]:
        settle(service, connection, shown)
        codes = recovery_codes.make_codes(
            connection, service.clock, service.entrance.keys, who, service.random
        )
        return Outcome(codes, count=len(codes), detail={"person": who})

    return service.spine.change(caller, _own("recovery.make"), act)


def begin_device(service: Service, caller: Caller, name: str) -> Enrolment:
    """Begin a TOTP device of somebody whom a recovery code let in; its seed is shown once."""
    who = _person(caller)

    def act(connection: Connection) -> Outcome[Enrolment]:
        begun = enrolment.begin_enrolment(
            connection,
            service.clock,
            service.entrance.keys,
            people.read_person(connection, who),
            name=name,
            issuer=service.settings.organisation,
            random=service.random,
        )
        detail = {"person": who, "factor": TOTP, "device": begun.device.id}
        return Outcome(begun, detail=detail)

    return service.spine.change(caller, _own("recovery.enrol"), act)


def confirm_device(
    service: Service, caller: Caller, device: str, first_code: Secret, second_code: Secret
) -> Device:
    """Put that device into use, shown by two codes that follow one another.

    Raises InvalidInput when they do not fit; NotFound, for another person's, too.
    """
    who = _person(caller)

    def act() -> Outcome[Device]:
        confirmed = enrolment.confirm_enrolment(
            service.store,
            service.clock,
            service.entrance.keys,
            person_id=who,
            device_id=device,
            codes=(first_code, second_code),
            limits=service.entrance.attempts,
        )
        detail = {"person": who, "factor": TOTP, "device": confirmed.id}
        return Outcome(confirmed, detail=detail)

    return service.spine.work(caller, _own("recovery.enrol"), act)


def factors_in(service: Service, connection: Connection, person: str) -> Factors:
    """The factors of somebody, in the caller's transaction. person: id."""
    return Factors(
        devices.list_devices(connection, person),
        passkeys.list_passkeys(connection, person),
        recovery_codes.read_state(connection, person, service.entrance.attempts.lock_after),
    )


def _read(answer: Mapping[str, Any]) -> Answer | None:
    try:
        return relying_party.read_registration(answer)
    except InvalidAnswer:
        return None


def _person(caller: Caller) -> str:
    if caller.principal.kind != "user":
        raise InvalidInput("only people have factors; sign in as one")
    return caller.principal.id


def _own(action: str) -> Operation:
    return Operation(action, "it", "session", "it/factors")
