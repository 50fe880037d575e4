"""Which restic it is, by its own words."""

from __future__ import annotations

import re

from secvault.errors import ConfigurationError

ResticVersion = tuple[int, int, int]

OLDEST: ResticVersion = (0, 14, 0)
_VERSION = re.compile(rb"\brestic (\d+)\.(\d+)\.(\d+)")


def parse_version(words: bytes, binary: str) -> ResticVersion:
    """The version in the answer to `restic version`.

    binary: the program, for the error. Raises ConfigurationError where it is older than 0.14 or no
    restic.
    """
    found = _VERSION.search(words)
    if found is None:
        raise ConfigurationError(
            f"{binary} does not answer as restic; install restic 0.14 or later"
        )
    version = (int(found[1]), int(found[2]), int(found[3]))
    if version < OLDEST:
        raise ConfigurationError(
            f"restic {'.'.join(map(str, version))} is too old; install 0.14 or later"
        )
    return version
