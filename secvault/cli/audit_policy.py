"""A policy file (c2sp.org/tlog-policy) at the command line: which witnesses must have co-signed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from secvault.cli import operations, show
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.crypto.log_policy import Judged, LogPolicy

POLICY = typer.Option(
    "--policy", metavar="FILE", help="The logs and witnesses to trust, instead of --key."
)


def read(file: Path) -> LogPolicy:
    """The policy in the file. Raises InvalidInput."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InvalidInput.at("--policy", f"{file} cannot be read: {error.strerror}") from None
    return operations.log_policy.LogPolicy.parse(content)


def shown(judged: Judged) -> Mapping[str, str | None]:
    """When each witness co-signed, by its name in the policy."""
    return {name: show.time(one.time * 1_000_000) for name, one in sorted(judged.cosigned.items())}
