"""Why somebody was not let in: told to the audit log, never to the caller."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from secvault.crypto.token import REFUSAL as TOKEN_REFUSAL
from secvault.errors import NotAuthenticated, TooManyAttempts

REFUSAL = (
    "The name, the password or the code is not right. Check all three and wait for a new code; "
    "if it goes on, ask an administrator."
)
"""The one sentence for everybody who is not let in."""

INVITATION_REFUSAL = (
    "The activation code is not right, was used, or its time is over. Check it; if it is right, "
    "ask whoever invited you for a new one."
)
"""The one sentence for every code that activates nobody."""


class Reason(StrEnum):
    """What was wrong."""

    UNKNOWN_PERSON = "unknown_person"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105  a reason, not a password
    DISABLED = "disabled"
    NO_SECOND_FACTOR = "no_second_factor"
    SECOND_FACTOR_NEEDED = "second_factor_needed"
    WRONG_CODE = "wrong_code"
    REPLAYED_CODE = "replayed_code"
    LOCKED = "locked"
    DELAYED = "delayed"
    CLOCK_WENT_BACK = "clock_went_back"
    CHANGED_MEANWHILE = "changed_meanwhile"
    UNKNOWN_ROLE = "unknown_role"
    WRONG_SECRET = "wrong_secret"  # noqa: S105  a reason, not a secret
    WRONG_ADDRESS = "wrong_address"
    SPENT = "spent"
    UNKNOWN_CHALLENGE = "unknown_challenge"
    UNKNOWN_PASSKEY = "unknown_passkey"
    WRONG_PASSKEY = "wrong_passkey"
    COUNT_WENT_BACK = "count_went_back"
    RESYNCED_TOO_OFTEN = "resynced_too_often"
    NOT_YOURSELF = "not_yourself"
    UNKNOWN_INVITATION = "unknown_invitation"
    INVITATION_EXPIRED = "invitation_expired"
    REPLACED = "replaced"
    # What an identity provider said, or what came in its name.
    PROVIDER_REFUSED = "provider_refused"
    CODE_REFUSED = "code_refused"
    UNKNOWN_STATE = "unknown_state"
    OTHER_BROWSER = "other_browser"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    WRONG_ALGORITHM = "wrong_algorithm"
    WRONG_SIGNATURE = "wrong_signature"
    WRONG_NONCE = "wrong_nonce"
    WRONG_ID_TOKEN = "wrong_id_token"  # noqa: S105  a reason, not a token
    UNKNOWN_KEY = "unknown_key"
    EXPIRED = "expired"
    TOO_OLD = "too_old"
    NOT_LINKED = "not_linked"
    LINKED_ALREADY = "linked_already"
    NAME_NOT_FREE = "name_not_free"
    REPLAYED = "replayed"


class SignInRefused(NotAuthenticated):
    """No entry. Its text is the same in every case.

    For the audit log only: reason; person: the id, empty when the name is unknown; locked: ids of
    the devices that this very attempt locked, which is worth telling the person and the
    administrators, since whoever tried knew the password.
    """

    sentence: ClassVar[str] = REFUSAL

    def __init__(self, reason: Reason, person: str = "", locked: tuple[str, ...] = ()) -> None:
        super().__init__(self.sentence)
        self.reason = reason
        self.person = person
        self.locked = locked


class InvitationRefused(SignInRefused):
    """The code activates nobody. Its text is the same in every case."""

    sentence = INVITATION_REFUSAL


class SignInDelayed(TooManyAttempts):
    """Nothing was checked: the last failures are too recent. `retry_after` in whole seconds.

    For the audit log only: person: the id, empty when the name is unknown.
    """

    reason = Reason.DELAYED

    def __init__(self, retry_after: int, person: str = "") -> None:
        super().__init__(
            f"Too many failed attempts. Wait {retry_after} seconds and try again.",
            retry_after=retry_after,
        )
        self.person = person


class TokenRefused(NotAuthenticated):
    """A genuine token that is not let in. Its text is that of every other.

    For the audit log only: reason; token: its key id; account: id of its service account.
    """

    def __init__(self, reason: Reason, token: str, account: str) -> None:
        super().__init__(TOKEN_REFUSAL)
        self.reason = reason
        self.token = token
        self.account = account
