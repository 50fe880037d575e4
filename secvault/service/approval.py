"""The seam for a second person: what may need an approval, and who says whether it has one.

The spine asks here, in the transaction of the operation, before anything is changed. What
approvals are made of (who gave them, for how long, by which factor) belongs to whoever implements
`Approvals`; nothing else in the house knows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from secvault.crypto.canonical import JsonValue, canonical_json

Terms = Mapping[str, JsonValue]
"""What exactly is to be done: names, numbers and digests; never a secret. `subject` is the person
or system (`user:<id>`, `svc:<id>`) whom it affects, who cannot be the one to approve.
"""

NOT_REQUIRED = "not-required-by-policy"


@dataclass(frozen=True)
class Proposal:
    """What somebody is about to do. subject: who, who can therefore not be the one to approve.

    action, department, object, resource: of the operation.
    """

    subject: str
    action: str
    department: str
    object: str
    resource: str
    terms: Terms

    @property
    def beneficiary(self) -> str:
        """Whom it affects, as a subject; empty when that is nobody."""
        subject = self.terms.get("subject", "")
        return subject if isinstance(subject, str) else ""

    @property
    def digest(self) -> str:
        """What an approval is bound to: SHA-256 in hexadecimal over the canonical JSON of action,
        department, resource and terms. The same for everybody who proposes the same.
        """
        what: dict[str, JsonValue] = {
            "action": self.action,
            "department": self.department,
            "resource": self.resource,
            "terms": dict(self.terms),
        }
        return hashlib.sha256(canonical_json(what)).hexdigest()


@dataclass(frozen=True)
class Asked:
    """A request for approval that others see now. expires_at: microseconds since the epoch, UTC."""

    request: str
    expires_at: int


class Approvals(Protocol):
    """Whether what is proposed may be done."""

    def grant(self, connection: Connection, proposal: Proposal) -> str:
        """Return how it is approved, as a code for the audit entry (`facts.WORD`).

        connection: of the operation's own transaction, which is undone when this raises, or when
        the operation fails after it: an approval that is used up here is used up with the deed.
        Raises ApprovalRequired.
        """
        ...

    def ask(self, connection: Connection, proposal: Proposal, reason: str) -> Asked:
        """Put the proposal before those who can approve it, with the caller's transaction.

        reason: for them to read. Raises InvalidInput for one that cannot be shown.
        """
        ...


@dataclass(frozen=True)
class NothingRequired:
    """Grants everything at once: no policy asks for a second person."""

    def grant(self, connection: Connection, proposal: Proposal) -> str:  # noqa: ARG002
        """Say so, for the audit entry."""
        return NOT_REQUIRED

    def ask(self, connection: Connection, proposal: Proposal, reason: str) -> Asked:  # noqa: ARG002
        """Never called: nothing is refused for want of an approval."""
        raise AssertionError("nothing needs an approval here")
