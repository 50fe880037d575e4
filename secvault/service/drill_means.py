"""What the service gives to a drill: the levels beyond files, the signature, the end of servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from secvault.backup.drills.examining import Beyond
from secvault.backup.drills.result import DrillResult
from secvault.backup.drills.work import Means
from secvault.clock import timestamp
from secvault.crypto.canonical import JsonValue
from secvault.crypto.evidence import SignedEvidence, sign_evidence
from secvault.service.service import Service


def means(service: Service) -> Means:
    """What drills of this service work with."""

    def sign(result: DrillResult) -> SignedEvidence:
        return sign_evidence(_document(result), service.signing.evidence)

    return Means(bring=lambda: _beyond(service), sign=sign)


@contextmanager
def _beyond(_service: Service) -> Iterator[Beyond]:
    yield Beyond()


def _document(result: DrillResult) -> dict[str, JsonValue]:
    return {
        "kind": "restore-drill",
        "version": 2,
        "id": result.id,
        "plan": result.plan,
        "snapshot": result.snapshot,
        "passed": result.passed,
        "finished_at": timestamp(result.finished_at),
    }
