"""Where secvault means to answer otherwise than OpenBao: the case's name, and why.

`docs/reference/transit.md` tells the same to users. A case that no longer differs must go.
"""

from __future__ import annotations

DIFFERENCES: dict[str, str] = {}
