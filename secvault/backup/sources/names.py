"""Names of files for what has any name: databases may be called anything, also `../x`."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

_LONGEST = 160
_SHORTHAND = "secvault_"


def file_name(name: str, ending: str) -> str:
    """A file name that tells the name, another for each, of at most 200 bytes of ASCII.

    All but letters, digits and `_.-~` is written as in URLs; what is too long is cut, and told
    apart by its hash. ending: with its dot.
    """
    written = quote(name, safe="")
    if len(written) > _LONGEST:
        # A `%` alone is in no name that is written whole, so that none of those is met.
        written = f"{written[:_LONGEST].rsplit('%', 1)[0]}%{_hash(name)}"
    return f"{written}{ending}"


def stand_in(purpose: str, *of: str) -> str:
    """A name for a database of ours while something is done: a-z, 0-9 and _, 40 at most.

    The same for the same, so that what a killed process left is found again.
    """
    return f"{_SHORTHAND}{purpose}_{_hash(chr(0).join(of))}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
