"""The operations of secvault, and the one spine that runs them.

Promises: every operation authenticates, decides, acts and records, in this order, whichever face
it came from; nothing is answered before its audit entry is on disk. Needs settings and a clock.
Start reading at `secvault.service.spine`, then `secvault.service.opening`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secvault.service.service import Service

__all__ = ["Service"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        # The sealer, which holds the root and little else, loads none of the parts.
        if name != "Service":
            raise AttributeError(name)
        from secvault.service.service import Service  # noqa: PLC0415

        return Service
