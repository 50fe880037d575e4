"""What a token is narrowed to, as it is stored: layers of role names, JSON.

Each token of a chain that was made with fewer roles adds one; what they mean is for the policy.
"""

from __future__ import annotations

import msgspec

from secvault.errors import Damaged, InvalidInput

Layers = tuple[frozenset[str], ...]

MOST_LAYERS = 32
MOST_ROLES = 32


def layers_of(text: str | None) -> Layers:
    """The layers of this text; none for None. Raises Damaged: what cannot be read opens nothing."""
    if text is None:
        return ()
    try:
        return tuple(frozenset(layer) for layer in msgspec.json.decode(text, type=list[list[str]]))
    except msgspec.MsgspecError:
        raise Damaged("what a stored token is narrowed to is damaged; revoke the token") from None


def text_of(layers: Layers) -> str | None:
    """The text of these layers; None when there is none."""
    if not layers:
        return None
    return msgspec.json.encode([sorted(layer) for layer in layers]).decode()


def deeper(layers: Layers, layer: frozenset[str] | None) -> Layers:
    """The layers with one more below them, unless it is there already. Raises InvalidInput."""
    if layer is None or layer in layers:
        return layers
    if len(layers) >= MOST_LAYERS or len(layer) > MOST_ROLES:
        raise InvalidInput.at(
            "policies", f"a token takes {MOST_ROLES} roles, narrowed {MOST_LAYERS} times at most"
        )
    return (*layers, layer)
