"""What the service gives to a drill: the levels beyond files, the signature, the end of servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from secvault.backup.drills.examining import Beyond
from secvault.backup.drills.result import DrillResult
from secvault.backup.drills.work import Means
from secvault.crypto.evidence import SignedEvidence
from secvault.service import drill_evidence
from secvault.service.service import Service


def means(service: Service) -> Means:
    """What drills of this service work with."""

    def sign(result: DrillResult) -> SignedEvidence:
        return drill_evidence.sign(service, result, drill_evidence.earlier_than(service, result))

    return Means(bring=lambda: _beyond(service), sign=sign)


@contextmanager
def _beyond(_service: Service) -> Iterator[Beyond]:
    yield Beyond()
