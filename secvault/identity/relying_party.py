"""WebAuthn as this service asks for it (W3C Web Authentication Level 3): options and checks.

No rows and no clock. The user must be verified by the authenticator, credentials are
discoverable, and no attestation is asked for: which make of key somebody uses is not our business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    RegistrationCredential,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

LONGEST_CREDENTIAL_ID = 1023
"""In bytes (WebAuthn Level 3, 4)."""

_TIMEOUT = 120_000
_TRANSPORT = re.compile(r"[a-z][a-z-]{0,31}")
_MOST_TRANSPORTS = 8


class InvalidAnswer(Exception):
    """What the authenticator, or whoever says to be one, answered is not valid."""


@dataclass(frozen=True)
class RelyingParty:
    """Who asks. id: the domain that passkeys are bound to. origins: where pages may ask from."""

    id: str
    name: str
    origins: tuple[str, ...]


@dataclass(frozen=True)
class User:
    """Whose passkey it is to be. handle: at most 64 bytes, tells nothing of the person."""

    handle: bytes
    name: str
    display_name: str


@dataclass(frozen=True)
class Registered:
    """A new credential whose answer was valid. public_key: COSE_Key. backup_eligible, backed_up: as
    the authenticator says.
    """

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...]
    backup_eligible: bool
    backed_up: bool


@dataclass(frozen=True)
class Asserted:
    """A signature that was valid. sign_count: as the authenticator counts, 0 when it does not."""

    sign_count: int
    backed_up: bool


@dataclass(frozen=True)
class Answer:
    """An answer to a challenge, read but not checked. user_handle: None when none was given."""

    challenge: bytes
    credential_id: bytes
    user_handle: bytes | None
    parsed: RegistrationCredential | AuthenticationCredential


def creation_options(
    party: RelyingParty, user: User, challenge: bytes, present: Iterable[bytes]
) -> dict[str, Any]:
    """What `PublicKeyCredential.parseCreationOptionsFromJSON` takes. present: credential ids that
    the person has already.
    """
    options = generate_registration_options(
        rp_id=party.id,
        rp_name=party.name,
        user_id=user.handle,
        user_name=user.name,
        user_display_name=user.display_name,
        challenge=challenge,
        timeout=_TIMEOUT,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            require_resident_key=True,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=each) for each in present],
    )
    return _plain(options_to_json(options))


def request_options(
    party: RelyingParty, challenge: bytes, allowed: Iterable[bytes] = ()
) -> dict[str, Any]:
    """What `PublicKeyCredential.parseRequestOptionsFromJSON` takes. allowed: credential ids; none
    for whatever passkey of this service the person chooses.
    """
    options = generate_authentication_options(
        rp_id=party.id,
        challenge=challenge,
        timeout=_TIMEOUT,
        allow_credentials=[PublicKeyCredentialDescriptor(id=each) for each in allowed],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return _plain(options_to_json(options))


def read_registration(given: Mapping[str, Any]) -> Answer:
    """The answer of `navigator.credentials.create`, as its `toJSON` writes it.

    Raises InvalidAnswer. given: `id`, `rawId`, `type`, and a `response` with texts in base64url.
    """
    try:
        parsed = parse_registration_credential_json(dict(given))
        return Answer(_challenge(parsed.response.client_data_json), parsed.raw_id, None, parsed)
    except Exception as error:  # the library's errors for foreign bytes are no closed list
        raise InvalidAnswer("the answer cannot be read") from error


def read_assertion(given: Mapping[str, Any]) -> Answer:
    """The answer of `navigator.credentials.get`, as its `toJSON` writes it.

    Raises InvalidAnswer.
    """
    try:
        parsed = parse_authentication_credential_json(dict(given))
        response = parsed.response
        challenge = _challenge(response.client_data_json)
        return Answer(challenge, parsed.raw_id, response.user_handle, parsed)
    except Exception as error:  # the library's errors for foreign bytes are no closed list
        raise InvalidAnswer("the answer cannot be read") from error


def check_registration(party: RelyingParty, answer: Answer) -> Registered:
    """The new credential. Whether the challenge was ours is for the caller. Raises InvalidAnswer.

    Checked: type, origin, relying party, presence, verification of the user, algorithm (EdDSA,
    ES256, RS256), and an attestation's signature if one was sent unasked.
    """
    parsed = answer.parsed
    if not isinstance(parsed, RegistrationCredential):
        raise InvalidAnswer("not the answer of a registration")
    try:
        checked = verify_registration_response(
            credential=parsed,
            expected_challenge=answer.challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            require_user_verification=True,
        )
    except Exception as error:  # the library's errors for foreign bytes are no closed list
        raise InvalidAnswer("the answer is not valid") from error
    if not 1 <= len(checked.credential_id) <= LONGEST_CREDENTIAL_ID:
        raise InvalidAnswer("the credential's id is too long")
    words = [str(each.value) for each in parsed.response.transports or ()]
    return Registered(
        checked.credential_id,
        checked.credential_public_key,
        checked.sign_count,
        tuple(word for word in words if _TRANSPORT.fullmatch(word))[:_MOST_TRANSPORTS],
        checked.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
        checked.credential_backed_up,
    )


def check_assertion(party: RelyingParty, answer: Answer, public_key: bytes) -> Asserted:
    """The signature of the credential with this key. Raises InvalidAnswer.

    Whether the challenge was ours, and the count went up, is for the caller.
    """
    parsed = answer.parsed
    if not isinstance(parsed, AuthenticationCredential):
        raise InvalidAnswer("not the answer of a sign-in")
    try:
        checked = verify_authentication_response(
            credential=parsed,
            expected_challenge=answer.challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            credential_public_key=public_key,
            # Compared where it is stored, in one statement with the new count.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except Exception as error:  # the library's errors for foreign bytes are no closed list
        raise InvalidAnswer("the answer is not valid") from error
    return Asserted(checked.new_sign_count, checked.credential_backed_up)


def _challenge(client_data: bytes) -> bytes:
    return parse_client_data_json(client_data).challenge


def _plain(options: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(options)
    return made
