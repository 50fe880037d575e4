"""Which version of a key each item was done with, for the usage statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from secvault.crypto.transit import PREFIX, version_in
from secvault.errors import InvalidInput
from secvault.keyring.encryption import Encrypted, ToDecrypt
from secvault.keyring.signing import Signed, ToVerify
from secvault.service.service import Service
from secvault.service.spine import Caller

_WORDS = {"key": "datakey"}
_KEY_VERSION = itemgetter("key_version")


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


def versions_shown(items: Sequence[Any], data: Mapping[str, Any]) -> Mapping[int, int]:
    """The same of an answer of the lean path, whose items all succeeded, in a few microseconds."""
    if "batch_results" not in data:
        return {_shown(items[0], data): 1}
    results: Sequence[Mapping[str, Any]] = data["batch_results"]
    if isinstance(items[0], ToDecrypt):
        first = items[0].ciphertext
        prefix = first[: first.index(":", len(PREFIX)) + 1]
        if all(item.ciphertext.startswith(prefix) for item in items):
            return {version_in(first): len(items)}
    elif "key_version" in results[0]:
        return Counter(map(_KEY_VERSION, results))
    return Counter(map(_shown, items, results))


def _shown(item: object, result: Mapping[str, Any]) -> int:
    if isinstance(item, ToDecrypt):
        return version_in(item.ciphertext)
    version: int = result["key_version"] if "key_version" in result else version_in(result["hmac"])
    return version


def _version(item: object, done: object) -> int:
    # What was opened, not what a rewrap made of it: an old version that is used so is in use.
    if isinstance(item, ToDecrypt):
        return version_in(item.ciphertext)
    if isinstance(item, ToVerify):
        return version_in(item.code)
    if isinstance(done, Encrypted | Signed):
        return done.key_version
    return version_in(str(done))
