"""Which options a kind of key can have."""

from __future__ import annotations

from secvault.crypto import key_kind
from secvault.crypto.key_kind import KeyKind
from secvault.errors import InvalidInput
from secvault.keyring.named_key import KeyOptions


def check_options(options: KeyOptions) -> KeyKind:
    """The kind of a key with these options. Raises InvalidInput for what the kind cannot be."""
    kind = key_kind.kind_of(options.kind)
    if options.convergent and not options.derived:
        raise InvalidInput("convergent encryption requires derivation to be enabled")
    if options.convergent and kind.derives and not kind.symmetric:
        raise InvalidInput(f"convergent encryption not supported for keys of type {kind.name}")
    if options.derived and not kind.derives:
        raise InvalidInput(
            f"key derivation and convergent encryption not supported for keys of type {kind.name}"
        )
    if options.key_size and kind.family != "hmac":
        raise InvalidInput(f"key_size is not valid for algorithm {kind.name}")
    return kind
