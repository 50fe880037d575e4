"""Cursors: where a page of a search ended, in a text that says nothing and that nobody can make.

Sealed as everything at rest is (`crypto.aead`), under a key that is derived from the index root for
one collection and one caller, and tied to the search, so that it continues no other one. In
URL-safe base64 without padding.
"""

from __future__ import annotations

import base64
import binascii
import os

from secvault.crypto.aead import KEY_BYTES, Random, bind, open_sealed, seal
from secvault.crypto.canonical import canonical_json, parse_canonical
from secvault.crypto.derivation import derive
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput
from secvault.records.search_terms import Place, Search

LONGEST_CURSOR = 4096


def cursor_key(root: Secret, collection: str, subject: str) -> Secret:
    """The key of the cursors of one caller. root: the index root."""
    return derive(root, bind("secvault/search-cursor", collection, subject), KEY_BYTES)


def cursor_of(place: Place, search: Search, key: Secret, random: Random = os.urandom) -> str:
    """The cursor that continues this search after the place."""
    said = canonical_json({"id": place.id, "value": place.value})
    sealed = seal(said, key, search.digest(), random)
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def place_at(cursor: str, search: Search, key: Secret) -> Place:
    """Where it continues. Raises InvalidInput for what was not made for this caller and search."""
    try:
        if len(cursor) > LONGEST_CURSOR:
            raise _foreign()
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        sealed = base64.b64decode(padded, altchars=b"-_", validate=True)
        said = parse_canonical(open_sealed(sealed, key, search.digest()))
    except (UnicodeEncodeError, binascii.Error, Damaged):
        raise _foreign() from None
    assert isinstance(said, dict)  # noqa: S101 - we made it
    return Place(str(said["id"]), said["value"])


def _foreign() -> InvalidInput:
    return InvalidInput.at(
        "after", "is not where a page of this search ended; give the same search, and what its "
        "page before ended with"
    )  # fmt: skip
