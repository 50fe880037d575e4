"""Whether a secret that somebody chose could have been drawn at random."""

from __future__ import annotations

import math
from itertools import pairwise

from secvault.errors import InvalidInput

SHORTEST = 24
LONGEST = 512
LEAST_BITS = 112
"""What NIST SP 800-131A asks of a key; the estimate below is an upper bound of the real value."""


def require_strong(text: str, field: str) -> None:
    """Return if the text may serve as a secret. Raises InvalidInput at `field`, without the text.

    Refused are texts that are short, of few different characters, repeated, or that mostly count up
    or down. A UUID or 16 random bytes in any encoding pass.
    """
    if not SHORTEST <= len(text) <= LONGEST or not text.isascii() or not text.isprintable():
        raise InvalidInput.at(
            field, f"must have {SHORTEST} to {LONGEST} printable ASCII characters, drawn at random"
        )
    bits = len(text) * math.log2(len(set(text)))
    # A text that occurs in itself, shifted, is a repetition.
    repeated = text in (text + text)[1:-1]
    steps = [ord(after) - ord(before) for before, after in pairwise(text)]
    counting = sum(step in (-1, 0, 1) for step in steps) * 2 > len(steps)
    if bits < LEAST_BITS or repeated or counting:
        raise InvalidInput.at(
            field, "is too easy to guess: draw it at random, or let one be made here"
        )
