"""Every request that a real OpenBao and secvault must answer alike."""

from __future__ import annotations

from tests.contract.case import Case
from tests.contract.encryption_cases import batches, encryption
from tests.contract.exchange_cases import (
    agreeing,
    bringing,
    certifying,
    next_versions,
    settings,
    sharing,
    unhashed,
)
from tests.contract.key_cases import kinds, limits, moving
from tests.contract.mount_cases import mounts
from tests.contract.signing_cases import digests, signing


def all_cases() -> list[Case]:
    """Every case; names are unique."""
    groups = (kinds(), encryption(), batches(), signing(), digests(), limits(), moving())
    groups += (bringing(), next_versions(), sharing(), agreeing(), certifying(), settings())
    groups += (unhashed(), mounts())
    return [case for group in groups for case in group]
