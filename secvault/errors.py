"""Everything that can go wrong, named by what happened.

Each error carries one sentence for the person (what happened, and what to do next), a stable
`code` for programs, and where it makes sense the fields at fault. Never a secret: callers put
only names, ids and limits into the text. The faces translate in one place each:
`secvault.api.problem` to RFC 9457, `secvault.cli.outcome` to an exit code and a line on stderr.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class FieldError:
    """One fault in the input. `field` is a dotted path or JSON pointer to it."""

    field: str
    detail: str


class SecvaultError(Exception):
    """Base of all errors that secvault raises on purpose.

    status: HTTP status. vault_status: the one on the Vault-compatible paths, where their clients
    look for another than the usual one. exit_code: exit code of the command line (0 done,
    1 failed, 2 wrong usage, 3 refused, 4 sealed or not reachable, 5 verification found damage).
    """

    code: ClassVar[str] = "failed"
    title: ClassVar[str] = "The operation failed"
    status: ClassVar[int] = 500
    vault_status: ClassVar[int | None] = None
    exit_code: ClassVar[int] = 1

    def __init__(self, detail: str, *, fields: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = fields


class InvalidInput(SecvaultError):
    """The request cannot be understood or breaks a stated limit; nothing was changed."""

    code = "invalid-input"
    title = "The request is not valid"
    status = 422
    exit_code = 2

    @classmethod
    def at(cls, field: str, detail: str) -> InvalidInput:
        """The error for one field at fault."""
        return cls(f"{field}: {detail}", fields=(FieldError(field, detail),))


class KeyForbids(InvalidInput):
    """A key's own settings forbid what was asked, or a key with this name is there already."""

    code = "key-forbids"
    title = "The key forbids this"
    # Clients tell it by this status from input that they must mend.
    vault_status = 500


class ConfigurationError(SecvaultError):
    """A setting, a policy file or a collection file is wrong; says which file and key."""

    code = "configuration"
    title = "The configuration is not valid"
    exit_code = 2


class NotFound(SecvaultError):
    """The named thing does not exist, or the caller may not learn that it does."""

    code = "not-found"
    title = "Not found"
    status = 404


class Erased(NotFound):
    """The record was erased on purpose; what is left is the evidence."""

    code = "erased"
    title = "Erased"
    status = 410


class OnHold(SecvaultError):
    """A legal hold forbids that this be erased."""

    code = "on-hold"
    title = "Kept by a legal hold"
    status = 409


class Conflict(SecvaultError):
    """The thing exists already, or is in a state that does not allow this."""

    code = "conflict"
    title = "In conflict with the present state"
    status = 409


class ProvisioningRefused(SecvaultError):
    """A provider's word on people and groups cannot be taken as it is (RFC 7644, 3.12).

    scim_type: what is wrong, in the words of that specification; empty for none. answer_status:
    the HTTP status that goes with it.
    """

    code = "provisioning-refused"
    title = "This cannot be provisioned"
    status = 400

    def __init__(self, detail: str, *, scim_type: str, answer_status: int) -> None:
        super().__init__(detail)
        self.scim_type = scim_type
        self.answer_status = answer_status


class VersionMismatch(SecvaultError):
    """Somebody else changed the thing since it was read."""

    code = "version-mismatch"
    title = "Changed by somebody else in the meantime"
    status = 412


class PreconditionRequired(SecvaultError):
    """The change must say which version it is based on."""

    code = "precondition-required"
    title = "The version to change must be stated"
    status = 428


class NotAuthenticated(SecvaultError):
    """No identity: the credential is missing, wrong, expired or revoked. Says no more."""

    code = "not-authenticated"
    title = "Not signed in"
    status = 401
    exit_code = 3


class TooManyAttempts(SecvaultError):
    """Guessing is slowed down; `retry_after` in whole seconds."""

    code = "too-many-attempts"
    title = "Too many attempts"
    status = 429
    exit_code = 3

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class TooManyStreams(SecvaultError):
    """The caller has as many streams of events open as are allowed; `retry_after` in seconds."""

    code = "too-many-streams"
    title = "Too many streams at once"
    status = 429

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class BodyTooSlow(SecvaultError):
    """The rest of a request did not arrive in time."""

    code = "body-too-slow"
    title = "Request Timeout"
    status = 408


