"""The stored bytes of an uploaded file, and of what is said of it."""

from __future__ import annotations

import pytest

from secvault.crypto.aead import bind, open_sealed
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.records.imports import source

KEY = Secret(bytes(range(32)))
IMPORT = "0199c2000000700080000000000000aa"
GOLDEN = "010000000000000000000000007ad9c7b3c6233ad98f43ca34f49c07f3ebba13c20b"


def _zeros(count: int) -> bytes:
    return bytes(count)


def test_the_format_is_the_one_that_is_documented() -> None:
    sealed = source.seal_terms(b"terms", KEY, IMPORT, _zeros)
    assert sealed.hex() == GOLDEN
    aad = bind("secvault/import", IMPORT, "terms")
    assert open_sealed(sealed, KEY, aad) == source.open_terms(sealed, KEY, IMPORT) == b"terms"


def test_terms_that_were_moved_changed_or_dropped_do_not_open() -> None:
    sealed = source.seal_terms(b"terms", KEY, IMPORT, _zeros)
    for stored, of in ((sealed, IMPORT[:-1] + "b"), (sealed[:-1] + b"\0", IMPORT), (None, IMPORT)):
        with pytest.raises(Damaged):
            source.open_terms(stored, KEY, of)
