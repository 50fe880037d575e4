"""Which version of a key each item was done with, for the usage statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from secvault.crypto.transit import version_in
from secvault.errors import InvalidInput
from secvault.keyring.encryption import Encrypted, ToDecrypt
from secvault.keyring.signing import Signed, ToVerify
from secvault.service.service import Service
from secvault.service.spine import Caller

_WORDS = {"key": "datakey"}


def note_use(
    service: Service,
    caller: Caller,
    action: str,
    mount: str,
    name: str,
    versions: Mapping[int, int],
) -> None:
    """Count an operation that was done and recorded; never waits. action: `data.<operation>`."""
    word = action.removeprefix("data.")
    operation = _WORDS.get(word, word)
    service.usage.note(caller.principal.subject, mount, name, operation, versions)


def versions_of(pairs: Iterable[tuple[object, object]]) -> Counter[int]:
    """The versions that items were done with, by item and result; what failed is left out."""
    return Counter(
        _version(item, done) for item, done in pairs if not isinstance(done, InvalidInput)
    )


def _version(item: object, done: object) -> int:
    # What was opened, not what a rewrap made of it: an old version that is used so is in use.
    if isinstance(item, ToDecrypt):
        return version_in(item.ciphertext)
    if isinstance(item, ToVerify):
        return version_in(item.code)
    if isinstance(done, Encrypted | Signed):
        return done.key_version
    return version_in(str(done))