class TooLarge(SecvaultError):
    """What was sent is larger than what is taken; nothing of it is kept."""

    code = "content-too-large"
    title = "Content Too Large"
    status = 413
    exit_code = 2


class RangeNotSatisfiable(SecvaultError):
    """The part that was asked for lies outside of the content. size: of the whole, in bytes."""

    code = "range-not-satisfiable"
    title = "The content has no such part"
    status = 416

    def __init__(self, detail: str, *, size: int) -> None:
        super().__init__(detail)
        self.size = size


class Refused(SecvaultError):
    """The access decision is no. `reason` is the text that the caller may see.

    decision_id: names the decision in the audit log, by which it can be explained; empty when no
    operation was decided. decision: that decision, from where it was made to where it is put on
    record; None before and after.
    """

    code = "refused"
    title = "Not allowed"
    status = 403
    exit_code = 3

    def __init__(self, detail: str, *, decision_id: str = "") -> None:
        super().__init__(detail)
        self.decision_id = decision_id
        self.decision: object = None


class ForeignPage(SecvaultError):
    """A browser brought a session, but nothing shows that a page of ours asked it to."""

    code = "foreign-page"
    title = "Not asked for by a page of this service"
    status = 403
    exit_code = 3


class StepUpRequired(Refused):
    """The decision would be yes for somebody who has just shown a factor again (RFC 9470).

    max_age: seconds; a second factor shown not longer ago than this is asked for.
    """

    code = "step-up-required"
    title = "Show a second factor again"
    status = 401

    def __init__(self, detail: str, *, max_age: int, decision_id: str = "") -> None:
        super().__init__(detail, decision_id=decision_id)
        self.max_age = max_age


class ApprovalRequired(Refused):
    """The decision is yes, but a second person must approve it.

    digest: of what is proposed. request: id of the request that waits; empty when nobody was asked.
    """

    code = "approval-required"
    title = "A second person must approve this"

    def __init__(
        self, detail: str, *, digest: str, request: str = "", decision_id: str = ""
    ) -> None:
        super().__init__(detail, decision_id=decision_id)
        self.digest = digest
        self.request = request


class SeparationOfDuties(Refused):
    """Somebody would have together what a rule of `separation.toml` keeps apart.

    rules: the ids of the rules.
    """

    code = "separation-of-duties"
    title = "Kept apart from what is held already"

    def __init__(self, detail: str, *, rules: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.rules = rules


class Sealed(SecvaultError):
    """The root key is not available, so nothing can be opened."""

    code = "sealed"
    title = "The vault is sealed"
    status = 503
    exit_code = 4


class KeysApart(SecvaultError):
    """The database was restored from a backup, and its data keys have not been brought back."""

    code = "keys-apart"
    title = "Restored, but not yet joined with its data keys"
    status = 503
    exit_code = 4


class Unavailable(SecvaultError):
    """A part that is needed (store, S3, a server) cannot be reached now."""

    code = "unavailable"
    title = "Not available now"
    status = 503
    exit_code = 4


class Overloaded(Unavailable):
    """More is asked for at this moment than can be done; nothing was begun.

    retry_after: in whole seconds.
    """

    code = "overloaded"
    title = "Too much at this moment"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class AuditUnavailable(Unavailable):
    """The audit entry could not be made durable, so the operation was not answered."""

    code = "audit-unavailable"
    title = "The audit log cannot be written"


class Damaged(SecvaultError):
    """Stored bytes are not what was written: changed, moved, truncated or of another key."""

    code = "damaged"
    title = "Stored data is damaged"
    status = 500
    exit_code = 5


class RolledBack(SecvaultError):
    """The audit log does not continue what it has shown outside of the store."""

    code = "rolled-back"
    title = "The audit log was put back or rewritten"
    status = 503
    exit_code = 5


class StoreVersion(SecvaultError):
    """The store was written by another version of the program, or half-way migrated."""

    code = "store-version"
    title = "The store does not fit this program"
    status = 503
    exit_code = 4


class BackupFailed(SecvaultError):
    """A backup or restore did not complete; the repository keeps what it had."""

    code = "backup-failed"
    title = "The backup did not complete"


class Cancelled(SecvaultError):
    """The work was stopped on request."""

    code = "cancelled"
    title = "Cancelled"
