"""Why what a provider said was not believed: for the audit log, never for the caller."""

from __future__ import annotations

from secvault.identity.refusal import Reason


class NotBelieved(Exception):
    """What came from a provider, or in its name, is not what it must be."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason
