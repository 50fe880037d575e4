"""What the peer calls policies, as we have it: names of roles, and `default` for everybody's.

`it.cryptor` and `role:it.cryptor` are one role. Like the peer's, names are read in lower case, and
`default` comes with every token unless it was asked not to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.access import SIGNED_IN
from secvault.access.scope import Layer, is_scope
from secvault.access.vocabulary import is_role
from secvault.errors import InvalidInput
from secvault.identity.layers import Layers, deeper
from secvault.service.service import Service
from secvault.service.spine import Caller

DEFAULT = "default"
_PREFIX = "role:"
_NOT_A_SUBSET = "child policies must be subset of parent"


@dataclass(frozen=True)
class Policies:
    """The names that a credential is answered with.

    token: of the token itself. identity: what it has because its system or person has it.
    """

    token: tuple[str, ...]
    identity: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Both, sorted."""
        return tuple(sorted({*self.token, *self.identity}))


def policies_of(service: Service, subject: str, layers: Layers) -> Policies:
    """What a credential has now. layers: of a narrowed token."""
    held = service.policy.held_roles(subject, service.clock.micros(), layers)
    layers = tuple(layer for layer in layers if not is_scope(layer))
    if not layers:
        everybody = (DEFAULT,) if SIGNED_IN in held else ()
        return Policies(everybody, names_of(held - {SIGNED_IN}))
    # Inherited roles are not named, unless the token was narrowed to them.
    asked = frozenset[str]().union(*layers)
    return Policies(names_of(held & asked))


def narrower(
    service: Service,
    connection: Connection,
    *,
    subject: str,
    layers: Layers,
    names: Sequence[str],
    no_default: bool = False,
) -> frozenset[str] | None:
    """The layer that these names ask for; None when they ask for nothing less than there is.

    subject, layers: what the new token comes from. Raises InvalidInput for a role that it has not.
    """
    wanted = {_role(each) for each in names if each.strip()}
    if not wanted and not no_default:
        return None
    held = service.policy.held_roles(subject, service.clock.micros(), layers, connection)
    if not wanted:
        return held - {SIGNED_IN}
    if not no_default and SIGNED_IN in held:
        wanted.add(SIGNED_IN)
    missing = sorted(wanted - held)
    if missing:
        # Only what has the form of a role is repeated; it may be anything.
        shown = [_name(each) for each in missing if is_role(each)]
        listed = f": {', '.join(shown)} is not among its roles" if shown else ""
        raise InvalidInput(f"{_NOT_A_SUBSET}{listed}")
    return frozenset(wanted)


def layers_for(
    service: Service,
    connection: Connection,
    caller: Caller,
    subject: str,
    names: Sequence[str],
    *,
    no_default: bool = False,
    scope: Layer | None = None,
) -> Layers:
    """What a token made for a system by whoever administers tokens is narrowed to.

    scope: see `access.scope`. A system that administers tokens by a narrowed token makes no wider
    one for itself.
    """
    own = caller.principal.narrowing if caller.principal.subject == subject else ()
    layer = narrower(
        service, connection, subject=subject, layers=own, names=names, no_default=no_default
    )
    return deeper(deeper(own, layer), scope)


def names_of(roles: frozenset[str]) -> tuple[str, ...]:
    """The names of these roles, sorted."""
    return tuple(sorted(_name(each) for each in roles))


def _role(name: str) -> str:
    plain = name.strip().lower().removeprefix(_PREFIX)
    return SIGNED_IN if plain in (DEFAULT, SIGNED_IN.removeprefix(_PREFIX)) else _PREFIX + plain


def _name(role: str) -> str:
    return DEFAULT if role == SIGNED_IN else role.removeprefix(_PREFIX)
