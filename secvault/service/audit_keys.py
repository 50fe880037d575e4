"""Rotating the key that signs the audit log."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.audit import signing_keys as rows
from secvault.audit.signing_keys import AuditKey
from secvault.errors import InvalidInput
from secvault.service.approval import Terms
from secvault.service.log_signing import sign_now
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

ROTATE = Operation("audit.rotate_key", "it", "log", "it/audit/keys")
MOST_DAYS = 365
_DAY = 86_400 * 1_000_000


@dataclass(frozen=True)
class RotatedKey:
    """The key in force. until: to when its predecessor signs beside it, microseconds UTC."""

    key: AuditKey
    former: AuditKey
    until: int


def rotate_key(service: Service, caller: Caller, overlap_days: int) -> RotatedKey:
    """Make another key that signs the log; the present one signs beside it for so many days.

    A checkpoint is signed at once, by both. With no days, the old one signs nothing more: for a
    key that others may have. Raises InvalidInput, ApprovalRequired, Refused.
    """
    if not 0 <= overlap_days <= MOST_DAYS:
        raise InvalidInput.at("overlap_days", f"must be from 0 to {MOST_DAYS}")
    present = service.signing.audit_keys()[0]

    def act(connection: Connection) -> Outcome[RotatedKey]:
        made = service.signing.next_key(connection, present.verifier.name, "")
        until = made.since + overlap_days * _DAY
        rows.keep_next(connection, made, until)
        detail: dict[str, str | int | bool] = {
            "version": made.number,
            "from_version": present.number,
            "signer": made.fingerprint,
            "expires_at": until,
        }
        return Outcome(RotatedKey(made, present, until), detail=detail)

    terms: Terms = {"from_version": present.number, "days": overlap_days}
    rotated = service.spine.change(caller, ROTATE, act, lambda _: terms)
    sign_now(service)
    return rotated
