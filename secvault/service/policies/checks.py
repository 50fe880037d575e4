"""What a policy must pass, beyond being well formed, before it can be applied."""

from __future__ import annotations

from collections.abc import Callable

from secvault.access.bundle import Bundle
from secvault.errors import ConfigurationError

Check = Callable[[Bundle], None]
"""Returns when the bundle passes; raises ConfigurationError with what does not."""

CHECKS: tuple[Check, ...] = ()
"""Every check, in order: add one here, and no bundle is applied that fails it."""


def failures(bundle: Bundle) -> tuple[str, ...]:
    """What each check that fails has to say."""
    found = []
    for check in CHECKS:
        try:
            check(bundle)
        except ConfigurationError as error:
            found.append(error.detail)
    return tuple(found)
