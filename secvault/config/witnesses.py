"""Settings of the witnesses that co-sign the audit log's checkpoints."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from secvault.config.section import Section, UsablePath

_ADDRESS = re.compile(
    r"https://[^\s/@?#]+(/[^\s@?#]*)?|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?(/[^\s@?#]*)?"
)


def _address(url: str) -> str:
    if not _ADDRESS.fullmatch(url):
        raise ValueError(
            "write https://host or https://host/path, without a name or password in it; http only "
            "for this machine itself"
        )
    return url.rstrip("/")


class WitnessSettings(Section):
    """One witness (c2sp.org/tlog-witness)."""

    # Its submission prefix: add-checkpoint is below it.
    url: Annotated[str, AfterValidator(_address)]
    # Its public key, as `secvault witness key` prints it.
    vkey: str = Field(max_length=512, pattern=r"^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*$")
    # Of its own certificate authority; the system's where there is none.
    ca_file: UsablePath | None = None
    # How long it may take to answer, from the first byte to the last.
    seconds: float = Field(5.0, gt=0, le=60)
    # How long it may fail until people are told.
    late_seconds: int = Field(900, ge=1, le=604_800)
