"""The operations of secvault, and the one spine that runs them.

Promises: every operation authenticates, decides, acts and records, in this order, whichever face
it came from; nothing is answered before its audit entry is on disk. Needs settings and a clock.
Start reading at `secvault.service.spine`, then `secvault.service.opening`.
"""

from secvault.service.service import Service

__all__ = ["Service"]
